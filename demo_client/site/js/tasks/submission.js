/** Submits tasks: which kind, with which parameters, and what became of it. */

import { append, h, setText } from "../hub/dom.js";
import { clockTime, count } from "../hub/format.js";
import { API, Problem, submitTask } from "../hub/services.js";
import { formatAddress, NEWEST, shortId } from "./address.js";
import { SchemaForm } from "./schema-form.js";
import { SubmissionKey } from "./submission-key.js";

/** @typedef {import("../hub/services.js").Kind} Kind */
/** @typedef {import("../hub/services.js").Task} Task */

export class Submission {
  #onSubmitted;
  #kind = h("select", {
    id: "submit-kind",
    disabled: true,
    "aria-describedby": "submit-summary",
    onchange: () => this.#showForm(),
  });
  #summary = h("p", { class: "hint", id: "submit-summary" }, "Reading which kinds there are…");
  #place = h("div", {});
  #submit = h("button", { type: "submit", class: "primary", disabled: true }, "Submit");
  #defaults = h("button", { type: "button", disabled: true, onclick: () => this.#restore() }, "Defaults");
  #refused = h("div", { role: "alert" });
  #done = h("div", {});
  #key = new SubmissionKey();
  /** @type {Map<string, { kind: Kind, form: SchemaForm }>} */
  #forms = new Map();

  /** @param {(task: Task) => void} onSubmitted */
  constructor(onSubmitted) {
    this.#onSubmitted = onSubmitted;
    this.element = h(
      "form",
      { noValidate: true, onsubmit: (/** @type {Event} */ event) => this.#send(event) },
      h("div", { class: "field" }, h("label", { htmlFor: "submit-kind" }, "Kind"), this.#kind, this.#summary),
      this.#place,
      this.#refused,
      h("div", { class: "row" }, this.#submit, this.#defaults),
      this.#done,
    );
  }

  /** @param {Kind[]} kinds */
  setKinds(kinds) {
    this.#forms = new Map(kinds.map((kind) => [kind.name, { kind, form: new SchemaForm(kind.params) }]));
    this.#kind.replaceChildren(...kinds.map(({ name }) => h("option", { value: name }, name)));
    this.#kind.disabled = this.#submit.disabled = this.#defaults.disabled = kinds.length === 0;
    this.#showForm();
  }

  /** Why there are no kinds yet. @param {string} text */
  setProblem(text) {
    setText(this.#summary, text);
  }

  #showForm() {
    const shown = this.#forms.get(this.#kind.value);
    setText(this.#summary, shown?.kind.summary ?? "The api knows no kind of task.");
    this.#place.replaceChildren(shown ? shown.form.element : "");
    this.#refused.replaceChildren();
  }

  #restore() {
    const shown = this.#forms.get(this.#kind.value);
    if (shown) shown.form = new SchemaForm(shown.kind.params);
    this.#showForm();
  }

  /** @param {Event} event */
  async #send(event) {
    event.preventDefault();
    const shown = this.#forms.get(this.#kind.value);
    if (!shown || this.#submit.disabled) return;
    this.#refused.replaceChildren();
    this.#done.replaceChildren();
    const { value, problems } = shown.form.read();
    if (problems.length > 0) return;
    const { name } = shown.kind;
    const params = /** @type {Record<string, unknown>} */ (value);
    this.#setBusy(true);
    try {
      const task = await submitTask(API, name, params, this.#key.of(name, params));
      this.#key.settle();
      this.#setBusy(false);
      this.#tellDone(task);
      this.#onSubmitted(task);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#setBusy(false);
      this.#tellRefused(error, shown.form);
    }
  }

  /** @param {boolean} busy */
  #setBusy(busy) {
    const focused = document.activeElement === this.#submit;
    this.#submit.disabled = busy;
    setText(this.#submit, busy ? "Submitting…" : "Submit");
    if (!busy && (focused || document.activeElement === document.body)) this.#submit.focus({ preventScroll: true });
  }

  /** @param {Task} task */
  #tellDone({ id, kind }) {
    const name = h("span", { class: "short-id" }, shortId(id));
    const link = h("a", { href: formatAddress({ ...NEWEST, task: id }), "data-task": id }, `Open ${kind} `, name);
    this.#done.replaceChildren(h("p", { class: "notice", "data-tone": "good" }, "Submitted. ", link));
  }

  /**
   * @param {Problem} problem
   * @param {SchemaForm} form
   */
  #tellRefused(problem, form) {
    const { status, errors, retryAfterMs } = problem;
    const ofFields = errors.filter(({ field }) => field.startsWith("params."));
    const others = errors.filter((error) => !ofFields.includes(error));
    const notice = h("p", { class: "notice", "data-tone": "bad" });
    if (ofFields.length > 0) append(notice, ["The api refuses this: see the marked fields. "]);
    if (others.length > 0) append(notice, [others.map(({ field, message }) => `${field}: ${message}.`).join(" ")]);
    if (errors.length === 0) append(notice, [problem.message, advice(status, retryAfterMs)]);
    this.#refused.replaceChildren(notice);
    form.complain(
      ofFields.map(({ field, message }) => ({ path: field.split(".").slice(1), message: sentence(message) })),
    );
  }
}

/**
 * What to do about a refusal.
 *
 * @param {number} status
 * @param {number | null} retryAfterMs
 */
function advice(status, retryAfterMs) {
  const when =
    retryAfterMs === null
      ? ""
      : ` Try again in ${count(retryAfterMs / 1000)} s, at ${clockTime(Date.now() + retryAfterMs)}.`;
  if (status === 429) return when || " Try again in a while.";
  if (status === 0 || status >= 500) return " Submitting the same once more cannot make two tasks.";
  return when;
}

/** @param {string} text */
function sentence(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
