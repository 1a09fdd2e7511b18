import assert from "node:assert/strict";
import { test } from "node:test";
import { shapeOf } from "../../site/js/tasks/schema-shape.js";
import {
  fits,
  limitsOf,
  readJson,
  readLines,
  readNumber,
  readText,
  typedFor,
} from "../../site/js/tasks/schema-values.js";

/**
 * A shape, of which the test knows the kind.
 *
 * @param {import("../../site/js/tasks/schema-shape.js").Schema} schema
 * @param {boolean} [required]
 * @returns {any}
 */
function shape(schema, required = true) {
  return shapeOf(schema, { required });
}

/** @param {import("../../site/js/tasks/schema-values.js").Reading} reading */
function complaint({ problems }) {
  return problems.map(({ path, message }) => [...path, message].join(" ")).join(" ");
}

test("numbers", () => {
  const digits = shape({ type: "integer", minimum: 1, maximum: 10_000 });
  assert.equal(readNumber(" 12 ", digits).value, 12);
  assert.equal(complaint(readNumber("10001", digits)), "At most 10,000.");
  assert.equal(complaint(readNumber("0", digits)), "At least 1.");
  assert.match(complaint(readNumber("1.5", digits)), /whole/);
  assert.match(complaint(readNumber("x", digits)), /number/);
  assert.match(complaint(readNumber("", digits)), /fill/);
  assert.match(complaint(readNumber("9007199254740993", shape({ type: "integer" }))), /large/);
  assert.equal(complaint(readNumber("0.3", shape({ type: "number", multipleOf: 0.1 }))), "");
  assert.equal(complaint(readNumber("5", shape({ type: "number", exclusiveMaximum: 5 }))), "Less than 5.");
});

test("nothing is left out, null or wrong", () => {
  assert.deepEqual(readNumber("", shape({ type: "integer", default: 5 }, false)), { value: undefined, problems: [] });
  const nullable = shape({ anyOf: [{ type: "integer" }, { type: "null" }] });
  assert.deepEqual(readNumber("", nullable), { value: null, problems: [] });
  assert.equal(readText("", shape({ type: "string" })).value, "");
  assert.equal(readText("", shape({ type: "string", default: "x" }, false)).value, "");
  assert.equal(readText("", shape({ type: "string" }, false)).value, undefined);
  assert.match(complaint(readText("", shape({ type: "string", minLength: 1 }))), /fill/);
});

test("texts are measured in code points", () => {
  const three = shape({ type: "string", maxLength: 3 });
  assert.equal(readText("🜁🜂🜃", three).value, "🜁🜂🜃");
  assert.equal(complaint(readText("abcd", three)), "At most 3 characters.");
  assert.equal(complaint(readText("🜁", shape({ type: "string", minLength: 2 }))), "At least 2 characters.");
  assert.match(complaint(readText("B", shape({ type: "string", pattern: "^[a-z]+$" }))), /match/);
  assert.equal(complaint(readText("B", shape({ type: "string", pattern: "(?P<rust>x)" }))), "");
});

test("lines", () => {
  const keywords = shape({ type: "array", items: { type: "string", maxLength: 4 }, minItems: 1, maxItems: 3 });
  assert.deepEqual(readLines("lamp\n\n  \r\nfog ", keywords).value, ["lamp", "fog "]);
  assert.equal(complaint(readLines("lamp\nstorm", keywords)), "1 At most 4 characters.");
  assert.equal(complaint(readLines("", keywords)), "At least one line.");
  assert.equal(complaint(readLines("a\nb\nc\nd", keywords)), "At most 3 lines.");
  const numbers = shape({ type: "array", items: { type: "integer" } });
  assert.deepEqual(readLines("1\n2", numbers).value, [1, 2]);
  assert.deepEqual(readLines("", numbers), { value: [], problems: [] });
});

test("JSON", () => {
  assert.deepEqual(readJson('{"a": [1]}', shape({})).value, { a: [1] });
  assert.match(complaint(readJson("{", shape({}))), /not JSON/);
});

test("limits in words", () => {
  assert.equal(limitsOf(shape({ type: "integer", minimum: 1, maximum: 10_000 })), "1 to 10,000");
  assert.equal(limitsOf(shape({ type: "number", exclusiveMinimum: 0 })), "more than 0");
  assert.equal(limitsOf(shape({ type: "string", minLength: 2, maxLength: 5 })), "2 to 5 characters");
  assert.equal(
    limitsOf(shape({ type: "array", items: { type: "string" }, minItems: 1, maxItems: 50 })),
    "one a line, 1 to 50",
  );
  assert.equal(limitsOf(shape({ type: "boolean", default: false })), "");
});

test("defaults as the text of a field, and which branch they are of", () => {
  assert.equal(typedFor(["a", "b"], shape({ type: "array", items: { type: "string" } })), "a\nb");
  assert.equal(typedFor(10.5, shape({ type: "number" })), "10.5");
  assert.equal(typedFor(null, shape({ type: "number" })), "");
  const branch = shape({ type: "object", properties: { kind: { const: "a" } } });
  assert.ok(fits({ kind: "a" }, branch));
  assert.ok(!fits({ kind: "b" }, branch));
  assert.ok(!fits(undefined, branch));
});
