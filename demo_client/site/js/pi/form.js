/** The form of a run: its fields, what each means for the others, and sentences where something is wrong. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { count, seconds } from "../hub/format.js";
import { expectedMs, LIMITS, readParameters } from "./parameters.js";

/** @typedef {import("./parameters.js").Name} Name */
/** @typedef {import("./parameters.js").Texts} Texts */
/** @typedef {import("./parameters.js").Errors} Errors */
/** @typedef {import("./parameters.js").Parameters} Parameters */
/** @typedef {"idle" | "starting" | "running" | "stopping"} Phase */

const PRESETS_MS = [150, 500];

/** @type {Record<import("./parameters.js").Strategy, string>} */
const STRATEGIES = {
  plain: "Each answer is the whole state so far: what most polling does. It grows with the task.",
  delta: "A request asks for what follows the last update, with an ETag: nothing new is a short 304.",
  long: "A request waits at the server until something is new, then the next one is sent at once.",
};

export class RunForm {
  #connections;
  #fields = {
    digits: numberInput("digits"),
    pace_min: numberInput("pace_min", "Shortest pause, ms per digit"),
    pace_max: numberInput("pace_max", "Longest pause, ms per digit"),
    clients: numberInput("clients"),
    interval: numberInput("interval"),
    strategy: select("strategy", { plain: "Plain", delta: "Delta", long: "Long polling" }),
    tasks: select("tasks", { shared: "One per side, all clients follow it", each: "One for each client" }),
  };
  /** @type {Partial<Record<Name, HTMLElement>>} */
  #wrong = {};
  #rate = h("p", { class: "hint number", id: "interval-hint" });
  #strategy = h("p", { class: "hint", id: "strategy-hint" });
  #length = h("p", { class: "quiet small number" });
  #problem = h("div", { role: "alert" });
  #run = h("button", { class: "primary", type: "submit" }, "Run");
  #stop;
  /** @type {HTMLButtonElement[]} */
  #presets;
  #expectedMs = Number.NaN;
  #focusLost = false;

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
    this.#stop = h("button", { type: "button", disabled: true, onclick: onStop }, "Stop");
    this.#presets = PRESETS_MS.map((ms) =>
      h("button", { class: "small", type: "button", onclick: () => this.#preset(ms) }, `${ms} ms`),
    );
    this.element = h("form", { class: "card", noValidate: true, "aria-label": "Parameters of the run" });
    this.element.append(this.#grid(), this.#problem);
    this.element.addEventListener("input", () => this.#changed());
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** @returns {Texts} */
  get texts() {
    const texts = Object.entries(this.#fields).map(([name, field]) => [name, field.value.trim()]);
    return /** @type {Texts} */ (Object.fromEntries(texts));
  }

  /**
   * Fill in; what is wrong is told at once.
   *
   * @param {Texts} texts
   */
  fill(texts) {
    for (const [name, field] of Object.entries(this.#fields)) field.value = texts[/** @type {Name} */ (name)];
    const { errors } = readParameters(texts, { connections: this.#connections });
    // a choice that does not exist cannot be shown in its field, so the form could not find it again
    this.showErrors(errors);
    this.#showMeaning();
    const { parameters } = this.#read();
    if (parameters) this.onChange(parameters);
  }

  /** @param {Errors} errors */
  showErrors(errors) {
    for (const [name, field] of Object.entries(this.#fields)) {
      const text = errors[/** @type {Name} */ (name)] ?? "";
      const place = this.#wrong[/** @type {Name} */ (name)];
      if (place) setText(place, text);
      setAttribute(field, "aria-invalid", text ? "true" : null);
    }
  }

  /** @param {string} text  why a run did not start, or did not stop; "" clears it */
  showProblem(text) {
    this.#problem.replaceChildren(...(text ? [h("p", { class: "notice", "data-tone": "bad" }, text)] : []));
  }

  /** @param {number} elapsedMs  of the run */
  showElapsed(elapsedMs) {
    setText(this.#length, `${seconds(elapsedMs)} of about ${seconds(this.#expectedMs)}`);
  }

  /** @param {Phase} phase */
  showPhase(phase) {
    const { activeElement } = document;
    const wasFocused = activeElement === this.#run || activeElement === this.#stop || this.#focusLost;
    this.#run.disabled = phase !== "idle";
    this.#stop.disabled = phase !== "running";
    setText(this.#run, phase === "starting" ? "Starting …" : "Run");
    if (phase === "idle") this.#showMeaning();
    const next = [this.#run, this.#stop].find((button) => !button.disabled);
    // a button that is disabled loses the focus, and with it the place on the page: the other one takes over
    this.#focusLost = wasFocused && !next;
    if (wasFocused && (document.activeElement === document.body || document.activeElement === null)) next?.focus();
  }

  #read() {
    return readParameters(this.texts, { connections: this.#connections });
  }

  #submit() {
    if (this.#run.disabled) return;
    const { parameters, errors } = this.#read();
    this.showErrors(errors);
    if (parameters) {
      this.onRun(parameters);
      return;
    }
    const [first] = Object.keys(this.#fields).filter((name) => errors[/** @type {Name} */ (name)]);
    this.#fields[/** @type {Name} */ (first)].focus();
  }

  #changed() {
    const { parameters, errors } = this.#read();
    this.showErrors(errors);
    this.#showMeaning();
    if (parameters) this.onChange(parameters);
  }

  /** @param {number} ms */
  #preset(ms) {
    this.#fields.interval.value = String(ms);
    this.#changed();
  }

  #showMeaning() {
    const { interval, clients, strategy } = this.#fields;
    const rate = (1000 / Number(interval.value)) * Number(clients.value);
    const asked = Number.isFinite(rate) ? `${count(Math.max(1, rate))} requests a second` : "";
    setText(this.#rate, strategy.value === "long" ? "Not used by long polling" : asked);
    setText(this.#strategy, STRATEGIES[/** @type {keyof typeof STRATEGIES} */ (strategy.value)] ?? "");
    for (const [at, button] of this.#presets.entries()) {
      setAttribute(button, "aria-pressed", String(Number(interval.value) === PRESETS_MS[at]));
    }
    const { parameters } = this.#read();
    this.#expectedMs = parameters ? expectedMs(parameters) : Number.NaN;
    setText(this.#length, parameters ? `A run takes about ${seconds(this.#expectedMs)}` : "");
  }

  #grid() {
    const { digits, pace_min: least, pace_max: most, clients, interval, strategy, tasks } = this.#fields;
    const pace = h("div", { class: "pair", role: "group", "aria-label": "Pace, ms per digit" }, least, "–", most);
    const presets = h("span", { class: "presets", role: "group", "aria-label": "Presets" }, ...this.#presets);
    return h(
      "div",
      { class: "fields" },
      this.#field("Digits", ["digits"], digits, limits("digits")),
      this.#field("Clients a side", ["clients"], clients, limits("clients")),
      this.#field("Pace, ms per digit", ["pace_min", "pace_max"], pace, "Each pause is drawn between the two"),
      this.#field("Tasks", ["tasks"], tasks, "The workers run 8 at once; the rest wait"),
      this.#field("Polling interval, ms", ["interval"], h("div", { class: "pair" }, interval, presets), this.#rate),
      this.#field("Polling strategy", ["strategy"], strategy, this.#strategy),
      h("div", { class: "actions" }, h("div", { class: "row" }, this.#run, this.#stop), this.#length),
    );
  }

  /**
   * @param {string} label
   * @param {Name[]} names  of the inputs within
   * @param {HTMLElement} control
   * @param {string | HTMLElement} hint
   */
  #field(label, names, control, hint) {
    const [first] = names;
    const about = typeof hint === "string" ? h("p", { class: "hint", id: `${first}-hint` }, hint) : hint;
    const wrong = names.map((name) => {
      const place = h("p", { class: "wrong", id: `${name}-wrong` });
      this.#wrong[name] = place;
      setAttribute(this.#fields[name], "aria-describedby", `${about.id} ${place.id}`);
      return place;
    });
    return h("div", { class: `field for-${first}` }, h("label", { for: first }, label), control, about, ...wrong);
  }
}

/**
 * A text field, so that what is not a number can stand in it and be told of.
 *
 * @param {Name} name
 * @param {string} [label]  unless a label element names it
 */
function numberInput(name, label) {
  return h("input", { id: name, name, type: "text", inputMode: "numeric", autocomplete: "off", "aria-label": label });
}

/**
 * @param {Name} name
 * @param {Record<string, string>} choices
 */
function select(name, choices) {
  const options = Object.entries(choices).map(([value, text]) => h("option", { value }, text));
  return h("select", { id: name, name }, ...options);
}

/** @param {keyof typeof LIMITS} name */
function limits(name) {
  const [least, most] = LIMITS[name];
  return `${count(least)} to ${count(most)}`;
}
