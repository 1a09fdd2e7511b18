import assert from "node:assert/strict";
import { test } from "node:test";
import { SubmissionKey } from "../../site/js/tasks/submission-key.js";
import { progressOf, rate, remarkOf } from "../../site/js/tasks/words.js";

test("the same submission keeps its key until it is settled", () => {
  let made = 0;
  const key = new SubmissionKey(() => `k${++made}`);
  assert.equal(key.of("a", { n: 1 }), "k1");
  assert.equal(key.of("a", { n: 1 }), "k1");
  assert.equal(key.of("a", { n: 2 }), "k2");
  key.settle();
  assert.equal(key.of("a", { n: 2 }), "k3");
});

test("keys are of characters that the header may have", () => {
  assert.match(new SubmissionKey().of("a", {}), /^[0-9a-f]{32}$/);
});

test("progress in words", () => {
  const progress = { current: 1_500, total: 2_000, ratio: 0.75, message: null, metrics: null };
  assert.deepEqual(progressOf({ state: "running", progress }), {
    ratio: 0.75,
    percent: "75 %",
    steps: "1,500 of 2,000",
  });
  assert.equal(progressOf({ state: "queued", progress: null }).percent, "–");
  assert.equal(progressOf({ state: "succeeded", progress: null }).ratio, 1);
  assert.equal(progressOf({ state: "running", progress: { ...progress, total: null, ratio: null } }).steps, "1,500");
});

test("remarks and rates", () => {
  const error = { type: "X", message: "y" };
  assert.equal(remarkOf({ state: "failed", progress: null, message: "m", error }), "X: y");
  assert.equal(remarkOf({ state: "queued", progress: null, message: "again in 2 s", error: null }), "again in 2 s");
  assert.deepEqual([rate(0), rate(0.33), rate(9.96), rate(1_984.4)], ["0", "0.3", "10", "1,984"]);
});
