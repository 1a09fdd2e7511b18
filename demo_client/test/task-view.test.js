import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TaskView } from "../site/js/lib/task-view.js";
import { chunk, result, status, upTo } from "./events.js";

const progress = { current: 1, total: 4, ratio: 0.25, message: null, metrics: null };

describe("the view of a task", () => {
  it("is empty before the first event", () => {
    const { state, attempt, seq, progress, chunks, result, error, message, startedTs, lastTs, endedTs } =
      new TaskView();
    assert.deepEqual([state, attempt, seq, chunks], ["queued", 0, 0, []]);
    assert.deepEqual([progress, result, error, message, startedTs, lastTs, endedTs], Array(7).fill(null));
  });

  it("is what its events say, however they are divided", () => {
    const events = [
      status(1, { state: "running", message: "begins" }),
      chunk(2),
      status(3, { state: "running", progress }),
      chunk(4),
      result(5),
    ];
    const whole = new TaskView().fold(events);
    const parts = new TaskView();
    for (const event of events) parts.fold([event]).fold([event]).fold(events.slice(0, 1));

    assert.deepEqual({ ...parts }, { ...whole });
    assert.deepEqual(
      { ...whole },
      {
        state: "succeeded",
        attempt: 1,
        seq: 5,
        progress,
        chunks: [2, 4],
        result: "done",
        error: null,
        message: "begins",
        startedTs: 1_001,
        lastTs: 1_005,
        endedTs: 1_005,
      },
    );
    assert.equal(whole.ended, true);
  });

  it("drops the chunks and the progress of an attempt with the first event of the next, whichever that is", () => {
    const second = { attempt: 2 };
    for (const first of [chunk(4, second), status(4, { state: "queued" }, second)]) {
      const view = new TaskView().fold([chunk(1), status(2, { state: "running", progress }), chunk(3)]);
      const before = view.chunks;
      view.fold([first, chunk(5, second)]);

      assert.deepEqual(view.chunks, first.type === "chunk" ? [4, 5] : [5]);
      assert.equal(view.progress, null);
      assert.equal(view.attempt, 2);
      assert.deepEqual(before, [1, 3], "whoever drew the old array still has it");
    }
  });

  it("has no progress at the begin of an attempt, and what was reached at its end", () => {
    const view = new TaskView().fold([status(1, { state: "running", progress }), status(2, { state: "cancelled" })]);
    assert.deepEqual(view.progress, progress);
    assert.equal(view.fold([status(3, { state: "running" })]).progress, null);
  });

  it("takes no chunk of an older attempt", () => {
    const view = new TaskView().fold([chunk(1, { attempt: 2 }), chunk(2, { attempt: 1 })]);
    assert.deepEqual([view.chunks, view.attempt, view.seq], [[1], 2, 2]);
  });

  it("has the error and the message of the newest status", () => {
    const error = { type: "IntendedFailure", message: "no luck" };
    const view = new TaskView().fold([
      status(1, { state: "running" }),
      status(2, { state: "queued", message: "trying again" }),
      status(3, { state: "running", progress }, { attempt: 2 }),
    ]);
    assert.equal(view.message, "trying again");
    view.fold([status(4, { state: "running" }, { attempt: 2 })]);
    assert.equal(view.message, null);
    view.fold([status(5, { state: "failed", error }, { attempt: 2 })]);
    assert.deepEqual([view.state, view.error, view.endedTs, view.startedTs], ["failed", error, 1_005, 1_001]);
  });

  it("passes over types that it does not know", () => {
    const strange = /** @type {any} */ ({ ...chunk(2), type: "score" });
    assert.deepEqual(new TaskView().fold([chunk(1), strange]).chunks, [1]);
  });

  it("begins anew after a reset", () => {
    const view = new TaskView().fold([chunk(1), result(2)]);
    view.reset();
    assert.deepEqual({ ...view }, { ...new TaskView() });
    assert.deepEqual(view.fold([chunk(1)]).chunks, [1]);
  });

  it("takes the hundred-thousandth chunk as fast as the first", () => {
    const events = upTo(100_000).map((seq) => chunk(seq));
    const view = new TaskView();
    const costs = [];
    for (let start = 0; start < events.length; start += 20_000) {
      const batches = events.slice(start, start + 20_000).map((event) => [event]);
      const begun = performance.now();
      for (const batch of batches) view.fold(batch);
      costs.push(performance.now() - begun);
    }
    assert.equal(view.chunks.length, 100_000);
    // 20,000 events are 10 s of the fastest task; a cost that grew with the chunks would be minutes
    assert.ok(Math.max(...costs) < 1_000, `${costs} ms`);
  });
});
