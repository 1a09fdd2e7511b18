/** References within a JSON schema. Pure. */

/** @typedef {import("./schema-shape.js").Schema} Schema */

/** A chain of references that is longer goes in circles. */
const LONGEST = 8;

/**
 * The schema with its `$ref` followed, and the part of the root that it was found at; what stands beside the reference
 * goes before what it refers to. Null when it leads nowhere.
 *
 * @param {Schema} schema
 * @param {Schema} root
 * @param {number} [steps]  followed so far
 * @returns {{ schema: Schema, target: Schema } | null}
 */
export function resolved(schema, root, steps = 0) {
  if (typeof schema !== "object" || schema === null || steps > LONGEST) return null;
  const { $ref: reference, allOf: all, ...beside } = schema;
  const next = typeof reference === "string" ? targetOf(reference, root) : all;
  if (next === undefined) return typeof reference === "string" ? null : { schema, target: schema };
  const only = Array.isArray(next) ? (next.length === 1 ? next[0] : null) : next;
  const found = only ? resolved(only, root, steps + 1) : null;
  return found ? { schema: { ...found.schema, ...beside }, target: found.target } : null;
}

/**
 * @param {string} reference
 * @param {Schema} root
 * @returns {Schema | undefined}
 */
function targetOf(reference, root) {
  if (!reference.startsWith("#")) return undefined;
  const path = reference.slice(1).split("/").slice(1);
  return path.reduce((at, part) => at?.[unescaped(part)], /** @type {any} */ (root));
}

/** A part of a JSON pointer in a fragment. @param {string} part */
function unescaped(part) {
  return decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
}
