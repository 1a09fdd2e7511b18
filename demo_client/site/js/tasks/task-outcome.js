/** What a task came to: its result, or why there is none. */

import { h } from "../hub/dom.js";
import { API, Problem, request } from "../hub/services.js";
import { jsonBlock } from "./json-block.js";

/** @typedef {import("./task-record.js").TaskRecord} TaskRecord */

/** The api's rows are a second behind its streams. */
const AGAIN_MS = 1_500;

/** Paintable. */
export class TaskOutcome {
  #record;
  #shown = "";
  #closed = false;
  /** @type {{ value: unknown } | null} */
  #result = null;
  #place = h("div", {});
  element = h(
    "section",
    { class: "card", "aria-labelledby": "outcome-title" },
    h("header", {}, h("h3", { id: "outcome-title" }, "Result")),
    this.#place,
  );

  /** @param {TaskRecord} record */
  constructor(record) {
    this.#record = record;
  }

  close() {
    this.#closed = true;
  }

  /** The stream has told the result. @param {unknown} value */
  setResult(value) {
    this.#result = { value };
  }

  paint() {
    const { state, error } = this.#record;
    const stage = state === "succeeded" && this.#result ? "result" : state;
    if (stage === this.#shown) return;
    this.#shown = stage;
    if (stage === "result") this.#place.replaceChildren(jsonBlock(this.#result?.value, "Result"));
    else if (stage === "succeeded") this.#read();
    else if (stage === "failed")
      this.#say(error ? `The task has failed. ${error.type}: ${error.message}` : "The task has failed.", "bad");
    else if (stage === "cancelled") this.#say("The task was cancelled: there is no result.", "");
    else this.#place.replaceChildren(h("p", { class: "quiet" }, "It will be here when the task has ended."));
  }

  async #read() {
    this.#place.replaceChildren(h("p", { class: "quiet" }, "Reading the result…"));
    if (this.#result) return;
    try {
      this.setResult(await request(`${API}/tasks/${this.#record.id}/result`));
      this.paint();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (this.#closed || this.#result) return;
      this.#say(`${error.message} The result is asked for again.`, "bad");
      setTimeout(() => !this.#closed && !this.#result && this.#read(), AGAIN_MS);
    }
  }

  /**
   * @param {string} text
   * @param {string} tone
   */
  #say(text, tone) {
    this.#place.replaceChildren(h("p", { class: "notice wrapped", "data-tone": tone || null }, text));
  }
}
