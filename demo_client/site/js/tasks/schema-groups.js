/** The fields of a form that hold others: objects, tuples, unions, and what may be left out as a whole. */

import { append, h, setAttribute, setText } from "../hub/dom.js";
import { complaints, controlField, hintOf, uniqueId } from "./schema-fields.js";
import { fits, readNothing } from "./schema-values.js";

/**
 * @typedef {import("./schema-shape.js").Shape} Shape
 * @typedef {import("./schema-values.js").Reading} Reading
 * @typedef {import("./schema-fields.js").Field} Field
 * @typedef {import("./schema-fields.js").Path} Path
 */

/**
 * The field of a shape, filled in with `initial`.
 *
 * @param {Shape} shape
 * @param {unknown} [initial]
 * @returns {Field}
 */
export function fieldOf(shape, initial = shape.initial) {
  switch (shape.kind) {
    case "object":
      return objectField(shape, initial);
    case "tuple":
      return tupleField(shape, initial);
    case "union":
      return unionField(shape, initial);
    case "optional":
      return optionalField(shape, initial);
    case "const":
      return constField(shape);
    default:
      return controlField(shape, initial);
  }
}

/**
 * The fields of an object without a frame around them.
 *
 * @param {import("./schema-shape.js").ObjectShape} shape
 * @param {unknown} initial
 * @returns {Field & { size: number }}  size: how many can be seen
 */
export function bareObject(shape, initial) {
  const parts = shape.properties.map((property) => ({
    name: property.name,
    hidden: property.shape.kind === "const",
    field: fieldOf(property.shape, valueAt(initial, property.name) ?? property.shape.initial),
  }));
  const shown = parts.filter((part) => !part.hidden).map((part) => part.field.element);
  const rest = h("p", { class: "wrong", hidden: true });
  const element = h("div", { class: "fields" }, ...shown, rest);
  return {
    element,
    size: shown.length,
    read: () => {
      rest.hidden = true;
      setText(rest, "");
      const readings = parts.map((part) => within(part.name, part.field.read()));
      const given = readings.filter(({ value }) => value !== undefined).map(({ name, value }) => [name, value]);
      return { value: Object.fromEntries(given), problems: readings.flatMap(({ problems }) => problems) };
    },
    complain: ([name, ...path], message) => {
      const part = parts.find((one) => one.name === name && !one.hidden);
      if (part) return part.field.complain(path, message);
      append(rest, [rest.hidden ? "" : " ", name === undefined ? message : `${[name, ...path].join(".")}: ${message}`]);
      rest.hidden = false;
    },
  };
}

/**
 * @param {import("./schema-shape.js").ObjectShape} shape
 * @param {unknown} initial
 * @returns {Field}
 */
function objectField(shape, initial) {
  const inner = bareObject(shape, initial);
  const hint = hintOf(shape);
  const element = h("fieldset", { "aria-describedby": hint?.id }, h("legend", {}, shape.title), hint, inner.element);
  return { ...inner, element };
}

/**
 * @param {import("./schema-shape.js").TupleShape} shape
 * @param {unknown} initial
 * @returns {Field}
 */
function tupleField(shape, initial) {
  const fields = shape.items.map((item, at) => fieldOf(item, valueAt(initial, at) ?? item.initial));
  const elements = fields.map((one) => one.element);
  const hint = hintOf(shape);
  const element = h("fieldset", { "aria-describedby": hint?.id, class: "tuple" }, h("legend", {}, shape.title));
  const controls = elements
    .flatMap((one) => [...one.querySelectorAll("input, select, textarea")])
    .filter((one) => one instanceof HTMLElement);
  const wrong = complaints(controls, element);
  append(element, [h("div", { class: "side-by-side" }, ...elements), wrong.element, hint]);
  return {
    element,
    read: () => {
      wrong.clear();
      const readings = fields.map((one, at) => within(at, one.read()));
      return {
        value: readings.map(({ value }) => value ?? null),
        problems: readings.flatMap(({ problems }) => problems),
      };
    },
    complain: ([at, ...path], message) => {
      const part = fields[Number(at)];
      if (part && at !== undefined) part.complain(path, message);
      else wrong.add(message);
    },
  };
}

