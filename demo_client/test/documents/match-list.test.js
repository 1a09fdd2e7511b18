import assert from "node:assert/strict";
import { test } from "node:test";
import { parts } from "../../site/js/documents/match-list.js";

test("the span counts in code points", () => {
  assert.deepEqual(parts({ snippet: "😀😀 the lamp 😀", at: [7, 11] }), ["😀😀 the ", "lamp", " 😀"]);
});

test("a match at either end", () => {
  assert.deepEqual(parts({ snippet: "lamp", at: [0, 4] }), ["", "lamp", ""]);
});
