import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chunk, EPOCH, gap, hello, result, status, TASK } from "./events.js";
import { makeStream, network, seen, started, timers } from "./one-stream.js";

describe("what a stream hands on", () => {
  it("is each batch in order, with the time of its arrival", async () => {
    const stream = await started();
    network.last.open().frame(hello()).frame(chunk(1), chunk(2));
    await timers.advance(7);
    network.last.frame(chunk(3));

    assert.deepEqual(seen.seqs, [1, 2, 3]);
    assert.deepEqual(seen.batches, [2, 1]);
    assert.deepEqual(seen.receivedMs, [1_000, 1_007]);
    assert.equal(stream.cursor, `${EPOCH}.3`);
  });

  it("does not hold what came before, and counts it", async () => {
    const stream = await started();
    network.last.open().frame(hello()).frame(chunk(1), chunk(2)).frame(chunk(1), chunk(2), chunk(3)).frame(chunk(2));

    assert.deepEqual(seen.seqs, [1, 2, 3]);
    assert.equal(stream.counters.duplicates, 3);
    assert.equal(stream.counters.events, 3);
    assert.deepEqual(seen.batches, [2, 1], "a batch without anything new is none");
  });

  it("may leave seqs out, for what is superseded is not sent", async () => {
    await started();
    network.last.open().frame(hello()).frame(chunk(1), chunk(5)).frame(chunk(9));

    assert.deepEqual(seen.seqs, [1, 5, 9]);
    assert.deepEqual(seen.gaps, []);
  });

  it("passes over types and keys that it does not know", async () => {
    await started();
    const strange = { task: TASK, type: "weather", data: "rain" };
    network.last
      .open()
      .frame(strange)
      .frame(hello())
      .frame({ ...chunk(1), mood: "fine" }, strange, {}, chunk(2));

    assert.deepEqual(seen.seqs, [1, 2]);
    assert.equal(network.sockets.length, 1);
  });

  it("comes before the reset that follows it in a frame", async () => {
    /** @type {string[]} */
    const calls = [];
    await started({ onEvents: (events) => calls.push(`${events[0]?.seq}`), onReset: () => calls.push("reset") });
    network.last
      .open()
      .frame(hello())
      .frame(chunk(1), hello({ epoch: "b" }), chunk(1), chunk(2));

    assert.deepEqual(calls, ["1", "reset", "1"]);
  });

  it("tells no gap of what was seen", async () => {
    const stream = await started();
    network.last.open().frame(hello()).frame(chunk(1), chunk(5)).frame(gap(1, 4));

    assert.deepEqual(seen.gaps, []);
    assert.equal(stream.cursor, `${EPOCH}.5`);
  });

  it("tells of a gap and goes on after it", async () => {
    const stream = await started();
    network.last.open().frame(hello()).frame(chunk(1)).frame(gap(1, 4));
    assert.equal(stream.cursor, `${EPOCH}.3`);
    network.last.frame(chunk(3), chunk(4));

    assert.deepEqual(seen.gaps, [{ after: 1, before: 4 }]);
    assert.deepEqual(seen.seqs, [1, 4]);
    assert.equal(stream.counters.gaps, 1);
  });

  it("counts frames as they are on the wire", async () => {
    const stream = await started();
    const greeting = JSON.stringify([hello()]);
    const long = JSON.stringify([chunk(1, { data: { index: 0, data: "é".repeat(200) } })]);
    const huge = JSON.stringify([chunk(2, { data: { index: 1, data: "x".repeat(70_000) } })]);
    network.last.open().raw(greeting).raw(long).raw(huge);

    const { connects, messages, bytes } = stream.counters;
    const bytesOf = (/** @type {string} */ text) => Buffer.byteLength(text);
    assert.equal(greeting.length < 126, true);
    assert.equal(bytes, bytesOf(greeting) + 2 + bytesOf(long) + 4 + bytesOf(huge) + 10);
    assert.deepEqual([connects, messages], [1, 3]);
  });
});

