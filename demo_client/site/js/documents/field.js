/** A labelled part of the form, with a hint and a place for the sentence that says what is wrong. */

import { h, setAttribute, setText } from "../hub/dom.js";

let made = 0;

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
