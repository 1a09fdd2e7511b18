import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { describe, it } from "node:test";
import { chunk, EPOCH, gap, hello, TASK } from "./events.js";
import { network, seen, setRandom, started, timers } from "./one-stream.js";

describe("a lost connection", () => {
  it("is made again after waits that double up to 10 s, each random below its bound", async () => {
    setRandom(1);
    await started();
    const waits = [];
    for (let number = 0; number < 8; number += 1) {
      network.last.closed();
      waits.push(seen.lastState.retryInMs);
      assert.equal(seen.lastState.attempt, number + 1);
      await timers.advance((seen.lastState.retryInMs ?? 0) - 1);
      assert.equal(network.sockets.length, number + 1);
      await timers.advance(1);
      assert.equal(network.sockets.length, number + 2);
    }
    assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    setRandom(0.25);
    network.last.closed();
    assert.equal(seen.lastState.retryInMs, 2_500);
    assert.equal(seen.lastState.message, "The server cannot be reached; trying again");
    assert.equal(seen.lastState.code, 1006);
  });

  it("begins with short waits again after one that lasted, and only then", async () => {
    setRandom(1);
    await started();
    for (let number = 0; number < 3; number += 1) {
      network.last.open().frame(hello()).closed();
      await timers.advance(seen.lastState.retryInMs ?? 0);
    }
    assert.equal(seen.states.findLast(({ state }) => state === "waiting")?.retryInMs, 1_000);
    network.last.open().frame(hello({ resumed: true }));
    await timers.advance(5_000);
    network.last.closed();
    assert.equal(seen.lastState.retryInMs, 250);
    assert.equal(seen.lastState.attempt, 1);
  });

  for (const [code, message] of /** @type {[number, string][]} */ ([
    [4001, "The server is going away; reconnecting"],
    [4008, "This page could not keep up with the updates; reconnecting"],
    [4012, "The connection was silent for too long; reconnecting"],
  ])) {
    it(`with ${code} is made again nearly at once, the first time`, async () => {
      setRandom(1);
      await started();
      network.last.open().frame(hello()).closed(code, "why");
      const { state, retryInMs, message: told, reason } = seen.lastState;
      assert.deepEqual([state, retryInMs, told, reason], ["waiting", 100, message, "why"]);
      await timers.advance(100);
      network.last
        .open()
        .frame(hello({ resumed: true }))
        .closed(code);
      assert.equal(seen.lastState.retryInMs, 500);
    });
  }

  for (const code of [1000, 1001, 1006, 1011, 4000, 4499, 5000]) {
    it(`with ${code} is made again`, async () => {
      await started();
      network.last.open().frame(hello()).frame(chunk(1)).closed(code);
      assert.equal(seen.lastState.state, "waiting");
      assert.equal(seen.lastState.code, code);
      await timers.advance(125);
      assert.equal(network.last.url, `ws://server/ws/tasks/${TASK}?after=${EPOCH}.1`);
    });
  }

  it("is made again at once when the browser is back online, unless it was cut on purpose", async (context) => {
    const page = new EventTarget();
    const names = /** @type {const} */ (["addEventListener", "removeEventListener"]);
    for (const name of names) Reflect.set(globalThis, name, page[name].bind(page));
    context.after(() => {
      for (const name of names) Reflect.deleteProperty(globalThis, name);
    });
    const stream = await started();
    network.last.open().frame(hello()).closed();
    page.dispatchEvent(new Event("online"));
    assert.equal(network.sockets.length, 2);
    await timers.advance(10_000 - 1);
    assert.equal(network.sockets.length, 2, "the try that was planned is not made too");

    stream.cut(60_000);
    page.dispatchEvent(new Event("online"));
    await timers.advance(1_000);
    assert.equal(network.sockets.length, 2);
    assert.equal(getEventListeners(page, "online").length, 1);
    stream.close();
    assert.equal(getEventListeners(page, "online").length, 0);
  });
});

