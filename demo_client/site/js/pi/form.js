/** The form of a run: its fields, what each means for the others, and sentences where something is wrong. */

import { h, setText } from "../hub/dom.js";
import { Field, IntervalField, numberInput, PaceField, StrategyField, select } from "../hub/fields.js";
import { rate, seconds } from "../hub/format.js";
import { paceEnds, range } from "../hub/parameters.js";
import { RunButtons } from "../hub/run-buttons.js";
import { expectedMs, LIMITS, readParameters, TASKS_AT_ONCE } from "./parameters.js";

/** @typedef {import("./parameters.js").Name} Name */
/** @typedef {import("./parameters.js").Texts} Texts */
/** @typedef {import("./parameters.js").Errors} Errors */
/** @typedef {import("./parameters.js").Parameters} Parameters */

export class RunForm {
  #connections;
  #digits = numberInput(() => this.#changed());
  #pace = new PaceField("Pace, ms per digit", () => this.#changed());
  #clients = numberInput(() => this.#changed());
  #interval = new IntervalField(() => this.#changed());
  #strategy = new StrategyField(() => this.#changed());
  #tasks = select({ shared: "One per side, all clients follow it", each: "One for each client" }, () =>
    this.#changed(),
  );
  /** In the order in which they stand. @type {Record<Name, Field>} */
  #fields = {
    digits: new Field({ label: "Digits", controls: [this.#digits], hint: range(LIMITS.digits) }),
    clients: new Field({ label: "Clients a side", controls: [this.#clients], hint: range(LIMITS.clients) }),
    pace: this.#pace.field,
    tasks: new Field({
      label: "Tasks",
      controls: [this.#tasks],
      hint: `A worker runs ${TASKS_AT_ONCE} tasks of one kind at once by default; the rest wait, on both sides.`,
    }),
    interval: this.#interval.field,
    strategy: this.#strategy.field,
  };
  #length = h("p", { class: "quiet small number" });
  #problem = h("div", { role: "alert" });
  #buttons;
  #expectedMs = Number.NaN;

  /**
   * @param {object} options
   * @param {number} options.connections  that the browser opens to one host at most
   * @param {(parameters: Parameters) => void} options.onRun
   * @param {() => void} options.onStop
   * @param {(parameters: Parameters) => void} options.onChange  the parameters are others, and right
   */
  constructor({ connections, onRun, onStop, onChange }) {
    this.#connections = connections;
    this.onRun = onRun;
    this.onChange = onChange;
    this.#buttons = new RunButtons(onStop);
    this.element = h("form", { class: "card", noValidate: true, "aria-label": "Parameters of the run" });
    this.element.append(this.#grid(), this.#problem);
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** @returns {Texts} */
  get texts() {
    return {
      digits: this.#digits.value.trim(),
      pace: this.#pace.ends.join("-"),
      clients: this.#clients.value.trim(),
      interval: this.#interval.text,
      strategy: this.#strategy.value,
      tasks: this.#tasks.value,
    };
  }

  /**
   * Fill in; what is wrong is told at once.
   *
   * @param {Texts} texts
   */
  fill(texts) {
    this.#digits.value = texts.digits;
    this.#pace.ends = paceEnds(texts.pace);
    this.#clients.value = texts.clients;
    this.#interval.text = texts.interval;
    this.#strategy.value = /** @type {import("./parameters.js").Strategy} */ (texts.strategy);
    this.#tasks.value = texts.tasks;
    // a choice that does not exist cannot be shown in its field, so the form could not find it again
    this.showErrors(readParameters(texts, { connections: this.#connections }).errors);
    this.#showMeaning();
    const { parameters } = this.#read();
    if (parameters) this.onChange(parameters);
  }

  /** @param {Errors} errors */
  showErrors(errors) {
    for (const [name, field] of Object.entries(this.#fields))
      field.setWrong(errors[/** @type {Name} */ (name)] ?? null);
  }

  /** @param {string | null} text  why a run did not start, or did not stop; null clears it */
  showProblem(text) {
    this.#problem.replaceChildren(...(text ? [h("p", { class: "notice", "data-tone": "bad" }, text)] : []));
  }

  /** @param {number} elapsedMs  of the run */
  showElapsed(elapsedMs) {
    const whole = this.#expectedMs < 1_000 ? "" : ` of about ${seconds(this.#expectedMs)}`;
    setText(this.#length, `${seconds(elapsedMs)}${whole}`);
  }

  /**
   * How a run has ended, and the way to what came of it, which is far below.
   *
   * @param {string} text
   * @param {string} address  of the place on this page
   */
  showEnding(text, address) {
    this.#length.replaceChildren(`${text} · `, h("a", { href: address }, "see the scoreboard"));
  }

  /** @param {import("../hub/run-buttons.js").Phase} phase */
  showPhase(phase) {
    this.#buttons.show(phase);
    if (phase === "idle") this.#showMeaning();
  }

  #read() {
    return readParameters(this.texts, { connections: this.#connections });
  }

  #submit() {
    if (this.#buttons.run.disabled) return;
    const { parameters, errors } = this.#read();
    this.showErrors(errors);
    if (parameters) {
      this.onRun(parameters);
      return;
    }
    this.#showMeaning();
    const first = Object.values(this.#fields).find((field) => field.isWrong);
    first?.focus();
  }

  #changed() {
    const { parameters, errors } = this.#read();
    this.showErrors(errors);
    this.#showMeaning();
    if (parameters) this.onChange(parameters);
  }

  #showMeaning() {
    const { parameters } = this.#read();
    this.#strategy.show();
    this.#interval.show(this.#strategy.value, parameters ? asked(parameters) : "");
    this.#expectedMs = parameters ? expectedMs(parameters) : Number.NaN;
    const about = this.#expectedMs < 1_000 ? "less than a second" : `about ${seconds(this.#expectedMs)}`;
    setText(this.#length, parameters ? `A run takes ${about}` : "");
  }

  #grid() {
    const fields = Object.entries(this.#fields).map(([name, { element }]) => {
      element.classList.add(`for-${name}`);
      return element;
    });
    const { run, stop } = this.#buttons;
    return h(
      "div",
      { class: "fields" },
      ...fields,
      h("div", { class: "actions" }, h("div", { class: "row" }, run, stop), this.#length),
    );
  }
}

/**
 * What all polling clients together ask for.
 *
 * @param {Pick<Parameters, "clients" | "intervalMs">} parameters
 */
function asked({ clients, intervalMs }) {
  const told = rate((clients * 1000) / intervalMs);
  return `${told} ${told === "1" ? "request" : "requests"} a second`;
}