describe("the cursor", () => {
  it("is where each connection goes on", async () => {
    const stream = await started();
    assert.equal(stream.cursor, null);
    assert.equal(network.last.url, `ws://server/ws/tasks/${TASK}`);
    network.last.open().frame(hello()).frame(chunk(1), chunk(2)).closed();
    await timers.advance(125);
    assert.equal(network.last.url, `ws://server/ws/tasks/${TASK}?after=${EPOCH}.2`);
    network.last
      .open()
      .frame(hello({ resumed: true, seq: 2 }))
      .frame(chunk(3));

    assert.deepEqual(seen.seqs, [1, 2, 3]);
    assert.deepEqual(seen.resets, []);
    assert.equal(stream.counters.resumes, 1);
    assert.equal(stream.counters.connects, 2);
  });

  it("may be brought along", async () => {
    await started({ after: `${EPOCH}.7` });
    assert.equal(network.last.url, `ws://server/ws/tasks/${TASK}?after=${EPOCH}.7`);
    network.last
      .open()
      .frame(hello({ resumed: true, seq: 9 }))
      .frame(chunk(7), chunk(8));

    assert.deepEqual(seen.seqs, [8]);
  });

  it("gets its epoch from the hello when it was a bare seq", async () => {
    const stream = await started({ after: "7" });
    network.last.open().frame(hello({ resumed: true, seq: 9 }));

    assert.equal(stream.cursor, `${EPOCH}.7`);
  });

  for (const after of ["", "x", "01", "-1", "9F.1", `${EPOCH}0.1`, "9007199254740992"]) {
    it(`cannot be ${JSON.stringify(after)}`, () => assert.throws(() => makeStream({ after }), RangeError));
  }
});

describe("a hello that does not resume", () => {
  it("is no reset for a stream that began without a cursor", async () => {
    await started();
    network.last.open().frame(hello());

    assert.deepEqual(seen.resets, []);
  });

  it("is one for a cursor that was brought along", async () => {
    const stream = await started({ after: "00aa.7" });
    network.last.open().frame(hello()).frame(chunk(1));

    assert.deepEqual(seen.resets, [hello()]);
    assert.deepEqual(seen.seqs, [1]);
    assert.equal(stream.cursor, `${EPOCH}.1`);
    assert.equal(stream.counters.resets, 1);
  });

  it("makes the stream begin anew in mid-connection and after another one", async () => {
    const stream = await started();
    network.last
      .open()
      .frame(hello())
      .frame(chunk(1), chunk(2))
      .frame(hello({ epoch: "b" }));
    assert.deepEqual(seen.seqs, []);
    network.last.frame(chunk(1)).closed();
    await timers.advance(125);
    network.last
      .open()
      .frame(hello({ epoch: "c" }))
      .frame(chunk(1), chunk(2));

    assert.deepEqual(seen.seqs, [1, 2]);
    assert.deepEqual(
      seen.resets.map(({ epoch }) => epoch),
      ["b", "c"],
    );
    assert.equal(stream.cursor, "c.2");
  });
});

describe("the end", () => {
  it("is the terminal event, and no connection after it", async () => {
    const stream = await started();
    network.last.open().frame(hello()).frame(chunk(1), result(2)).closed(1000, "the task has ended");
    await timers.advance(60_000);

    assert.deepEqual(seen.told, ["connecting", "live", "ended"]);
    assert.equal(seen.lastState.message, "The task has ended");
    assert.deepEqual(seen.seqs, [1, 2]);
    assert.equal(stream.state, "ended");
    assert.equal(network.sockets.length, 1);
    assert.equal(timers.pending, 0);
  });

  it("is followed by nothing", async () => {
    await started();
    network.last
      .open()
      .frame(hello())
      .frame(result(1), chunk(2), hello({ epoch: "b" }));

    assert.deepEqual([seen.seqs, seen.resets], [[1], []]);
  });

  it("needs no close frame", async () => {
    const stream = await started();
    network.last.open().frame(hello()).frame(result(1)).closed(1006);

    assert.equal(stream.state, "ended");
  });

  for (const state of ["succeeded", "failed", "cancelled"]) {
    it(`is a status ${state} too`, async () => {
      const stream = await started();
      network.last.open().frame(hello()).frame(status(1, { state }));

      assert.equal(stream.state, "ended");
    });
  }

  it("is not a close with 1000 before the terminal event", async () => {
    await started();
    network.last.open().frame(hello()).frame(chunk(1)).closed(1000);
    assert.equal(seen.lastState.state, "waiting");
    await timers.advance(125);
    network.last
      .open()
      .frame(hello({ resumed: true, seq: 1 }))
      .closed(1000);

    assert.equal(
      seen.lastState.state,
      "waiting",
      "a middlebox may close with 1000; the server would have sent the end",
    );
  });

  it("is a close with 1000 when the cursor that was brought along leaves nothing to send", async () => {
    const stream = await started({ after: `${EPOCH}.7` });
    network.last
      .open()
      .frame(hello({ resumed: true, seq: 7 }))
      .closed(1000);

    assert.equal(stream.state, "ended");
  });

  it("is none when there was something to send, or something came", async () => {
    for (const items of [[hello({ resumed: true, seq: 8 })], [hello({ resumed: true, seq: 7 }), chunk(8)], [hello()]]) {
      const stream = await started({ after: `${EPOCH}.7` });
      network.last
        .open()
        .frame(...items)
        .closed(1000);
      assert.equal(stream.state, "waiting");
    }
  });
});
