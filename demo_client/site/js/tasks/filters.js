/** What to list: by kind and state, or one task by its id. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { TASK_STATES, taskState } from "../hub/words.js";
import { isTaskId, quoted } from "./address.js";

/** @typedef {import("./address.js").Address} Address */

export class Filters {
  #kind = h("select", { id: "filter-kind", onchange: () => this.#changed() });
  #state = h("select", { id: "filter-state", onchange: () => this.#changed() });
  #id = h("input", {
    id: "filter-id",
    type: "search",
    autocomplete: "off",
    spellcheck: false,
    "aria-describedby": "filter-id-problem",
  });
  #problem = h("p", { class: "wrong", id: "filter-id-problem", hidden: true });
  #callbacks;
  /** @type {string[]} */
  #kinds = [];

  /**
   * @param {object} callbacks
   * @param {(kind: string, state: string) => void} callbacks.onFilter
   * @param {(id: string) => void} callbacks.onOpen
   * @param {() => string[]} callbacks.listed  ids, to find one by a part
   */
  constructor(callbacks) {
    this.#callbacks = callbacks;
    this.#state.append(...options([["", "All states"], ...TASK_STATES.map((state) => [state, taskState(state)])]));
    this.#id.addEventListener("input", () => this.#say(""));
    const search = h(
      "form",
      {
        class: "by-id",
        role: "search",
        noValidate: true,
        onsubmit: (/** @type {Event} */ event) => this.#search(event),
      },
      field("Task id", this.#id, this.#problem),
      h("button", { type: "submit" }, "Open"),
    );
    this.element = h("div", { class: "filters" }, field("Kind", this.#kind), field("State", this.#state), search);
  }

  /** @param {string[]} kinds */
  setKinds(kinds) {
    this.#kinds = kinds;
    this.#fillKinds(this.#kind.value);
  }

  /** @param {Address} address */
  show({ kind, state }) {
    this.#fillKinds(kind);
    this.#state.value = state;
  }

  /** A kind that is gone may still have tasks. @param {string} chosen */
  #fillKinds(chosen) {
    const kinds = chosen === "" || this.#kinds.includes(chosen) ? this.#kinds : [...this.#kinds, chosen];
    this.#kind.replaceChildren(...options([["", "All kinds"], ...kinds.map((kind) => [kind, kind])]));
    this.#kind.value = chosen;
  }

  #changed() {
    this.#callbacks.onFilter(this.#kind.value, this.#state.value);
  }

  /** @param {Event} event */
  #search(event) {
    event.preventDefault();
    const text = this.#id.value.trim().toLowerCase().replace(/^…/, "");
    if (text === "") return this.#say("Give the id of a task, or the end of one that is listed.");
    if (isTaskId(text)) return this.#open(text);
    const found = this.#callbacks.listed().filter((id) => id.includes(text));
    if (found[0] !== undefined && found.length === 1) return this.#open(found[0]);
    const what = found.length === 0 ? "No task in the list has" : `${found.length} tasks in the list have`;
    return this.#say(`${what} ${quoted(text)} in its id. Others are found by their whole id.`);
  }

  /** @param {string} id */
  #open(id) {
    this.#id.value = "";
    this.#say("");
    this.#callbacks.onOpen(id);
  }

  /** @param {string} problem */
  #say(problem) {
    setText(this.#problem, problem);
    this.#problem.hidden = problem === "";
    setAttribute(this.#id, "aria-invalid", problem ? "true" : null);
    if (problem) this.#id.focus();
  }
}

/**
 * @param {string} label
 * @param {HTMLElement} control
 * @param {...import("../hub/dom.js").Child} rest
 */
function field(label, control, ...rest) {
  return h("div", { class: "field" }, h("label", { htmlFor: control.id }, label), control, ...rest);
}

/** @param {string[][]} pairs  value and text */
function options(pairs) {
  return pairs.map(([value = "", text = ""]) => h("option", { value }, text));
}
