import assert from "node:assert/strict";
import { test } from "node:test";
import { check, defaults, fieldOf, fromQuery, keywordObjection, toQuery } from "../../site/js/documents/parameters.js";

const query = (/** @type {string} */ text) => fromQuery(new URLSearchParams(text));

test("without a query everything is as by default, and nothing is wrong", () => {
  assert.deepEqual(query(""), { draft: defaults(), wrong: {}, unknown: null });
});

test("a draft survives its query", () => {
  const draft = defaults();
  draft.keywords = ["a & b", "<img src=x onerror=alert(1)>", "Straße", "+"];
  draft.pace = ["0", "0"];
  draft.source = "text";
  draft.strategy = "long";
  draft.interval = "75";
  assert.deepEqual(query(toQuery(draft).toString()), { draft, wrong: {}, unknown: null });
});

test("what a query has wrong is kept as it is, with a sentence at its field", () => {
  const { draft, wrong } = query("pace=900-x&interval=20&seed=-4&keyword=lamp&keyword=Lamp");
  assert.deepEqual(draft.pace, ["900", "x"]);
  assert.deepEqual(Object.keys(wrong).sort(), ["interval", "keywords", "pace", "seed"]);
  assert.equal(wrong.interval, "Enter a whole number from 50 to 10,000. “20” is not one.");
});

test("a name that is no parameter is told", () => {
  assert.match(query("pace=1&colour=red").unknown ?? "", /no parameter “colour”/);
});

test("a choice that there is not is told, and the usual one is made", () => {
  const { draft, wrong } = query("strategy=smart&source=video");
  assert.equal(draft.strategy, "plain");
  assert.equal(draft.source, "sample");
  assert.match(wrong.strategy ?? "", /“smart”/);
  assert.match(wrong.source ?? "", /“video”/);
});

test("an empty keyword in a query is none, and without any the field says so", () => {
  const { draft, wrong } = query("keyword=&keyword=%20");
  assert.deepEqual(draft.keywords, []);
  assert.equal(wrong.keywords, "Give at least one keyword.");
});

test("a draft makes parameters", () => {
  const { parameters } = check({ ...defaults(), pace: [" 5 ", "60000"], seed: "4294967295" });
  assert.deepEqual(parameters?.paceMs, [5, 60_000]);
  assert.equal(parameters?.seed, 2 ** 32 - 1);
});

test("numbers out of bounds, reversed or no whole numbers are refused", () => {
  for (const pace of /** @type {[string, string][]} */ ([
    ["5", "1"],
    ["1.5", "2"],
    ["", "2"],
    ["0", "60001"],
    ["1e3", "2e3"],
  ])) {
    assert.ok(check({ ...defaults(), pace }).wrong.pace, String(pace));
  }
  for (const interval of ["49", "10001", "0x96", "150 ms", ""]) {
    assert.ok(check({ ...defaults(), interval }).wrong.interval, interval);
  }
});

test("no more than 50 keywords", () => {
  const keywords = Array.from({ length: 51 }, (_, index) => `k${index}`);
  assert.match(check({ ...defaults(), keywords }).wrong.keywords ?? "", /51 keywords; 50/);
  assert.ok(check({ ...defaults(), keywords: keywords.slice(1) }).parameters);
});

test("a keyword is refused when it is there in another case, too long by code points, or begins with a mark", () => {
  assert.match(keywordObjection("LAMP", ["storm", "lamp"]) ?? "", /there already/);
  assert.equal(keywordObjection("😀".repeat(100), []), null);
  assert.match(keywordObjection("😀".repeat(101), []) ?? "", /longer than 100/);
  assert.match(keywordObjection("\u0301a", []) ?? "", /combining mark/);
});

test("errors of the services belong to fields", () => {
  assert.equal(fieldOf("params.keywords.3"), "keywords");
  assert.equal(fieldOf("params.source.text"), "source");
  assert.equal(fieldOf("params.pace_ms.0"), "pace");
  assert.equal(fieldOf("params"), null);
  assert.equal(fieldOf("body"), null);
});
