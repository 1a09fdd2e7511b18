/** Above the list: how many of its tasks are in which state, the updates of all, and the socket that brings them. */

import { h, setText } from "../hub/dom.js";
import { TASK_STATES, taskState } from "../hub/words.js";
import { socketBadge } from "./socket-badge.js";
import { rate } from "./words.js";

/** @typedef {import("./followed-tasks.js").FollowedTasks} FollowedTasks */
/** @typedef {import("./task-record.js").TaskRecord} TaskRecord */

/** Paintable. */
export class Summary {
  #tasks;
  #listed;
  #counts = new Map(TASK_STATES.map((/** @type {string} */ state) => [state, h("dd", { class: "number" }, "0")]));
  #rate = h("dd", { class: "number" }, "0");
  #followed = h("span", { class: "small quiet" });
  #badge = socketBadge("Socket of all tasks");
  #again;

  /**
   * @param {FollowedTasks} tasks
   * @param {() => TaskRecord[]} listed
   */
  constructor(tasks, listed) {
    this.#tasks = tasks;
    this.#listed = listed;
    this.#again = h(
      "button",
      { type: "button", class: "small", hidden: true, onclick: () => tasks.connectAgain() },
      "Connect again",
    );
    const counts = [...this.#counts].map(([state, count]) => pair(taskState(state), count, state));
    this.element = h(
      "div",
      { class: "summary" },
      h("dl", { class: "counts", "aria-label": "Tasks in the list" }, ...counts, pair("Updates/s", this.#rate, "rate")),
      h("div", { class: "row" }, this.#badge.element, this.#followed, this.#again),
    );
  }

  paint() {
    /** @type {Map<string, number>} */
    const found = new Map();
    for (const { state } of this.#listed()) found.set(state, (found.get(state) ?? 0) + 1);
    for (const [state, element] of this.#counts) setText(element, String(found.get(state) ?? 0));
    const { state, message } = this.#tasks.socket;
    this.#badge.show(state, message);
    this.#again.hidden = state !== "failed";
    const { size } = this.#tasks;
    setText(this.#followed, size === 0 ? "" : `${size} ${size === 1 ? "task" : "tasks"} on one socket`);
  }

  /** @param {number} pageMs  by the clock that events are received at */
  paintRate(pageMs) {
    let sum = 0;
    for (const { throughput } of this.#listed()) sum += throughput.perSecond(pageMs);
    setText(this.#rate, rate(sum));
  }
}

/**
 * @param {string} term
 * @param {HTMLElement} value
 * @param {string} state
 */
function pair(term, value, state) {
  return h("div", { "data-state": state }, h("dt", {}, term), value);
}
