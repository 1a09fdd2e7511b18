/**
 * What a form has to show for a JSON schema (2020-12, as pydantic writes it): a tree of shapes. Pure.
 *
 * Whatever has no shape of its own is `json`: a text field that takes any JSON, which the server checks.
 *
 * @typedef {object} Common
 * @property {string} title
 * @property {string} description
 * @property {unknown} initial  the default; undefined: none
 * @property {string} example  "": none
 * @property {"wrong" | "null" | "omit"} empty  what it means to give nothing
 *
 * @typedef {Common & { kind: "number", whole: boolean, least: number | null, above: number | null, most: number | null,
 *   below: number | null, step: number | null }} NumberShape
 * @typedef {Common & { kind: "text", shortest: number, longest: number | null, pattern: string | null, long: boolean }} TextShape
 * @typedef {Common & { kind: "flag" }} FlagShape
 * @typedef {Common & { kind: "choice", options: { value: unknown, label: string }[] }} ChoiceShape
 * @typedef {Common & { kind: "const", value: unknown }} ConstShape
 * @typedef {Common & { kind: "lines", item: NumberShape | TextShape, fewest: number, most: number | null }} LinesShape
 * @typedef {Common & { kind: "tuple", items: Shape[] }} TupleShape
 * @typedef {Common & { kind: "object", properties: { name: string, shape: Shape }[] }} ObjectShape
 * @typedef {Common & { kind: "union", tag: string | null, branches: Shape[] }} UnionShape
 * @typedef {Common & { kind: "optional", inner: Shape }} OptionalShape
 * @typedef {Common & { kind: "json" }} JsonShape
 * @typedef {NumberShape | TextShape | FlagShape | ChoiceShape | ConstShape | LinesShape | TupleShape | ObjectShape
 *   | UnionShape | OptionalShape | JsonShape} Shape
 *
 * @typedef {Record<string, any>} Schema
 */

import { resolved } from "./schema-reference.js";

/** Nobody fills in forms that are deeper. */
const DEEPEST = 6;
/** Longer texts are given several lines. */
const ONE_LINE = 200;

/**
 * @param {Schema} schema
 * @param {{ root?: Schema, name?: string, required?: boolean, around?: Schema[] }} [place]  in the whole: `name` stands
 *   in for a title, `around` is what the schema is a part of
 * @returns {Shape}
 */
export function shapeOf(schema, { root = schema, name = "", required = true, around = [] } = {}) {
  const found = resolved(schema, root);
  const flat = found?.schema ?? null;
  const whole = found ? [...around, found.target] : around;
  /** @type {(inner: Schema, innerPlace?: { name?: string, required?: boolean }) => Shape} */
  const inside = (inner, place = {}) => shapeOf(inner, { root, around: whole, ...place });
  // of a schema that holds itself there is no end, and of one that does so twice there is soon too much
  const endless = around.length > DEEPEST || (found !== null && around.includes(found.target));
  const shape = flat === null || endless ? null : drawn(flat, commonOf(flat, name, required), inside);
  return shape ?? { ...commonOf(flat ?? schema, name, required), kind: "json" };
}

/**
 * @param {Schema} schema
 * @param {Common} common
 * @param {(inner: Schema, place?: { name?: string, required?: boolean }) => Shape} inside
 * @returns {Shape | null}
 */
function drawn(schema, common, inside) {
  if ("const" in schema) return { ...common, kind: "const", value: schema.const };
  if (Array.isArray(schema.enum))
    return choice(
      common,
      schema.enum.map((value) => ({ value, label: labelOf(value) })),
    );
  const alternatives = alternativesOf(schema);
  if (alternatives) return either(schema, alternatives, common, inside);
  switch (schema.type) {
    case "integer":
    case "number":
      return number(schema, common);
    case "string":
      return text(schema, common);
    case "boolean":
      return flag(common);
    case "array":
      return array(schema, common, inside);
    case "object":
      return object(schema, common, inside);
    default:
      return null;
  }
}

/**
 * @param {Schema} schema
 * @returns {Schema[] | null}
 */
function alternativesOf(schema) {
  const { type, anyOf, oneOf } = schema;
  if (Array.isArray(anyOf) || Array.isArray(oneOf)) return anyOf ?? oneOf;
  return Array.isArray(type) ? type.map((one) => ({ ...schema, type: one })) : null;
}

/**
 * @param {Schema} schema
 * @param {Schema[]} alternatives
 * @param {Common} common
 * @param {(inner: Schema, place?: { name?: string }) => Shape} inside
 * @returns {Shape | null}
 */
function either(schema, alternatives, common, inside) {
  const others = alternatives.filter((one) => one.type !== "null");
  const nullable = others.length < alternatives.length;
  const name = common.title;
  const branches = others.map((one) => inside(one, { name: others.length === 1 ? name : "" }));
  if (nullable) common = { ...common, empty: "null" };
  const [only] = branches;
  if (only !== undefined && branches.length === 1) return nullable ? orNull(only, common) : { ...only, ...common };
  if (branches.length === 0) return null;
  if (branches.every((branch) => branch.kind === "const")) {
    const options = branches.map(({ value, title }) => ({ value, label: title || labelOf(value) }));
    return choice(common, options);
  }
  const tag = schema.discriminator?.propertyName ?? commonTag(branches);
  /** @type {UnionShape} */
  const union = { ...common, kind: "union", tag, branches: branches.map((branch) => titled(branch, tag)) };
  return nullable ? { ...common, kind: "optional", inner: { ...union, description: "", empty: "wrong" } } : union;
}

