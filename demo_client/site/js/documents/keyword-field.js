/** The keywords, as tokens that can be removed, and a line to add more: with Enter, or many at once, one per line. */

import { h } from "../hub/dom.js";
import { Field } from "../hub/fields.js";
import { announce } from "../hub/shell.js";
import { keywordObjection, MAX_KEYWORDS, tidy } from "./parameters.js";

export class KeywordField {
  /** @type {string[]} */
  #terms = [];
  #onChange;
  #tokens = h("ul", { class: "tokens", "aria-label": "Keywords of this search" });
  #line;
  #field;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#line = h("input", {
      type: "text",
      autocomplete: "off",
      spellcheck: false,
      placeholder: "Add a keyword",
      enterKeyHint: "done",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#typed(event),
      onpaste: (/** @type {ClipboardEvent} */ event) => this.#pasted(event),
      onblur: (/** @type {FocusEvent} */ event) => this.#left(event),
    });
    const content = h(
      "div",
      { class: "stack tight" },
      this.#tokens,
      h(
        "div",
        { class: "row nowrap" },
        this.#line,
        h("button", { type: "button", onclick: () => this.#added() }, "Add"),
      ),
    );
    this.#field = new Field({
      label: "Keywords",
      controls: [this.#line],
      content,
      hint: `Up to ${MAX_KEYWORDS} terms, found in upper and lower case and inside of words. Enter adds one; a pasted list adds one per line.`,
    });
    this.element = this.#field.element;
  }

  get field() {
    return this.#field;
  }

  get terms() {
    return [...this.#terms];
  }

  /** @param {string[]} terms */
  set terms(terms) {
    this.#terms = [...terms];
    this.#draw();
  }

  /** Take what stands in the line. What cannot be added stays there, and the field says why. */
  commit() {
    const typed = this.#line.value;
    if (tidy(typed) === "") return;
    if (this.#add([typed])) this.#line.value = "";
  }

  #added() {
    this.commit();
    this.#line.focus();
  }

  /**
   * Not while a button is pressed, which a new line above would move away from under the pointer: Run and Add commit.
   *
   * @param {FocusEvent} event
   */
  #left({ relatedTarget }) {
    if (!(relatedTarget instanceof HTMLButtonElement)) this.commit();
  }

  /** @param {KeyboardEvent} event */
  #typed(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && tidy(this.#line.value) !== "") {
      event.preventDefault();
      this.commit();
    } else if (event.key === "Backspace" && this.#line.value === "" && !event.repeat) {
      this.#remove(this.#terms.length - 1);
    }
  }

  /** @param {ClipboardEvent} event */
  #pasted(event) {
    const lines = (event.clipboardData?.getData("text/plain") ?? "")
      .split(/[\r\n]+/)
      .filter((line) => tidy(line) !== "");
    if (lines.length < 2) return;
    event.preventDefault();
    this.#add(lines);
  }

  /**
   * @param {string[]} typed
   * @returns {boolean} whether all of them are there now
   */
  #add(typed) {
    /** @type {string | null} */
    let objection = null;
    const before = this.#terms.length;
    for (const term of typed.map(tidy)) {
      const full = this.#terms.length >= MAX_KEYWORDS ? `There are ${MAX_KEYWORDS} keywords; remove one first.` : null;
      const problem = full ?? keywordObjection(term, this.#terms);
      if (problem === null) this.#terms.push(term);
      else objection ??= problem;
    }
    if (this.#terms.length > before) this.#changed();
    this.#field.setWrong(objection);
    if (objection === null)
      announce(typed.length === 1 ? `${tidy(typed[0] ?? "")} added` : `${typed.length} keywords added`);
    return objection === null;
  }

  /** @param {number} index */
  #remove(index) {
    const [term] = this.#terms.splice(index, 1);
    if (term === undefined) return;
    this.#field.setWrong(null);
    this.#changed();
    announce(`${term} removed`);
  }

  /**
   * Remove by the token's button, which goes with it: the focus moves to the next token.
   *
   * @param {number} index
   */
  #removeToken(index) {
    this.#remove(index);
    const buttons = this.#tokens.querySelectorAll("button");
    const next = buttons[Math.min(index, buttons.length - 1)];
    (next ?? this.#line).focus();
  }

  #changed() {
    this.#draw();
    this.#onChange();
  }

  #draw() {
    this.#tokens.replaceChildren(
      ...this.#terms.map((term, index) =>
        h(
          "li",
          { class: "token" },
          h("span", {}, term),
          h(
            "button",
            { type: "button", "aria-label": `Remove ${term}`, onclick: () => this.#removeToken(index) },
            h("span", { "aria-hidden": "true" }, "×"),
          ),
        ),
      ),
    );
    this.#tokens.hidden = this.#terms.length === 0;
  }
}
