import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestLog } from "../../site/js/documents/request-log.js";
import { Series } from "../../site/js/documents/series.js";
import { SideRecord } from "../../site/js/documents/side-record.js";

/**
 * @param {number} ts
 * @param {string} term
 * @param {number} [attempt]
 * @returns {any}
 */
function chunk(ts, term, attempt = 1) {
  return { type: "chunk", ts, attempt, data: { data: { term } } };
}

test("a series finds where a time would stand, and never goes back", () => {
  const series = new Series();
  for (let ms = 0; ms < 1_000; ms += 1) series.push(ms);
  series.push(5);
  assert.equal(series.length, 1_001);
  assert.equal(series.last, 999);
  assert.equal(series.firstFrom(500.5), 501);
  assert.equal(series.firstFrom(-1), 0);
  assert.equal(series.firstFrom(2_000), 1_001);
  assert.ok(Number.isNaN(series.at(1_001)));
});

test("matches are counted, and their idle stretches measured between emissions", () => {
  const record = new SideRecord(["a", "b"]);
  const view = { chunks: [], attempt: 1 };
  record.take(view, [chunk(1_000, "a"), chunk(1_900, "b")], 100, (ts) => 2_000 - ts);
  record.take(view, [chunk(4_000, "a"), { ...chunk(4_001, "a"), type: "status" }], 2_200, (ts) => 4_100 - ts);
  assert.deepEqual(
    [...record.counts],
    [
      ["a", 2],
      ["b", 1],
    ],
  );
  assert.deepEqual([record.emitted.at(0), record.emitted.at(1), record.emitted.at(2)], [-900, 0, 2_100]);
  assert.deepEqual(record.idle, { count: 1, longestMs: 2_100, totalMs: 2_100 });
});

test("a further attempt begins anew, and what belongs to the one before does not count", () => {
  const record = new SideRecord(["a"]);
  record.take({ chunks: [], attempt: 1 }, [chunk(0, "a"), chunk(1, "a")], 10, () => 0);
  record.take({ chunks: [], attempt: 2 }, [chunk(2, "a"), chunk(3, "a", 2)], 20, () => 0);
  assert.deepEqual([...record.counts], [["a", 1]]);
  assert.equal(record.emitted.length, 1);
});

test("of a cut, the matches count that were emitted during it and seen after it", () => {
  const record = new SideRecord(["a"]);
  const view = { chunks: [], attempt: 1 };
  record.cut(1_000);
  assert.equal(record.resumed(4_000), true);
  assert.equal(record.resumed(4_000), false);
  record.take(
    view,
    [chunk(900, "a"), chunk(1_500, "a"), chunk(3_900, "a"), chunk(4_010, "a")],
    4_100,
    (ts) => 4_100 - ts,
  );
  assert.deepEqual(record.cuts, [{ fromMs: 1_000, toMs: 4_000, late: 2 }]);
});

test("each request is judged by what the counters have gained", async (context) => {
  let nowMs = 0;
  const counters = { empty: 0, events: 0, errors: 0 };
  const log = new RequestLog(() => nowMs);
  log.watch(() => counters);
  context.mock.method(globalThis, "fetch", async () => new Response());
  const ask = async (/** @type {() => void} */ outcome) => {
    await log.fetch("/status", {});
    nowMs += 10;
    outcome();
  };
  await ask(() => {
    counters.empty += 1;
  });
  await ask(() => {
    counters.events += 3;
  });
  await ask(() => {
    counters.errors += 1;
  });
  await ask(() => {});
  assert.equal(log.outcomeOf(3), "pending");
  await ask(() => {
    counters.events += 1;
  });
  log.settle();
  assert.deepEqual(
    [0, 1, 2, 3, 4].map((index) => log.outcomeOf(index)),
    ["empty", "news", "lost", "news", "news"],
  );
  assert.equal(log.sent.length, 5);
  assert.equal(log.done.length, 5);
});

test("a request that fails, or is given up half read, is lost", async (context) => {
  const log = new RequestLog(() => 0);
  context.mock.method(globalThis, "fetch", async () => new Response());
  const given = new AbortController();
  await log.fetch("/status", { signal: given.signal });
  given.abort();
  context.mock.method(globalThis, "fetch", async () => Promise.reject(new TypeError("no network")));
  await assert.rejects(log.fetch("/status", {}), TypeError);
  assert.deepEqual([log.outcomeOf(0), log.outcomeOf(1)], ["lost", "lost"]);
});
