import assert from "node:assert/strict";
import { test } from "node:test";
import { shapeOf } from "../../site/js/tasks/schema-shape.js";

/**
 * @param {import("../../site/js/tasks/schema-shape.js").Schema} schema
 * @param {import("../../site/js/tasks/schema-shape.js").Schema} [root]
 */
function optional(schema, root = schema) {
  return shapeOf(schema, { root, name: "some_field", required: false });
}

test("numbers, texts and flags with their limits", () => {
  const number = shapeOf({ type: "integer", minimum: 1, exclusiveMaximum: 5, default: 2, title: "N" });
  assert.equal(number.kind, "number");
  assert.deepEqual([number.title, number.initial, number.empty], ["N", 2, "wrong"]);
  assert.deepEqual(number.kind === "number" && [number.whole, number.least, number.below], [true, 1, 5]);
  const text = optional({ type: "string", maxLength: 100, examples: [null, "abc"] });
  assert.deepEqual([text.kind, text.title, text.example, text.empty], ["text", "Some field", "abc", "omit"]);
  assert.equal(text.kind === "text" && text.long, false);
  assert.equal(optional({ type: "boolean", default: true }).kind, "flag");
  assert.equal(optional({ type: "boolean" }).kind, "choice");
});

test("what may be null is empty then; of several fields a box tells it", () => {
  const number = optional({ anyOf: [{ type: "integer", minimum: 0 }, { type: "null" }], default: null, title: "Fail" });
  assert.deepEqual([number.kind, number.empty, number.title], ["number", "null", "Fail"]);
  const also = shapeOf({ type: ["string", "null"] });
  assert.deepEqual([also.kind, also.empty], ["text", "null"]);
  const flag = shapeOf({ anyOf: [{ type: "boolean" }, { type: "null" }] });
  assert.deepEqual([flag.kind, flag.empty], ["choice", "null"]);
  const model = shapeOf({ anyOf: [{ type: "object", properties: { a: { type: "string" } } }, { type: "null" }] });
  assert.deepEqual([model.kind, model.empty], ["optional", "null"]);
});

test("enums, constants, and alternatives that are all constants", () => {
  const choice = shapeOf({ enum: ["a", 1, null] });
  assert.deepEqual(choice.kind === "choice" && choice.options.map(({ label }) => label), ["a", "1", "null"]);
  assert.equal(shapeOf({ const: "x" }).kind, "const");
  const titled = shapeOf({ oneOf: [{ const: 1, title: "One" }, { const: 2 }] });
  assert.deepEqual(titled.kind === "choice" && titled.options.map(({ label }) => label), ["One", "2"]);
});

test("lists of scalars are lines, tuples have their fields, other arrays are JSON", () => {
  const lines = shapeOf({ type: "array", items: { type: "string" }, minItems: 1, maxItems: 5 });
  assert.deepEqual(lines.kind === "lines" && [lines.item.kind, lines.fewest, lines.most], ["text", 1, 5]);
  const items = [{ type: "integer", title: "From" }, { type: "integer" }];
  const tuple = shapeOf({ type: "array", prefixItems: items, minItems: 2, maxItems: 2 });
  assert.deepEqual(tuple.kind === "tuple" && tuple.items.map(({ title }) => title), ["From", "2"]);
  assert.equal(shapeOf({ type: "array", prefixItems: items }).kind, "json");
  assert.equal(shapeOf({ type: "array", items: { type: "object", properties: {} } }).kind, "json");
  assert.equal(shapeOf({ type: "array" }).kind, "json");
});

test("unions, with a discriminator, with a constant in each branch, and without", () => {
  const root = {
    $defs: {
      A: {
        type: "object",
        title: "Aa",
        properties: { kind: { const: "a" }, n: { type: "integer" } },
        required: ["kind"],
      },
      B: { type: "object", properties: { kind: { const: "b" } }, required: ["kind"] },
    },
    oneOf: [{ $ref: "#/$defs/A" }, { $ref: "#/$defs/B" }],
  };
  const union = shapeOf(root);
  assert.equal(union.kind === "union" && union.tag, "kind");
  assert.deepEqual(union.kind === "union" && union.branches.map(({ title }) => title), ["Aa", "b"]);
  const declared = shapeOf({ ...root, discriminator: { propertyName: "kind" } });
  assert.equal(declared.kind === "union" && declared.tag, "kind");
  const plain = shapeOf({ anyOf: [{ type: "integer" }, { type: "string" }, { type: "null" }] });
  assert.deepEqual([plain.kind, plain.empty], ["optional", "null"]);
});

test("references: what stands beside one goes before it; what leads nowhere or in circles is JSON", () => {
  const root = { $defs: { "a/b": { type: "integer", title: "Theirs" }, Self: { $ref: "#/$defs/Self" } } };
  const found = optional({ $ref: "#/$defs/a~1b", title: "Ours", default: 3 }, root);
  assert.deepEqual([found.kind, found.title, found.initial], ["number", "Ours", 3]);
  assert.equal(optional({ allOf: [{ $ref: "#/$defs/a~1b" }], default: 3 }, root).kind, "number");
  assert.equal(optional({ $ref: "#/$defs/none" }, root).kind, "json");
  assert.equal(optional({ $ref: "#/$defs/Self" }, root).kind, "json");
  const tree = { type: "object", properties: { child: { $ref: "#" } } };
  const shape = shapeOf(tree);
  assert.equal(shape.kind === "object" && shape.properties[0]?.shape.kind, "json");
});

test("objects: nested, without properties, and such as nobody can draw", () => {
  const nested = {
    type: "object",
    properties: { inner: { type: "object", properties: { a: {} } } },
    required: ["inner"],
  };
  const shape = shapeOf(nested);
  assert.equal(shape.kind === "object" && shape.properties[0]?.shape.kind, "object");
  assert.equal(shapeOf({ type: "object", additionalProperties: { type: "integer" } }).kind, "json");
  assert.equal(shapeOf({ type: "object", properties: {} }).kind, "object");
  assert.equal(optional({ type: "object", properties: { a: {} } }).kind, "optional");
  assert.equal(shapeOf({}).kind, "json");
  assert.equal(shapeOf({ type: "unheard" }).kind, "json");
});
