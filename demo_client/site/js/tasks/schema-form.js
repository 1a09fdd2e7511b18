/** A form for the value that a JSON schema describes, made from the schema alone. */

import { h } from "../hub/dom.js";
import { bareObject, fieldOf } from "./schema-groups.js";
import { shapeOf } from "./schema-shape.js";

/** @typedef {import("./schema-values.js").Reading} Reading */
/** @typedef {import("./schema-fields.js").Path} Path */

export class SchemaForm {
  #field;

  /**
   * @param {Record<string, unknown>} schema
   * @param {string} [title]  when the value as a whole needs a label
   */
  constructor(schema, title = "Parameters") {
    const shape = shapeOf(schema, { name: title });
    this.#field = shape.kind === "object" ? bareObject(shape, shape.initial) : fieldOf(shape);
    this.empty = shape.kind === "object" && shape.properties.length === 0;
    this.element = h("div", { class: "schema-form" }, this.#field.element);
  }

  /**
   * The value as it is filled in. What is wrong with it is shown at the fields, and the first of these gets the focus.
   *
   * @returns {Reading}
   */
  read() {
    const reading = this.#field.read();
    for (const { path, message } of reading.problems) this.#field.complain(path, message);
    if (reading.problems.length > 0) this.#focusFirst();
    return reading;
  }

  /**
   * Show what somebody else found wrong, as `read` does.
   *
   * @param {{ path: Path, message: string }[]} problems
   */
  complain(problems) {
    for (const { path, message } of problems) this.#field.complain(path, message);
    if (problems.length > 0) this.#focusFirst();
  }

  #focusFirst() {
    const first = this.element.querySelector('[aria-invalid="true"]');
    if (first instanceof HTMLElement) first.focus();
  }
}
