/** One task with all that is known of it, live while it runs. */

import { h, setText } from "../hub/dom.js";
import { Problem, readTask } from "../hub/services.js";
import { isTaskId, quoted } from "./address.js";
import { EventHistory } from "./event-history.js";
import { jsonBlock } from "./json-block.js";
import { TaskFacts } from "./task-facts.js";
import { TaskOutcome } from "./task-outcome.js";
import { TaskRecord } from "./task-record.js";
import { whyNot } from "./words.js";

/** @typedef {import("../hub/services.js").Task} Task */
/**
 * @typedef {object} DetailParts
 * @property {import("../hub/painter.js").Painter} painter
 * @property {import("./cancellations.js").Cancellations} cancellations
 * @property {(kind: string) => number | null} maxAttempts
 * @property {() => void} onBack
 */

const AGAIN_MS = 3_000;

/** Paintable. */
export class TaskDetail {
  #parts;
  #closed = false;
  /** @type {TaskRecord | null} */
  #record = null;
  /** @type {EventHistory | null} */
  #history = null;
  /** @type {TaskFacts | null} */
  #facts = null;
  /** @type {TaskOutcome | null} */
  #outcome = null;
  #title = h("h2", { tabIndex: -1 }, "Task");
  #copied = h("span", { class: "small quiet", role: "status" });
  #cancel;
  #refused = h("p", { class: "wrong" });
  #notice = h("p", { class: "notice", role: "status" }, "Reading the task…");
  #body = h("div", { class: "stack" });
  #idText;

  /**
   * @param {string} id  as the address has it
   * @param {DetailParts} parts
   */
  constructor(id, parts) {
    this.id = id;
    this.#parts = parts;
    this.#idText = h("span", { class: "mono" }, id);
    this.#cancel = h(
      "button",
      { type: "button", hidden: true, onclick: () => parts.cancellations.ask(id) },
      "Cancel the task",
    );
    const valid = isTaskId(id);
    const copy = valid && h("button", { type: "button", class: "small", onclick: () => this.#copy() }, "Copy id");
    this.element = h(
      "div",
      { class: "detail stack" },
      h("div", {}, h("button", { type: "button", onclick: parts.onBack }, "← All tasks")),
      h("header", { class: "row spread" }, this.#title, this.#cancel),
      valid && h("p", { class: "row id" }, this.#idText, copy, this.#copied),
      this.#refused,
      this.#notice,
      this.#body,
    );
  }

  /** Begin, and take the focus. */
  open() {
    this.#title.focus();
    if (isTaskId(this.id)) this.#load();
    else
      this.#refuse(
        "No such task",
        `${quoted(this.id)} is not the id of a task: one has 32 digits of 0–9 and a–f, with dashes.`,
      );
  }

  close() {
    this.#closed = true;
    this.#history?.close();
    this.#outcome?.close();
    this.#parts.painter.forget(this);
  }

  paint() {
    this.#facts?.paint();
    this.#outcome?.paint();
    this.#paintCancel();
  }

  /**
   * @param {number} serverMs
   * @param {number} pageMs
   */
  paintTimes(serverMs, pageMs) {
    this.#facts?.paintTimes(serverMs, pageMs);
  }

  /** What the api answered to a cancellation, if anything yet. @param {Task | null} task */
  cancellationChanged(task) {
    if (task) this.#record?.adopt(task);
    this.#parts.painter.request(this);
  }

  async #load() {
    try {
      const task = await readTask(this.id);
      if (this.#closed) return;
      if (this.#record === null) this.#show(task);
      await this.#openHistory(task.seq);
      this.#notice.hidden = true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!this.#closed) this.#fail(error);
    }
    this.#parts.painter.request(this);
  }

  /** @param {number} seq */
  async #openHistory(seq) {
    try {
      await this.#history?.open(seq);
    } catch (error) {
      // Redis came back older than the row: from the first event, then
      if (!(error instanceof Problem) || error.status !== 422) throw error;
      await this.#history?.open(0);
    }
  }

  /** @param {Problem} problem */
  #fail(problem) {
    if (problem.status === 404 || problem.status === 422) {
      this.#history?.tell("failed", "There is no such task");
      this.#refuse(
        "No such task",
        "There is no task with this id. It may be of another installation, or its data was deleted.",
      );
      return;
    }
    this.#history?.tell("waiting", "The events cannot be read yet");
    this.#say(`${whyNot(problem)} It is asked again every few seconds.`);
    setTimeout(() => !this.#closed && this.#load(), AGAIN_MS);
  }

  /** @param {Task} task */
  #show(task) {
    const record = new TaskRecord(task);
    this.#record = record;
    const { painter, maxAttempts } = this.#parts;
    this.#facts = new TaskFacts(record, () => maxAttempts(record.kind));
    this.#outcome = new TaskOutcome(record);
    this.#history = new EventHistory(this.id, painter, {
      onEvents: (events, receivedMs) => {
        record.take(events, receivedMs);
        const newest = events.at(-1);
        if (newest?.type === "result") this.#outcome?.setResult(newest.data.result);
        painter.request(this);
      },
      onReset: () => record.reset(),
    });
    setText(this.#title, task.kind);
    const facts = h("section", { class: "card", "aria-label": "State" }, this.#facts.element);
    const params = h(
      "section",
      { class: "card", "aria-labelledby": "params-title" },
      h("header", {}, h("h3", { id: "params-title" }, "Parameters")),
      jsonBlock(task.params, "Parameters"),
    );
    this.#body.replaceChildren(
      h("div", { class: "columns" }, facts, h("div", { class: "stack" }, params, this.#outcome.element)),
      this.#history.element,
    );
    this.#parts.painter.request(this);
  }

  #paintCancel() {
    const record = this.#record;
    if (record === null) return;
    const { busy, problem } = this.#parts.cancellations.of(this.id);
    // a button that is disabled or goes would take the focus along
    if ((record.ended || busy) && document.activeElement === this.#cancel) this.#title.focus();
    this.#cancel.hidden = record.ended;
    this.#cancel.disabled = busy;
    setText(this.#cancel, busy ? "Cancelling…" : "Cancel the task");
    setText(this.#refused, record.ended ? "" : problem);
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  #refuse(title, text) {
    setText(this.#title, title);
    this.#say(text);
  }

  /** @param {string} text */
  #say(text) {
    setText(this.#notice, text);
    this.#notice.dataset.tone = "bad";
    this.#notice.hidden = false;
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.id);
      setText(this.#copied, "Copied");
    } catch {
      getSelection()?.selectAllChildren(this.#idText); // no permission, or a page that came over plain http
      setText(this.#copied, "Selected: copy it with Ctrl+C");
    }
  }
}
