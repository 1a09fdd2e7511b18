import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TaskStream } from "../site/js/lib/task-stream.js";
import { chunk, EPOCH, gap, hello, result, upTo } from "./events.js";
import { settle } from "./fakes.js";
import { makeStream, network, seen, started, timers } from "./one-stream.js";

describe("a cut", () => {
  it("drops the connection at once and resumes after its time", async () => {
    const stream = await started();
    const first = network.last.open().frame(hello()).frame(chunk(1));
    stream.cut(3_000);
    assert.deepEqual([stream.state, first.state], ["offline", "closed"]);
    assert.equal(seen.lastState.retryInMs, 3_000);
    first.onmessage?.({ data: JSON.stringify([chunk(2)]) });
    await timers.advance(2_999);
    assert.equal(network.sockets.length, 1);
    await timers.advance(1);
    network.last
      .open()
      .frame(hello({ resumed: true, seq: 3 }))
      .frame(chunk(2), chunk(3));

    assert.match(network.last.url, /after=[0-9a-f]+\.1$/);
    assert.deepEqual(seen.seqs, [1, 2, 3]);
    assert.deepEqual(seen.told, ["connecting", "live", "offline", "connecting", "live"]);
  });

  it("is replaced by the next", async () => {
    const stream = await started();
    stream.cut(Number.POSITIVE_INFINITY);
    await timers.advance(3_600_000);
    assert.equal(network.sockets.length, 1);
    stream.cut(0);
    await timers.advance(0);
    assert.equal(network.sockets.length, 2);
  });

  it("replaces a wait", async () => {
    const stream = await started();
    network.last.closed();
    stream.cut(1_000);
    await timers.advance(999);
    assert.equal(network.sockets.length, 1);
    await timers.advance(1);
    assert.equal(network.sockets.length, 2);
  });

  it("does nothing before the start and after the end", async () => {
    const stream = makeStream();
    stream.cut(1);
    assert.equal(stream.state, "connecting");
    stream.start();
    await settle();
    network.last.open().frame(hello()).frame(result(1));
    stream.cut(1);
    await timers.advance(100);
    assert.equal(stream.state, "ended");
    assert.equal(network.sockets.length, 1);
  });

  it("right after the start comes before the first connection", async () => {
    const stream = makeStream().start();
    stream.cut(500);
    await timers.advance(499);
    assert.equal(network.sockets.length, 0);
    await timers.advance(1);
    assert.equal(network.sockets.length, 1);
  });

  it("may come from the callback that tells of a connection to be made", async () => {
    const stream = makeStream({ onState: (state) => state === "connecting" && stream.cut(500) });
    stream.start();
    await timers.advance(2_000);
    assert.equal(network.sockets.length, 0);
  });

  it("may come from a callback, in the middle of a frame too", async () => {
    const stream = await started({
      onEvents: (events, arrival) => {
        seen.onEvents(events, arrival);
        if (events[0]?.seq === 1) stream.cut(10);
      },
    });
    network.last.open().frame(hello()).frame(chunk(1), chunk(2));
    assert.equal(stream.state, "offline");
    await timers.advance(10);
    assert.match(network.last.url, /\.2$/);
    network.last
      .open()
      .frame(hello({ resumed: true }))
      .frame(result(3));

    assert.deepEqual(seen.seqs, [1, 2, 3]);
  });
});