/**
 * @param {Shape} shape
 * @param {Common} common
 * @returns {Shape}
 */
function orNull(shape, common) {
  const named = { ...shape, ...common };
  if (named.kind === "number" || named.kind === "text" || named.kind === "json") return named;
  if (named.kind === "choice") return choice(common, named.options);
  if (named.kind === "flag")
    return choice(common, [
      { value: true, label: "Yes" },
      { value: false, label: "No" },
    ]);
  return { ...common, kind: "optional", inner: { ...shape, title: common.title, description: "", empty: "wrong" } };
}

/**
 * The property that is a different constant in each branch.
 *
 * @param {Shape[]} branches
 * @returns {string | null}
 */
function commonTag(branches) {
  const tags = branches.map((branch) =>
    (branch.kind === "object" ? branch.properties : []).filter(({ shape }) => shape.kind === "const"),
  );
  return tags[0]?.find(({ name }) => tags.every((own) => own.some((tag) => tag.name === name)))?.name ?? null;
}

/**
 * A branch that has no title is called by its tag, or by what it is.
 *
 * @param {Shape} branch
 * @param {string | null} tag
 * @returns {Shape}
 */
function titled(branch, tag) {
  if (branch.title) return branch;
  const found = branch.kind === "object" ? branch.properties.find(({ name }) => name === tag)?.shape : undefined;
  return { ...branch, title: found?.kind === "const" ? labelOf(found.value) : branch.kind };
}

/**
 * @param {Schema} schema
 * @param {Common} common
 * @returns {NumberShape}
 */
function number(schema, common) {
  const limit = (/** @type {string} */ key) => (typeof schema[key] === "number" ? schema[key] : null);
  return {
    ...common,
    kind: "number",
    whole: schema.type === "integer",
    least: limit("minimum"),
    above: limit("exclusiveMinimum"),
    most: limit("maximum"),
    below: limit("exclusiveMaximum"),
    step: limit("multipleOf"),
  };
}

/**
 * @param {Schema} schema
 * @param {Common} common
 * @returns {TextShape}
 */
function text(schema, common) {
  const { minLength: shortest = 0, maxLength: longest = null, pattern = null, format } = schema;
  const long = longest === null ? !pattern && !format : longest > ONE_LINE;
  return { ...common, kind: "text", shortest, longest, pattern, long };
}

/**
 * Of a flag without a default, a box that is not ticked would not tell "no" from "nothing".
 *
 * @param {Common} common
 * @returns {FlagShape | ChoiceShape}
 */
function flag(common) {
  if (common.empty === "omit" && common.initial === undefined) {
    return choice(common, [
      { value: true, label: "Yes" },
      { value: false, label: "No" },
    ]);
  }
  return { ...common, kind: "flag" };
}

/**
 * @param {Common} common
 * @param {ChoiceShape["options"]} options
 * @returns {ChoiceShape}
 */
function choice(common, options) {
  return { ...common, kind: "choice", options };
}

/**
 * @param {Schema} schema
 * @param {Common} common
 * @param {(inner: Schema, place?: { name?: string }) => Shape} inside
 * @returns {Shape | null}
 */
function array(schema, common, inside) {
  const { prefixItems, items, minItems = 0, maxItems = null } = schema;
  if (Array.isArray(prefixItems)) {
    const fixed = items === false || (minItems === prefixItems.length && maxItems === minItems);
    if (!fixed) return null;
    const shapes = prefixItems.map((item, at) => inside(item, { name: `${at + 1}` }));
    return given({ ...common, kind: "tuple", items: shapes });
  }
  const item = typeof items === "object" && items !== null ? inside(items) : null;
  if (item?.kind !== "number" && item?.kind !== "text") return null;
  return { ...common, kind: "lines", item, fewest: minItems, most: maxItems };
}

/**
 * @param {Schema} schema
 * @param {Common} common
 * @param {(inner: Schema, place?: { name?: string, required?: boolean }) => Shape} inside
 * @returns {Shape | null}
 */
function object(schema, common, inside) {
  const { properties, required = [], additionalProperties } = schema;
  if (typeof properties !== "object" || properties === null)
    return additionalProperties === false ? { ...common, kind: "object", properties: [] } : null;
  const shapes = Object.entries(properties).map(([name, property]) => ({
    name,
    shape: inside(property, { name, required: required.includes(name) }),
  }));
  return given({ ...common, kind: "object", properties: shapes });
}

/**
 * Several fields at once that may be left out have a box that says so.
 *
 * @param {TupleShape | ObjectShape} shape
 * @returns {Shape}
 */
function given(shape) {
  if (shape.empty !== "omit" || shape.initial !== undefined) return shape;
  const { title, initial, empty, description, example } = shape;
  const inner = { ...shape, description: "", empty: /** @type {const} */ ("wrong") };
  return { title, initial, empty, description, example, kind: "optional", inner };
}

/**
 * @param {Schema} schema
 * @param {string} name
 * @param {boolean} required
 * @returns {Common}
 */
function commonOf(schema, name, required) {
  const { title, description = "", default: initial, examples } = schema;
  const example = Array.isArray(examples) ? examples.find((one) => one !== null && one !== undefined) : undefined;
  return {
    title: title ?? spaced(name),
    description,
    initial,
    example: example === undefined ? "" : labelOf(example),
    empty: required ? "wrong" : "omit",
  };
}

/** `pace_ms` is "Pace ms". @param {string} name */
function spaced(name) {
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @param {unknown} value */
export function labelOf(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
