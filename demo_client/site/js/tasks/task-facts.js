/** State, progress and times of one task. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { ago, dateTime, duration, NONE } from "../hub/format.js";
import { taskState } from "../hub/words.js";
import { progressOf, rate, remarkOf } from "./words.js";

/** @typedef {import("./task-record.js").TaskRecord} TaskRecord */

const NAMES = ["State", "Attempt", "Events", "Updates/s", "Created", "Started", "Last update", "Finished", "Ran for"];

/** Paintable. What the passing of time changes is `paintTimes`. */
export class TaskFacts {
  #record;
  #maxAttempts;
  #badge = h("span", { class: "badge" });
  #bar = h("progress", { max: 1, "aria-label": "Progress" });
  #percent = h("span", { class: "number percent" });
  #remark = h("p", { class: "remark small quiet" });
  #values = new Map(NAMES.map((name) => [name, h("dd", { class: "number" }, NONE)]));

  /**
   * @param {TaskRecord} record
   * @param {() => number | null} maxAttempts  null while it is not known
   */
  constructor(record, maxAttempts) {
    this.#record = record;
    this.#maxAttempts = maxAttempts;
    this.#values.get("State")?.replaceChildren(this.#badge);
    const pairs = [...this.#values].map(([name, value]) => h("div", {}, h("dt", {}, name), value));
    this.element = h(
      "div",
      { class: "stack" },
      h("div", { class: "bar" }, this.#bar, this.#percent),
      this.#remark,
      h("dl", { class: "facts" }, ...pairs),
    );
  }

  paint() {
    const record = this.#record;
    const { state, attempt, seq, createdMs, startedMs, endedMs } = record;
    setText(this.#badge, taskState(state));
    setAttribute(this.#badge, "data-state", state);
    const { ratio, percent, steps } = progressOf(record);
    if (this.#bar.value !== (ratio ?? 0)) this.#bar.value = ratio ?? 0;
    setText(this.#percent, percent);
    setText(this.#remark, [steps, remarkOf(record)].filter(Boolean).join(" · ") || "No progress reported");
    const most = this.#maxAttempts();
    this.#set("Attempt", attempt === 0 ? NONE : most === null ? String(attempt) : `${attempt} of ${most}`);
    this.#set("Events", seq.toLocaleString("en"));
    this.#set("Created", dateTime(createdMs));
    this.#set("Started", dateTime(startedMs));
    this.#set("Finished", dateTime(endedMs));
  }

  /**
   * @param {number} serverMs  Unix ms by the server's clock
   * @param {number} pageMs  by the clock that events are received at
   */
  paintTimes(serverMs, pageMs) {
    const { ended, throughput, lastMs, startedMs, endedMs } = this.#record;
    this.#set("Updates/s", ended ? NONE : rate(throughput.perSecond(pageMs)));
    this.#set("Last update", ago(serverMs - lastMs));
    this.#set("Ran for", startedMs === null ? NONE : duration(Math.max(0, (endedMs ?? serverMs) - startedMs)));
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  #set(name, text) {
    const value = this.#values.get(name);
    if (value) setText(value, text);
  }
}
