/** The fields of a form that hold one control: numbers, texts, choices, flags, lines, and any JSON. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { labelOf } from "./schema-shape.js";
import { limitsOf, readJson, readLines, readNothing, readNumber, readText, typedFor } from "./schema-values.js";

/**
 * @typedef {import("./schema-shape.js").Shape} Shape
 * @typedef {import("./schema-values.js").Reading} Reading
 * @typedef {(string | number)[]} Path
 *
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {() => Reading} read
 * @property {(path: Path, message: string) => void} complain  show it at the part that `path` names, or nearest to it
 */

let made = 0;

/** An id that no other element of the page has. @param {string} name */
export function uniqueId(name) {
  made += 1;
  return `${name}-${made}`;
}

/**
 * The place below a control for what is wrong with it, which goes when the control is changed.
 *
 * @param {HTMLElement[]} controls  the first is the one to go to
 * @param {HTMLElement} described  what the sentence describes
 */
export function complaints(controls, described) {
  const element = h("p", { class: "wrong", id: uniqueId("wrong"), hidden: true });
  const hint = described.getAttribute("aria-describedby");
  setAttribute(described, "aria-describedby", hint ? `${hint} ${element.id}` : element.id);
  const mark = (/** @type {string | null} */ value) => {
    for (const control of controls) setAttribute(control, "aria-invalid", value);
  };
  const clear = () => {
    element.hidden = true;
    setText(element, "");
    mark(null);
  };
  for (const control of controls) control.addEventListener("input", clear);
  return {
    element,
    clear,
    /** @param {string} message */
    add(message) {
      setText(element, element.hidden ? message : `${element.textContent} ${message}`);
      element.hidden = false;
      mark("true");
    },
  };
}

/**
 * What a field says of itself: its description and its limits. Null when there is nothing to say.
 *
 * @param {Shape} shape
 */
export function hintOf(shape) {
  const limits = limitsOf(shape);
  const empty = shape.empty === "null" && shape.kind !== "optional" && shape.kind !== "choice" ? "empty: none" : "";
  const facts = [limits, empty].filter(Boolean).join("; ");
  const sentence = facts && `${facts.charAt(0).toUpperCase()}${facts.slice(1)}.`;
  const text = [shape.description, sentence].filter(Boolean).join(" ");
  return text ? h("p", { class: "hint", id: uniqueId("hint") }, text) : null;
}

/**
 * A field of one control.
 *
 * @param {Shape} shape
 * @param {unknown} initial
 * @returns {Field}
 */
export function controlField(shape, initial) {
  switch (shape.kind) {
    case "number":
      return numberField(shape, initial);
    case "flag":
      return flagField(shape, initial);
    case "choice":
      return choiceField(shape, initial);
    case "text":
      return typedField(shape, initial, (typed) => readText(typed, shape));
    case "lines":
      return typedField(shape, initial, (typed) => readLines(typed, shape));
    default:
      return typedField(shape, initial, (typed) => readJson(typed, shape));
  }
}

/**
 * @param {import("./schema-shape.js").NumberShape} shape
 * @param {unknown} initial
 */
function numberField(shape, initial) {
  const control = h("input", {
    type: "number",
    step: shape.step ?? (shape.whole ? 1 : "any"),
    inputMode: shape.whole ? "numeric" : "decimal",
  });
  setAttribute(control, "min", shape.least === null ? null : String(shape.least));
  setAttribute(control, "max", shape.most === null ? null : String(shape.most));
  control.value = typedFor(initial, shape);
  control.placeholder = shape.example;
  // of what is no number a browser tells nothing but that
  return field(shape, control, () => readNumber(control.validity.badInput ? "?" : control.value, shape));
}

/**
 * @param {Shape} shape
 * @param {unknown} initial
 * @param {(typed: string) => Reading} read
 */
function typedField(shape, initial, read) {
  const long = shape.kind !== "text" || shape.long;
  const control = long ? h("textarea", { rows: 4 }) : h("input", { type: "text" });
  if (shape.kind === "json") control.classList.add("mono");
  control.spellcheck = false;
  control.autocomplete = "off";
  control.value = typedFor(initial, shape);
  control.placeholder = shape.example;
  return field(shape, control, () => read(control.value));
}

/**
 * @param {import("./schema-shape.js").ChoiceShape} shape
 * @param {unknown} initial
 */
function choiceField(shape, initial) {
  const { options, empty } = shape;
  const named = options.map(({ label }, at) => h("option", { value: String(at) }, label));
  const none = empty === "wrong" ? [] : [h("option", { value: "" }, empty === "null" ? "None" : "Not given")];
  const control = h("select", {}, ...none, ...named);
  const at = options.findIndex(({ value }) => labelOf(value) === labelOf(initial));
  control.value = at >= 0 ? String(at) : none.length > 0 ? "" : "0";
  return field(shape, control, () => {
    if (control.value === "") return readNothing(shape);
    return { value: options[Number(control.value)]?.value, problems: [] };
  });
}

/**
 * @param {import("./schema-shape.js").FlagShape} shape
 * @param {unknown} initial
 * @returns {Field}
 */
function flagField(shape, initial) {
  const control = h("input", { type: "checkbox", checked: initial === true });
  const hint = hintOf(shape);
  setAttribute(control, "aria-describedby", hint?.id ?? null);
  const wrong = complaints([control], control);
  const element = h(
    "div",
    { class: "field" },
    h("label", { class: "choice" }, control, shape.title),
    hint,
    wrong.element,
  );
  const read = () => {
    wrong.clear();
    return { value: control.checked, problems: [] };
  };
  return { element, read, complain: (_path, message) => wrong.add(message) };
}

/**
 * @param {Shape} shape
 * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} control
 * @param {() => Reading} read
 * @returns {Field}
 */
function field(shape, control, read) {
  control.id = uniqueId("field");
  const hint = hintOf(shape);
  setAttribute(control, "aria-describedby", hint?.id ?? null);
  const wrong = complaints([control], control);
  const label = h("label", { htmlFor: control.id }, shape.title);
  return {
    element: h("div", { class: "field" }, label, control, wrong.element, hint),
    read: () => {
      wrong.clear();
      return read();
    },
    complain: (path, message) => wrong.add(path.length > 0 ? `${partOf(shape, path)}: ${message}` : message),
  };
}

/**
 * Which part of a value that stands in one control.
 *
 * @param {Shape} shape
 * @param {Path} path
 */
function partOf(shape, path) {
  return shape.kind === "lines" ? `Line ${Number(path[0]) + 1}` : path.join(".");
}