/**
 * @param {import("./schema-shape.js").UnionShape} shape
 * @param {unknown} initial
 * @returns {Field}
 */
function unionField(shape, initial) {
  const { branches } = shape;
  const select = h(
    "select",
    { id: uniqueId("field") },
    ...branches.map((branch, at) => h("option", { value: String(at) }, branch.title)),
  );
  const first = Math.max(
    branches.findIndex((branch) => fits(initial, branch)),
    0,
  );
  select.value = String(first);
  const hint = hintOf(shape);
  setAttribute(select, "aria-describedby", hint?.id ?? null);
  const wrong = complaints([select], select);
  // a branch that was left keeps what was filled in
  const fields = branches.map((branch, at) => branchField(branch, at === first ? initial : branch.initial));
  const place = h("div", { class: "branch" });
  const chosen = () => /** @type {Field} */ (fields[Number(select.value)]);
  const show = () => {
    place.replaceChildren(chosen().element);
    place.hidden = chosen().element.childElementCount === 0;
  };
  select.addEventListener("change", show);
  show();
  const element = h(
    "div",
    { class: "field" },
    h("label", { htmlFor: select.id }, shape.title),
    select,
    wrong.element,
    hint,
    place,
  );
  return {
    element,
    read: () => {
      wrong.clear();
      return chosen().read();
    },
    complain: (path, message) =>
      path.length > 0 && path[0] !== shape.tag ? chosen().complain(path, message) : wrong.add(message),
  };
}

/**
 * A branch stands below the choice that names it.
 *
 * @param {Shape} branch
 * @param {unknown} initial
 * @returns {Field}
 */
function branchField(branch, initial) {
  const inner = branch.kind === "object" ? bareObject(branch, initial) : { ...fieldOf(branch, initial), size: 1 };
  const description = branch.kind === "object" ? branch.description : "";
  const parts = [description && h("p", { class: "hint" }, description), inner.size > 0 && inner.element];
  const element = h("div", { class: "stack" });
  append(
    element,
    parts.map((part) => part || null),
  );
  return { ...inner, element };
}

/**
 * @param {import("./schema-shape.js").OptionalShape} shape
 * @param {unknown} initial
 * @returns {Field}
 */
function optionalField(shape, initial) {
  const inner = fieldOf(shape.inner, initial ?? shape.inner.initial);
  const box = h("input", { type: "checkbox", checked: initial !== undefined && initial !== null });
  const hint = hintOf(shape);
  setAttribute(box, "aria-describedby", hint?.id ?? null);
  const wrong = complaints([box], box);
  const show = () => {
    inner.element.hidden = !box.checked;
  };
  box.addEventListener("change", show);
  show();
  const label = h("label", { class: "choice" }, box, `Give “${shape.title}”`);
  return {
    element: h("div", { class: "field" }, label, hint, wrong.element, inner.element),
    read: () => {
      wrong.clear();
      return box.checked ? inner.read() : readNothing(shape);
    },
    complain: (path, message) => (box.checked ? inner.complain(path, message) : wrong.add(message)),
  };
}

/**
 * @param {import("./schema-shape.js").ConstShape} shape
 * @returns {Field}
 */
function constField(shape) {
  return {
    element: h("span", { hidden: true }),
    read: () => ({ value: shape.value, problems: [] }),
    complain: () => {},
  };
}

/**
 * @param {string | number} name
 * @param {Reading} reading
 */
function within(name, { value, problems }) {
  return { name, value, problems: problems.map(({ path, message }) => ({ path: [name, ...path], message })) };
}

/**
 * @param {unknown} value
 * @param {string | number} name
 */
function valueAt(value, name) {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
