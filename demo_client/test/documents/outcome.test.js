import assert from "node:assert/strict";
import { test } from "node:test";
import { comparison, firstDifference, meaning } from "../../site/js/documents/outcome.js";

/** @typedef {import("../../site/js/documents/outcome.js").Ending} Ending */

/** @param {number} offset */
const match = (offset) => ({
  term: "a",
  match: "a",
  snippet: "a",
  at: /** @type {[number, number]} */ ([0, 1]),
  line: 1,
  offset,
});
const result = (/** @type {number} */ total) => ({
  total,
  counts: { a: total },
  characters: 9,
  lines: 1,
  truncated: false,
});

/**
 * @param {number} shown
 * @param {Partial<Ending>} [other]
 * @returns {Ending}
 */
function ending(shown, other = {}) {
  const matches = Array.from({ length: shown }, (_, index) => match(index));
  return { matches, result: result(shown), error: null, cuts: 0, ...other };
}

/**
 * @param {number} p50
 * @param {number} messages
 * @param {number} empty
 */
function figures(p50, messages, empty) {
  return { ages: { count: 9, p50, p95: p50, max: p50 }, traffic: { messages, empty, bytes: 2_048 }, cuts: 0 };
}

test("lists differ where the first match does, or where one ends", () => {
  assert.equal(firstDifference([match(1), match(2)], [match(1), match(2)]), null);
  assert.equal(firstDifference([match(1), match(2)], [match(1), match(3)]), 1);
  assert.equal(firstDifference([match(1)], [match(1), match(2)]), 1);
});

test("both sides showed the same", () => {
  assert.deepEqual(comparison({ live: ending(3), poll: ending(3, { cuts: 1 }) }), {
    good: true,
    text: "Both sides showed the same 3 matches in the same order, none missing, despite the cut.",
  });
  assert.match(comparison({ live: ending(0), poll: ending(0) }).text, /no match, as their results say/);
});

test("a match that is missing is told, and one that differs", () => {
  const missing = comparison({ live: ending(3), poll: ending(2, { result: result(3) }) });
  assert.deepEqual(missing, { good: false, text: "The polling side showed 2 of 3 matches." });
  const other = ending(3, { matches: [match(0), match(7), match(2)] });
  assert.deepEqual(comparison({ live: ending(3), poll: other }), {
    good: false,
    text: "The two sides differ from match 2 on.",
  });
});

test("a run that was stopped is compared as far as it went", () => {
  const { good, text } = comparison({ live: ending(5, { result: null }), poll: ending(4, { result: null }) });
  assert.equal(good, false);
  assert.match(text, /did not end on both sides; the 4 matches that both have shown are identical/);
});

test("of a run that was stopped at once there is nothing to compare", () => {
  const none = ending(0, { result: null });
  assert.match(comparison({ live: none, poll: none }).text, /; there was nothing to compare\.$/);
  const one = ending(1, { result: null });
  assert.match(comparison({ live: one, poll: one }).text, /the match that both have shown is identical\.$/);
});

test("ages that say nothing are not compared", () => {
  const text = meaning({ live: figures(4, 1, 0), poll: figures(84, 200, 130) }, "plain", false);
  assert.doesNotMatch(text, /median|fresher/);
  assert.match(text, /the event-driven side took 1 message, in/);
});

test("the figures become a sentence", () => {
  const text = meaning({ live: figures(4, 20, 0), poll: figures(84, 200, 130) }, "plain");
  assert.match(text, /^Requests of the polling side: 200, of which 130 \(65 %\) returned nothing new;/);
  assert.match(text, /84 ms old in the median .* after 4\.0 ms \(21× fresher\) with 20 messages/);
});

test("the sentence of long polling, and of a run without matches", () => {
  assert.match(
    meaning({ live: figures(5, 20, 0), poll: figures(6, 20, 0) }, "long"),
    /none returned nothing new, as the server held .* \(about the same\)/,
  );
  const none = {
    ages: { count: 0, p50: Number.NaN, p95: Number.NaN, max: Number.NaN },
    traffic: { messages: 4, empty: 3, bytes: 9 },
    cuts: 0,
  };
  assert.equal(
    meaning({ live: none, poll: none }, "delta"),
    "Requests of the polling side: 4, of which 3 (75 %) returned nothing new.",
  );
});
