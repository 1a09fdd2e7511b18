import assert from "node:assert/strict";
import { test } from "node:test";
import { TaskRecord } from "../../site/js/tasks/task-record.js";

const ID = "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e";

/** @param {Partial<import("../../site/js/hub/services.js").Task>} [changes] */
function row(changes = {}) {
  return {
    id: ID,
    kind: "synthetic",
    params: {},
    state: "queued",
    attempt: 0,
    seq: 0,
    progress: null,
    error: null,
    created_at: "2026-01-01T00:00:00Z",
    started_at: null,
    updated_at: "2026-01-01T00:00:00Z",
    finished_at: null,
    ...changes,
  };
}

/**
 * @param {number} seq
 * @param {"status" | "chunk" | "result"} type
 * @param {any} data
 * @param {number} [attempt]
 */
function event(seq, type, data, attempt = 1) {
  return { task: ID, seq, attempt, ts: 1_000 + seq, type, data };
}

const begin = { state: "running", progress: null, message: null };
/** @param {number} current */
const progress = (current) => ({
  state: "running",
  progress: { current, total: 10, ratio: current / 10, message: null, metrics: null },
  message: null,
});

test("events go on from where the api's row is", () => {
  const record = new TaskRecord(row({ state: "running", attempt: 1, seq: 2 }));
  record.take([event(1, "status", begin), event(2, "chunk", {}), event(3, "status", progress(4))], 0);
  assert.equal(record.seq, 3);
  assert.equal(record.progress?.current, 4);
  assert.equal(record.lastMs, 1_003);
});

test("a chunk and the progress that comes with it count as one update", () => {
  const record = new TaskRecord(row());
  record.take([event(1, "status", begin)], 10_000);
  const updates = Array.from({ length: 10 }, (_, at) => [
    event(2 * at + 2, "chunk", {}),
    event(2 * at + 3, "status", progress(at)),
  ]);
  record.take(updates.flat(), 10_000);
  assert.equal(record.throughput.perSecond(11_000), 11);
});

test("a row that is behind the stream changes nothing, unless it is of the end", () => {
  const record = new TaskRecord(row());
  record.take([event(1, "status", begin), event(2, "status", progress(5))], 0);
  record.adopt(row({ state: "running", attempt: 1, seq: 1 }));
  assert.equal(record.progress?.current, 5);
  record.adopt(row({ state: "cancelled", attempt: 1, seq: 3, finished_at: "2026-01-01T00:00:09Z" }));
  assert.equal(record.state, "cancelled");
  assert.ok(record.ended);
  record.adopt(row({ state: "running", attempt: 1, seq: 9 }));
  assert.equal(record.state, "cancelled");
});

test("a new attempt begins without progress, and one that is over changes nothing", () => {
  const record = new TaskRecord(row());
  record.take([event(1, "status", begin), event(2, "status", progress(5))], 0);
  record.take([event(3, "status", { state: "queued", progress: null, message: "again in 1 s" })], 0);
  assert.equal(record.message, "again in 1 s");
  assert.equal(record.progress?.current, 5);
  record.take([event(4, "status", begin, 2), event(5, "status", progress(9), 1)], 0);
  assert.equal(record.attempt, 2);
  assert.equal(record.progress, null);
  assert.equal(record.seq, 5);
});

test("the result ends it, and so does a failure", () => {
  const record = new TaskRecord(row());
  record.take([event(1, "status", begin), event(2, "result", { result: null })], 0);
  assert.equal(record.state, "succeeded");
  assert.equal(record.endedMs, 1_002);
  const failed = new TaskRecord(row());
  failed.take([event(1, "status", { state: "failed", progress: null, error: { type: "X", message: "y" } })], 0);
  assert.deepEqual(failed.error, { type: "X", message: "y" });
  assert.ok(failed.ended);
});

test("after a reset it takes the events from the first again", () => {
  const record = new TaskRecord(row({ state: "running", attempt: 2, seq: 50 }));
  record.reset();
  record.take([event(1, "status", begin)], 0);
  assert.equal(record.seq, 1);
  assert.equal(record.attempt, 1);
});
