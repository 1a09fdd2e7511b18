import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { Follower, lossNotes } from "../../site/js/hub/follower.js";
import { Meter } from "../../site/js/hub/meter.js";

/** @typedef {import("../../site/js/hub/follower.js").Handlers} Handlers */

class FakeSource {
  state = "connecting";
  counters = { events: 0, messages: 7, bytes: 70, resets: 0 };
  /** @type {number[]} */
  cuts = [];
  closed = false;

  /** @param {Handlers} handlers */
  constructor(handlers) {
    this.handlers = handlers;
  }

  start() {}

  close() {
    this.closed = true;
  }

  /** @param {number} ms */
  cut(ms) {
    this.cuts.push(ms);
  }

  /** @param {string} state */
  becomes(state, message = "") {
    this.state = state;
    this.handlers.onState(state, { message });
  }

  reset() {
    this.counters.resets += 1;
    this.handlers.onReset();
  }
}

let nowMs = 0;
/** @type {Meter} */
let meter;
/** @type {FakeSource} */
let source;
/** @type {Follower} */
let follower;
/** @type {number[]} how many ages were noted when `onShown` was called */
let shown;

/** Paints at once, as the painter does with what comes alone. */
const painter = /** @type {any} */ ({
  request: (/** @type {Follower} */ part) => part.paint(),
  forget: () => {},
});

beforeEach(() => {
  nowMs = 1_000;
  meter = new Meter();
  shown = [];
  follower = new Follower({
    side: "live",
    taskId: "t",
    painter,
    meter,
    clock: /** @type {any} */ ({ now: () => nowMs }),
    render: () => {},
    onShown: () => shown.push(meter.totals().count),
    open: (handlers) => {
      source = new FakeSource(handlers);
      return source;
    },
  });
});

/**
 * @param {number} seq
 * @param {number} ts
 * @returns {any}
 */
function chunk(seq, ts) {
  return { task: "t", seq, attempt: 1, ts, type: "chunk", data: { index: seq - 1, data: "1" } };
}

/** @param {number} seq  @param {number} ts  @returns {any} */
function running(seq, ts) {
  return { task: "t", seq, attempt: 1, ts, type: "status", data: { state: "running" } };
}

describe("Follower", () => {
  it("meters the age of what was shown, and not that of a status", () => {
    source.becomes("live");
    nowMs = 1_050;
    source.handlers.onEvents([running(1, 1_010), chunk(2, 1_020)]);
    assert.deepEqual(meter.totals(), { count: 1, p50: 30, p95: 30, max: 30 });
    assert.equal(follower.lastAgeMs, 30);
    assert.equal(follower.appliedAtMs, 1_050);
    assert.deepEqual(follower.view.chunks, ["1"]);
  });

  it("tells that all is shown once the last age is noted", () => {
    source.becomes("live");
    source.handlers.onEvents([chunk(1, 1_000)]);
    assert.equal(shown.at(-1), 1);
  });

  it("does not meter what was emitted before the first contact", () => {
    nowMs = 2_000;
    source.becomes("live");
    nowMs = 2_010;
    source.handlers.onEvents([chunk(1, 1_500), chunk(2, 2_005)]);
    assert.deepEqual(meter.totals(), { count: 1, p50: 5, p95: 5, max: 5 });
  });

  it("goes by the first contact, not by one that follows a cut", () => {
    source.becomes("live");
    source.becomes("offline");
    nowMs = 4_000;
    source.becomes("live");
    source.handlers.onEvents([chunk(1, 3_000)]);
    assert.equal(meter.totals().max, 1_000);
  });

  it("meters nothing twice when the task begins anew", () => {
    source.becomes("live");
    nowMs = 1_200;
    source.handlers.onEvents([chunk(1, 1_100), chunk(2, 1_190)]);
    source.reset();
    assert.deepEqual(follower.view.chunks, []);
    nowMs = 9_000;
    source.handlers.onEvents([chunk(1, 1_100), chunk(2, 1_190), chunk(3, 8_995)]);
    assert.equal(follower.view.chunks.length, 3);
    assert.deepEqual(meter.totals(), { count: 3, p50: 10, p95: 100, max: 100 });
    assert.equal(follower.lastAgeMs, 5);
  });

  it("meters all of what has one time", () => {
    source.becomes("live");
    source.handlers.onEvents([chunk(1, 1_000), chunk(2, 1_000)]);
    source.handlers.onEvents([chunk(3, 1_000)]);
    assert.equal(meter.totals().count, 3);
  });

  it("is what its source is", () => {
    assert.deepEqual(follower.traffic, { messages: 7, empty: 0, bytes: 70 });
    source.becomes("failed", "gone");
    assert.equal(follower.message, "gone");
    assert.equal(follower.settled, true);
    follower.cut(3_000);
    follower.close();
    assert.deepEqual(source.cuts, [3_000]);
    assert.equal(source.closed, true);
  });
});

describe("lossNotes", () => {
  it("tell of resets and gaps, if there were any", () => {
    assert.deepEqual(lossNotes([follower]), []);
    source.reset();
    source.handlers.onGap();
    const [resets, gaps] = lossNotes([follower, follower]);
    assert.match(resets ?? "", /began anew for a client 2 times/);
    assert.match(gaps ?? "", /^2 gaps: /);
  });
});
