/** The fields that the forms are made of, and those that both pages have. */

import { h, setAttribute, setText } from "./dom.js";
import { LIMITS, range } from "./parameters.js";
import { STRATEGY_HINTS, STRATEGY_NAMES } from "./words.js";

/** @typedef {import("./words.js").Strategy} Strategy */

const PRESETS_MS = [150, 500];

let made = 0;

/** A labelled part of a form, with a hint and a place for the sentence that says what is wrong. */
export class Field {
  #wrong;
  /** @type {HTMLElement[]} */
  #controls;

  /**
   * @param {object} parts
   * @param {string} parts.label
   * @param {HTMLElement[]} parts.controls  with one it is labelled itself; with more they are a group
   * @param {HTMLElement} [parts.content]  what holds the controls; the first of them unless given
   * @param {string} [parts.hint]
   */
  constructor({ label, controls, content = controls[0], hint = "" }) {
    made += 1;
    const id = `field-${made}`;
    this.#controls = controls;
    this.hint = h("span", { class: "hint", id: `${id}-hint` }, hint);
    this.hint.hidden = hint === "";
    this.#wrong = h("span", { class: "wrong", id: `${id}-wrong`, hidden: true });
    const [first] = controls;
    const grouped = controls.length > 1;
    if (first && !grouped) first.id ||= id;
    const title = grouped
      ? h("span", { class: "label", id: `${id}-label` }, label)
      : h("label", { htmlFor: first?.id }, label);
    this.element = h("div", { class: "field" }, title, content, this.hint, this.#wrong);
    if (grouped) {
      this.element.setAttribute("role", "group");
      this.element.setAttribute("aria-labelledby", `${id}-label`);
    }
    for (const control of controls) control.setAttribute("aria-describedby", `${id}-hint ${id}-wrong`);
  }

  /** Say what is wrong; null: nothing is. @param {string | null} sentence */
  setWrong(sentence) {
    setText(this.#wrong, sentence ?? "");
    this.#wrong.hidden = sentence === null;
    for (const control of this.#controls) setAttribute(control, "aria-invalid", sentence === null ? null : "true");
  }

  /** @param {string} text */
  setHint(text) {
    setText(this.hint, text);
    this.hint.hidden = text === "";
  }

  get isWrong() {
    return !this.#wrong.hidden;
  }

  focus() {
    this.#controls[0]?.focus();
  }
}

/** The least and the longest pause between two steps of a task. */
export class PaceField {
  #shortest;
  #longest;

  /**
   * @param {string} label
   * @param {() => void} onChange
   */
  constructor(label, onChange) {
    this.#shortest = numberInput(onChange, "Shortest pause, ms");
    this.#longest = numberInput(onChange, "Longest pause, ms");
    this.field = new Field({
      label,
      controls: [this.#shortest, this.#longest],
      content: h("div", { class: "pair" }, this.#shortest, h("span", { "aria-hidden": "true" }, "–"), this.#longest),
      hint: "Each pause is drawn between the two.",
    });
  }

  /** @returns {[string, string]} */
  get ends() {
    return [this.#shortest.value.trim(), this.#longest.value.trim()];
  }

  set ends([shortest, longest]) {
    this.#shortest.value = shortest;
    this.#longest.value = longest;
  }
}

/** From one request of a polling client to its next, with the usual ones as buttons. */
export class IntervalField {
  #input;
  #presets;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#input = numberInput(onChange);
    const preset = (/** @type {number} */ ms) => {
      this.text = String(ms);
      onChange();
    };
    this.#presets = PRESETS_MS.map((ms) =>
      h("button", { class: "small", type: "button", onclick: () => preset(ms) }, `${ms} ms`),
    );
    const presets = h("span", { class: "presets", role: "group", "aria-label": "Presets" }, ...this.#presets);
    this.field = new Field({
      label: "Polling interval, ms",
      controls: [this.#input],
      content: h("div", { class: "pair" }, this.#input, presets),
    });
  }

  get text() {
    return this.#input.value.trim();
  }

  set text(text) {
    this.#input.value = text;
  }

  /**
   * @param {Strategy} strategy  long polling asks again at once: it has no interval
   * @param {string} [hint]  what the interval comes to
   */
  show(strategy, hint = `${range(LIMITS.interval)} ms between two requests.`) {
    const unused = strategy === "long" && !this.field.isWrong;
    this.#input.disabled = unused;
    for (const [at, button] of this.#presets.entries()) {
      button.disabled = unused;
      setAttribute(button, "aria-pressed", String(Number(this.text) === PRESETS_MS[at]));
    }
    this.field.setHint(unused ? "Long polling asks again at once." : hint);
  }
}

export class StrategyField {
  #select;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#select = select(STRATEGY_NAMES, onChange);
    this.field = new Field({ label: "Polling strategy", controls: [this.#select] });
  }

  /** "" when what was set is no strategy. */
  get value() {
    return /** @type {Strategy} */ (this.#select.value);
  }

  set value(strategy) {
    this.#select.value = strategy;
  }

  /** Say what the chosen one means. */
  show() {
    this.field.setHint(STRATEGY_HINTS[this.value] ?? "");
  }
}

/**
 * A text field, so that what is not a number can stand in it and be told of.
 *
 * @param {() => void} onChange
 * @param {string} [label]  when it is one of several in a field
 */
export function numberInput(onChange, label) {
  const input = h("input", { type: "text", inputMode: "numeric", autocomplete: "off", oninput: onChange });
  if (label) input.setAttribute("aria-label", label);
  return input;
}

/**
 * @param {Readonly<Record<string, string>>} choices  values and their names
 * @param {() => void} onChange
 */
export function select(choices, onChange) {
  const options = Object.entries(choices).map(([value, name]) => h("option", { value }, name));
  return h("select", { onchange: onChange }, ...options);
}