describe("a refusal for good", () => {
  for (const [code, reason, message] of /** @type {[number, string, string][]} */ ([
    [4501, "", "You are not signed in"],
    [4503, "", "You may not see this task"],
    [4504, "there is no task 0198…", "There is no such task"],
    [4509, "'x' is not a cursor", "The server refused the request: 'x' is not a cursor"],
    [4500, "", "The server ended the stream"],
    [4999, "enough", "The server ended the stream: enough"],
  ])) {
    it(`with ${code} is told in a sentence`, async () => {
      const stream = await started();
      network.last.open().closed(code, reason);
      await timers.advance(60_000);

      assert.equal(stream.state, "failed");
      const { state, message: told, code: why, retryInMs } = seen.lastState;
      assert.deepEqual([state, told, why, retryInMs], ["failed", message, code, null]);
      assert.equal(network.sockets.length, 1);
    });
  }

  it("is one of the browser too", async () => {
    class Refusing extends network.Socket {
      /** @param {string} url */
      constructor(url) {
        super(url);
        throw new DOMException("not from here", "SecurityError");
      }
    }
    await started({ WebSocket: Refusing });

    assert.equal(seen.lastState.state, "failed");
    assert.equal(seen.lastState.reason, "not from here");
  });
});

describe("a server that does not answer", () => {
  it("is given up after 10 s, whether it opened or not", async () => {
    await started();
    await timers.advance(9_999);
    assert.equal(seen.lastState.state, "connecting");
    await timers.advance(1);
    assert.equal(seen.lastState.state, "waiting");
    assert.equal(seen.lastState.message, "The server does not answer; trying again");
    assert.equal(network.last.state, "closed");
    await timers.advance(125);
    network.last.open();
    await timers.advance(10_000);
    assert.equal(seen.lastState.state, "waiting");
    assert.equal(network.sockets.length, 2);
  });

  it("may be silent as long as it likes after its hello", async () => {
    const stream = await started();
    network.last.open().frame(hello());
    await timers.advance(3_600_000);

    assert.equal(stream.state, "live");
    assert.equal(network.sockets.length, 1);
  });
});

describe("what is no frame of the task", () => {
  const broken = {
    "not JSON": "[",
    "no array": "{}",
    "an array of no objects": "[1]",
    null: "[null]",
    binary: new ArrayBuffer(2),
    "of another task": JSON.stringify([chunk(2, { task: "another" })]),
    "a gap of another task": JSON.stringify([gap(1, 3, "another")]),
    "without seq": JSON.stringify([{ ...chunk(2), seq: "2" }]),
    "with a seq of 0": JSON.stringify([chunk(0)]),
    "without data": JSON.stringify([{ ...chunk(2), data: null }]),
    "a hello without epoch": JSON.stringify([{ ...hello(), epoch: null }]),
    "a gap that is none": JSON.stringify([gap(3, 3)]),
  };
  for (const [name, data] of Object.entries(broken)) {
    it(`(${name}) drops the connection, and the stream resumes`, async () => {
      await started();
      network.last.open().frame(hello()).frame(chunk(1)).raw(data);
      assert.equal(network.last.state, "closed");
      const { state, message, attempt } = seen.lastState;
      assert.deepEqual(
        [state, message, attempt],
        ["waiting", "The server sent something unintelligible; reconnecting", 1],
      );
      await timers.advance(125);
      assert.equal(network.last.url, `ws://server/ws/tasks/${TASK}?after=${EPOCH}.1`);
      network.last
        .open()
        .frame(hello({ resumed: true }))
        .frame(chunk(2));
      assert.deepEqual(seen.seqs, [1, 2]);
    });
  }

  it("loses nothing of what stood before it", async () => {
    await started();
    network.last
      .open()
      .frame(hello())
      .frame(chunk(1), chunk(2), { ...chunk(3), seq: null });

    assert.deepEqual(seen.seqs, [1, 2]);
    await timers.advance(125);
    assert.match(network.last.url, /\.2$/);
  });

  it("is an event before the hello, on every connection", async () => {
    await started();
    network.last.open().frame(chunk(1));
    assert.equal(seen.lastState.state, "waiting");
    await timers.advance(125);
    network.last.open().frame(hello()).frame(chunk(1)).closed();
    await timers.advance(250);
    network.last.open().frame(chunk(2));
    assert.equal(seen.lastState.state, "waiting");
    assert.deepEqual(seen.seqs, [1]);
  });
});
