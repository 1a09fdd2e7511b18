/** Which text is searched: the sample, one that is pasted, or a file, chosen or dropped. */

import { h, setText } from "../hub/dom.js";
import { Field } from "../hub/fields.js";
import { bytes, count } from "../hub/format.js";
import { announce } from "../hub/shell.js";
import { MAX_TEXT_BYTES, readTextFile, sizeOf, textObjection, UnusableText } from "./text-source.js";

/** @typedef {import("./parameters.js").SourceChoice} SourceChoice */
/** @typedef {{ kind: "sample" } | { kind: "text", text: string }} Source */

/** @type {[SourceChoice, string][]} */
const CHOICES = [
  ["sample", "Sample"],
  ["text", "Pasted text"],
  ["file", "File"],
];

export class SourceField {
  /** @type {SourceChoice} */
  #choice = "sample";
  /** @type {string | null} */
  #fileText = null;
  /** Counts the files that were chosen: of two that are read at once, the later one counts. */
  #reading = 0;
  #onChange;
  /** @type {Map<SourceChoice, HTMLInputElement>} */
  #radios = new Map();
  #text;
  #file;
  #told = h("p", { class: "small quiet", role: "status" }, "No file is chosen yet.");
  /** @type {Record<SourceChoice, HTMLElement>} */
  #panels;
  #textField;
  #fileField;
  #choiceField;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#text = h("textarea", { rows: 5, spellcheck: false, oninput: () => this.#textField.setWrong(null) });
    this.#file = h("input", { type: "file", class: "spoken-only", onchange: () => this.#chosen(this.#file.files) });
    this.#textField = new Field({
      label: "Text",
      controls: [this.#text],
      hint: `At most ${count(MAX_TEXT_BYTES)} bytes in UTF-8.`,
    });
    this.#file.id = "source-file";
    const drop = h(
      "label",
      { class: "drop", htmlFor: "source-file" },
      h("span", { class: "button" }, "Choose a file"),
      h("span", {}, "or drop one here"),
    );
    this.#fileField = new Field({
      label: "Text file",
      controls: [this.#file],
      content: h("div", { class: "stack tight" }, this.#file, drop, this.#told),
      hint: `Plain text in UTF-8, at most ${count(MAX_TEXT_BYTES)} bytes. It goes to the two services, and nowhere else.`,
    });
    const sample = h(
      "p",
      { class: "quiet" },
      "The text that comes with the program: a chronicle of a chain of lighthouses, some 36,000 characters long.",
    );
    this.#panels = { sample, text: this.#textField.element, file: this.#fileField.element };
    const radios = h("div", { class: "row choices" }, ...CHOICES.map(([choice, label]) => this.#radio(choice, label)));
    this.#choiceField = new Field({ label: "Source", controls: [...this.#radios.values()], content: radios });
    this.element = h("div", { class: "stack source" }, this.#choiceField.element, ...Object.values(this.#panels));
    this.#acceptDrops();
    this.choice = "sample";
  }

  get choice() {
    return this.#choice;
  }

  set choice(choice) {
    this.#choice = choice;
    const radio = this.#radios.get(choice);
    if (radio) radio.checked = true;
    for (const [name] of CHOICES) this.#panels[name].hidden = name !== choice;
  }

  /** The field that takes what is wrong with the source. */
  get field() {
    if (this.#choice === "sample") return this.#choiceField;
    return this.#choice === "text" ? this.#textField : this.#fileField;
  }

  /** The field that takes what is wrong with the choice itself. */
  get choiceField() {
    return this.#choiceField;
  }

  /** The source as the services take it; null when there is none, and the field says why. @returns {Source | null} */
  read() {
    if (this.#choice === "sample") return { kind: "sample" };
    const text = this.#choice === "text" ? this.#text.value : this.#fileText;
    const objection = text === null ? "Choose a file first." : textObjection(text);
    if (text !== null && objection === null) return { kind: "text", text };
    // of a file that was refused the field tells why already
    if (!this.field.isWrong) this.field.setWrong(objection);
    return null;
  }

  clearWrong() {
    this.#choiceField.setWrong(null);
    this.#textField.setWrong(null);
    if (this.#fileText !== null) this.#fileField.setWrong(null);
  }

  /**
   * @param {SourceChoice} choice
   * @param {string} label
   */
  #radio(choice, label) {
    const radio = h("input", {
      type: "radio",
      name: "source",
      value: choice,
      onchange: () => {
        this.choice = choice;
        this.#choiceField.setWrong(null);
        this.#onChange();
      },
    });
    this.#radios.set(choice, radio);
    return h("label", { class: "choice" }, radio, label);
  }

  /** A file that misses the mark must not take the page away: drops are taken everywhere. */
  #acceptDrops() {
    const mark = (/** @type {boolean} */ on) => this.element.classList.toggle("dropping", on);
    addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      mark(true);
    });
    addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) mark(false);
    });
    addEventListener("drop", (event) => {
      mark(false);
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      this.choice = "file";
      this.#onChange();
      this.#chosen(event.dataTransfer.files);
    });
  }

  /** @param {FileList | null} files */
  async #chosen(files) {
    const file = files?.[0];
    if (!file) return;
    this.#reading += 1;
    const turn = this.#reading;
    this.#fileText = null;
    this.#fileField.setWrong(null);
    setText(this.#told, `Reading ${file.name}…`);
    try {
      const text = await readTextFile(file);
      if (turn !== this.#reading) return;
      this.#fileText = text;
      setText(this.#told, `${file.name}: ${bytes(sizeOf(text))}, ${count(Array.from(text).length)} characters.`);
    } catch (error) {
      if (turn !== this.#reading) return;
      if (!(error instanceof UnusableText)) throw error;
      setText(this.#told, "No file is chosen.");
      this.#fileField.setWrong(error.message);
      announce(error.message);
    } finally {
      this.#file.value = ""; // the same file can be chosen again, once it has been mended
    }
  }
}