describe("closing", () => {
  it("ends everything, and may be repeated", async () => {
    const stream = await started();
    network.last.open().frame(hello());
    const told = seen.states.length;
    stream.close();
    stream.close();
    stream.cut(1);
    stream.start();
    await timers.advance(60_000);

    assert.equal(network.last.state, "closed");
    assert.equal(network.sockets.length, 1);
    assert.equal(timers.pending, 0);
    assert.equal(seen.states.length, told);
    assert.equal(stream.state, "offline");
  });

  it("ends a wait", async () => {
    const stream = await started();
    network.last.closed();
    stream.close();
    await timers.advance(60_000);
    assert.equal(network.sockets.length, 1);
  });

  it("before the first connection leaves nothing to do", async () => {
    const stream = makeStream().start();
    stream.close();
    await settle();
    assert.deepEqual([network.sockets.length, seen.states.length], [0, 0]);
  });

  const triggers = { onEvents: chunk(1), onReset: hello({ epoch: "b" }), onGap: gap(0, 3), onState: hello() };
  for (const [name, item] of Object.entries(triggers)) {
    it(`from ${name} is the last callback`, async () => {
      /** @type {string[]} */
      const calls = [];
      const note = (/** @type {string} */ callback) => () => {
        calls.push(callback);
        if (callback === name && (callback !== "onState" || calls.length > 1)) stream.close();
      };
      const callbacks = Object.fromEntries(Object.keys(triggers).map((callback) => [callback, note(callback)]));
      const stream = makeStream(callbacks).start();
      await settle();
      network.last.open();
      if (item.type !== "hello" || name === "onReset") network.last.frame(hello());
      network.last.frame(item, chunk(7), gap(7, 9), hello({ epoch: "c" }), chunk(9)).closed();
      await timers.advance(60_000);

      assert.equal(calls.at(-1), name);
      assert.equal(calls.filter((callback) => callback === name).length, name === "onState" ? 2 : 1);
      assert.equal(network.sockets.length, 1);
    });
  }
});

describe("what a callback throws", () => {
  it("is reported, and the stream goes on", async (context) => {
    /** @type {unknown[]} */
    const reported = [];
    Reflect.set(globalThis, "reportError", (/** @type {unknown} */ error) => reported.push(error));
    context.after(() => Reflect.deleteProperty(globalThis, "reportError"));
    const fault = new Error("a fault of the page");
    const fails = () => {
      throw fault;
    };
    const stream = await started({ onEvents: fails, onState: fails, onGap: fails });
    network.last.open().frame(hello()).frame(chunk(1)).frame(gap(1, 3)).frame(result(3));

    assert.equal(stream.state, "ended");
    assert.equal(stream.cursor, `${EPOCH}.3`);
    assert.equal(network.sockets.length, 1);
    assert.deepEqual(new Set(reported), new Set([fault]));
    assert.equal(reported.length, 6);
  });
});

describe("the start", () => {
  it("calls nothing back from inside, so that callbacks find what they use", async () => {
    const stream = makeStream().start();
    assert.equal(seen.states.length, 0);
    assert.equal(stream.state, "connecting");
    stream.start();
    await settle();
    assert.deepEqual(seen.told, ["connecting"]);
    assert.equal(network.sockets.length, 1);
  });

  it("finds relative addresses on the page, and the scheme of its socket", async (context) => {
    Reflect.set(globalThis, "location", { href: "https://hub.example/demo/page.html?x=1#y" });
    context.after(() => Reflect.deleteProperty(globalThis, "location"));
    for (const [url, expected] of /** @type {[string, string][]} */ ([
      ["/ws/tasks/7", "wss://hub.example/ws/tasks/7?after=5"],
      ["ws/tasks/7", "wss://hub.example/demo/ws/tasks/7?after=5"],
      ["http://other:81/ws?x=1", "ws://other:81/ws?x=1&after=5"],
      ["ws://other/ws", "ws://other/ws?after=5"],
    ])) {
      await started({ url, after: "5" });
      assert.equal(network.last.url, expected);
    }
  });

  it("refuses what is no address", () => {
    assert.throws(() => makeStream({ url: "/nowhere" }), TypeError);
  });

  it("needs no callbacks", async () => {
    const stream = new TaskStream({ url: "ws://server/ws", WebSocket: network.Socket, ...timers }).start();
    await settle();
    network.last
      .open()
      .frame(hello())
      .frame(...upTo(3).map((seq) => chunk(seq)));
    assert.equal(stream.cursor, `${EPOCH}.3`);
  });
});
