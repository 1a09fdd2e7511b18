import assert from "node:assert/strict";
import { test } from "node:test";
import { EventLog } from "../../site/js/tasks/event-log.js";
import { compact, eventText } from "../../site/js/tasks/event-text.js";

/**
 * @param {number} from
 * @param {number} to  including
 */
function chunks(from, to) {
  return Array.from({ length: to - from + 1 }, (_, at) => ({
    task: "t",
    seq: from + at,
    attempt: 1,
    ts: from + at,
    type: "chunk",
    data: { index: from + at, data: "x" },
  }));
}

test("newer events are put at the end, each once", () => {
  const log = new EventLog();
  log.clear(10);
  log.append(chunks(11, 13));
  log.append(chunks(12, 15));
  assert.deepEqual(
    log.lines.map(({ seq }) => seq),
    [11, 12, 13, 14, 15],
  );
  assert.equal(log.after, 10);
});

test("older events are put before", () => {
  const log = new EventLog();
  log.clear(10);
  log.append(chunks(11, 12));
  assert.equal(log.prepend(chunks(6, 11), 5), 5);
  assert.deepEqual(
    log.lines.map(({ seq }) => seq),
    [6, 7, 8, 9, 10, 11, 12],
  );
  assert.equal(log.after, 5);
});

test("beyond its limit it drops the oldest lines, and tells how many", () => {
  const log = new EventLog({ most: 10, slack: 5 });
  assert.equal(log.append(chunks(1, 15)), 0);
  assert.ok(log.full);
  assert.equal(log.append(chunks(16, 16)), 6);
  assert.equal(log.after, 6);
  assert.equal(log.lines[0]?.seq, 7);
});

test("a gap is a line", () => {
  const log = new EventLog();
  log.append([{ type: "gap", after: 0, before: 5 }, ...chunks(5, 5)]);
  assert.deepEqual(
    log.lines.map(({ seq, type }) => [seq, type]),
    [
      [4, "gap"],
      [5, "chunk"],
    ],
  );
  assert.match(log.lines[0]?.text ?? "", /1 to 4/);
});

test("a status tells what it says, and nothing of what it does not say", () => {
  const progress = { current: 3, total: 10, ratio: 0.3, message: "reading", metrics: { n: 1 } };
  assert.equal(
    eventText({ type: "status", data: { state: "running", progress, message: null } }),
    'running · 3 of 10 · reading · {"n":1}',
  );
  const error = { type: "Broken", message: "no" };
  assert.equal(
    eventText({ type: "status", data: { state: "failed", progress: null, message: null, error } }),
    "failed · Broken: no",
  );
});

test("data is cut, also a string of a million characters", () => {
  assert.ok(compact("y".repeat(1_000_000)).length <= 301);
  assert.ok(compact(Array.from({ length: 1_000 }, (_, at) => at)).endsWith("…"));
  assert.equal(compact("short"), '"short"');
});
