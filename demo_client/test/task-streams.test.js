import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { MAX_TASKS, TaskStreams } from "../site/js/lib/task-streams.js";
import { chunk, EPOCH, gap, hello, Recorder, result, TASK, upTo } from "./events.js";
import { FakeNetwork, FakeTimers, settle } from "./fakes.js";

/** @type {FakeTimers} */
let timers;
/** @type {FakeNetwork} */
let network;
/** @type {Recorder} */
let socket;

beforeEach(() => {
  timers = new FakeTimers();
  network = new FakeNetwork();
  socket = new Recorder();
});

function makeStreams() {
  const environment = { ...timers, random: () => 0.5, WebSocket: network.Socket };
  return new TaskStreams({ url: "ws://server/ws", onState: socket.onState, ...environment });
}

/** @param {number} number */
function taskId(number) {
  return `0198c5a3-7b1e-7c42-9d10-${number.toString(16).padStart(12, "0")}`;
}

const [A, B, C] = [taskId(1), taskId(2), taskId(3)];

/**
 * The socket once it is open, and a recorder of each task.
 *
 * @param {string[]} tasks
 */
async function following(...tasks) {
  const streams = makeStreams();
  const seen = tasks.map(() => new Recorder());
  const followed = tasks.map((task, index) => streams.follow(task, { ...seen[index] }));
  await settle();
  network.last.open();
  const first = seen[0] ?? new Recorder();
  return { streams, seen, followed, first };
}

/** @param {string} task */
function items(task) {
  return {
    hello: (fields = {}) => hello({ task, ...fields }),
    chunk: (/** @type {number} */ seq) => chunk(seq, { task }),
    result: (/** @type {number} */ seq) => result(seq, { task }),
    error: (/** @type {number} */ code, message = "why") => ({ task, type: "error", code, message }),
    unsubscribed: { task, type: "unsubscribed" },
  };
}

const [a, b, c] = [items(A), items(B), items(C)];

describe("many tasks on a socket", () => {
  it("connect with the first, each with its own events", async () => {
    const streams = makeStreams();
    assert.equal(network.sockets.length, 0);
    streams.follow(A);
    const { seen } = await following(A, B);
    assert.equal(network.last.url, "ws://server/ws");
    assert.deepEqual(network.last.sent, [{ subscribe: A }, { subscribe: B }]);
    network.last.frame(a.hello()).frame(b.hello()).frame(a.chunk(1), a.chunk(2)).frame(b.chunk(1)).frame(a.chunk(3));

    assert.deepEqual(
      seen.map(({ seqs }) => seqs),
      [[1, 2, 3], [1]],
    );
  });

  it("are followed on the socket that is there", async () => {
    const { streams } = await following(A);
    network.last.frame(a.hello());
    const late = new Recorder();
    const { cursor } = streams.follow(B.toUpperCase(), { after: `${EPOCH}.4`, ...late });
    assert.equal(cursor, `${EPOCH}.4`);
    assert.deepEqual(network.last.sent.at(-1), { subscribe: B, after: `${EPOCH}.4` });
    network.last.frame(b.hello({ resumed: true, seq: 9 })).frame(b.chunk(4), b.chunk(5));

    assert.deepEqual(late.seqs, [5]);
    assert.equal(network.sockets.length, 1);
  });

  it("go on after their own cursors on the next socket, except those that ended", async () => {
    const { seen, followed } = await following(A, B, C);
    network.last.frame(a.hello()).frame(b.hello()).frame(c.hello());
    network.last.frame(a.chunk(1), a.result(2)).frame(b.chunk(1), b.chunk(2)).closed(4001);
    await timers.advance(50);
    network.last.open();
    assert.deepEqual(network.last.sent, [
      { subscribe: B, after: `${EPOCH}.2` },
      { subscribe: C, after: `${EPOCH}.0` },
    ]);
    network.last.frame(b.hello({ resumed: true })).frame(b.chunk(2), b.chunk(3));
    network.last.frame(c.hello({ epoch: "c" })).frame(c.chunk(1));

    assert.deepEqual(
      seen.map(({ seqs, resets }) => [seqs, resets.length]),
      [
        [[1, 2], 0],
        [[1, 2, 3], 0],
        [[1], 1],
      ],
    );
    assert.deepEqual(
      followed.map(({ cursor }) => cursor),
      [`${EPOCH}.2`, `${EPOCH}.3`, "c.1"],
    );
    assert.deepEqual(seen[0]?.ends, [{ how: "ended", code: 1000, message: "The task has ended" }]);
  });

  it("end one by one while the socket stays, also with nothing to follow", async () => {
    const { streams } = await following(A);
    network.last.frame(a.hello()).frame(a.result(1));
    await timers.advance(3_600_000);
    assert.equal(streams.size, 0);
    assert.equal(streams.state, "live");
    assert.equal(network.sockets.length, 1);
    network.last.closed();
    await timers.advance(125);
    network.last.open();
    assert.deepEqual(network.last.sent, []);
    assert.equal(streams.state, "live");
  });

  it("are counted together", async () => {
    const { streams } = await following(A, B);
    network.last
      .frame(a.hello())
      .frame(b.hello())
      .frame(a.chunk(1), a.chunk(1))
      .frame(b.chunk(1))
      .frame(gap(1, 3, B));
    const { connects, messages, events, duplicates, gaps } = streams.counters;

    assert.deepEqual([connects, messages, events, duplicates, gaps], [1, 5, 2, 1, 1]);
  });
});

describe("the live state of the socket", () => {
  it("begins with the first answer, which has 10 s", async () => {
    const { streams } = await following(A);
    assert.equal(streams.state, "connecting");
    await timers.advance(10_000);
    assert.deepEqual(socket.told, ["connecting", "waiting"]);
    await timers.advance(125);
    network.last.open().frame(a.hello());
    assert.equal(streams.state, "live");
  });

  it("ends when a later task is not answered", async () => {
    const { streams } = await following(A);
    network.last.frame(a.hello());
    await timers.advance(60_000);
    streams.follow(B);
    await timers.advance(9_999);
    assert.equal(streams.state, "live");
    await timers.advance(1);
    assert.equal(streams.state, "waiting");
  });
});

describe("a task that is left", () => {
  it("is unsubscribed, and nothing of it is heard", async () => {
    const { followed, first, streams } = await following(A, B);
    network.last.frame(a.hello());
    followed[0]?.close();
    followed[0]?.close();
    assert.deepEqual(network.last.sent.at(-1), { unsubscribe: A });
    assert.equal(network.last.sent.length, 3);
    network.last.frame(a.chunk(1)).frame(a.result(2)).frame(a.unsubscribed);

    assert.deepEqual([first.seqs, first.ends], [[], []]);
    assert.equal(streams.size, 1);
  });

  it("may be followed again, and what was on its way before is not mistaken for the new stream", async () => {
    const { streams, followed } = await following(A);
    network.last.frame(a.hello());
    const seen = [];
    for (const _ of [1, 2]) {
      followed.at(-1)?.close();
      seen.push(new Recorder());
      followed.push(streams.follow(A, { ...seen.at(-1) }));
    }
    network.last.frame(a.chunk(1), a.chunk(2)).frame(a.unsubscribed).frame(a.hello()).frame(a.chunk(1));
    network.last.frame(a.unsubscribed);
    assert.deepEqual(seen.at(-1)?.seqs, []);
    network.last.frame(a.hello()).frame(a.chunk(1), a.chunk(2));

    assert.deepEqual(
      seen.map(({ seqs }) => seqs),
      [[], [1, 2]],
    );
    assert.equal(network.sockets.length, 1);
  });

  it("while there is no connection is not subscribed on the next", async () => {
    const { followed } = await following(A, B);
    network.last.closed();
    followed[0]?.close();
    await timers.advance(125);
    network.last.open();
    assert.deepEqual(network.last.sent, [{ subscribe: B }]);
  });
});

describe("a subscription that the server ends", () => {
  for (const [code, message, expected] of /** @type {[number, string, string][]} */ ([
    [4504, "there is no task", "There is no such task"],
    [4509, "the cursor is ahead", "The server refused the request: the cursor is ahead"],
  ])) {
    it(`with ${code} is over, and the others go on`, async () => {
      const { seen, streams, first } = await following(A, B);
      network.last.frame(b.hello()).frame(a.error(code, message)).frame(b.chunk(1));

      assert.deepEqual(first.ends, [{ how: "failed", code, message: expected }]);
      assert.deepEqual(seen[1]?.seqs, [1]);
      assert.equal(streams.size, 1);
      network.last.closed();
      await timers.advance(125);
      network.last.open();
      assert.deepEqual(network.last.sent, [{ subscribe: B, after: `${EPOCH}.1` }]);
    });
  }

  it("begins with short waits again after one that lasted", async () => {
    await following(A);
    for (const sent of [2, 3, 4]) {
      network.last.frame(a.hello());
      await timers.advance(5_000);
      network.last.frame(a.error(1011));
      await timers.advance(125);
      assert.equal(network.last.sent.length, sent);
    }
  });

  it("is made again after waits that grow when it is taken up each time and ended at once", async () => {
    await following(A);
    for (const [index, waitMs] of [125, 250, 500, 1_000].entries()) {
      network.last.frame(a.hello()).frame(a.error(1011));
      await timers.advance(waitMs - 1);
      assert.equal(network.last.sent.length, index + 1);
      await timers.advance(1);
      assert.equal(network.last.sent.length, index + 2);
    }
  });

  it("for another reason is made again, after waits that grow", async () => {
    const { first } = await following(A);
    network.last.frame(a.hello()).frame(a.chunk(1)).frame(a.error(1011));
    assert.equal(network.last.sent.length, 1);
    await timers.advance(125);
    assert.deepEqual(network.last.sent.at(-1), { subscribe: A, after: `${EPOCH}.1` });
    network.last.frame(a.error(1011));
    await timers.advance(249);
    assert.equal(network.last.sent.length, 2);
    await timers.advance(1);
    network.last.frame(a.hello({ resumed: true })).frame(a.chunk(2));

    assert.deepEqual(first.seqs, [1, 2]);
    assert.deepEqual(first.ends, []);
  });

  it("is not made twice when the socket is made again meanwhile", async () => {
    const { streams, followed } = await following(A);
    network.last.frame(a.error(1011));
    streams.cut(0);
    await timers.advance(0);
    network.last.open().frame(a.hello());
    await timers.advance(1_000);
    assert.deepEqual(network.last.sent, [{ subscribe: A }]);
    network.last.frame(a.error(1011));
    followed[0]?.close();
    await timers.advance(10_000);
    assert.deepEqual(network.last.sent.slice(1), [{ unsubscribe: A }]);
  });
});

describe("a socket that is refused for good", () => {
  it("is the end of every task on it", async () => {
    const { streams, seen } = await following(A, B);
    network.last.closed(4501, "");
    await timers.advance(60_000);

    assert.equal(socket.lastState.state, "failed");
    for (const { ends } of seen)
      assert.deepEqual(ends, [{ how: "failed", code: 4501, message: "You are not signed in" }]);
    assert.throws(() => streams.follow(C), /closed/);
    assert.equal(network.sockets.length, 1);
  });
});

describe("what is no frame", () => {
  for (const data of ["[", JSON.stringify([{ ...chunk(1), task: 5 }]), JSON.stringify([chunk(9, { task: A })])]) {
    it(`makes a new connection: ${data.slice(0, 30)}`, async () => {
      const { first } = await following(A, B);
      network.last.raw(data);
      assert.equal(socket.lastState.state, "waiting");
      await timers.advance(125);
      network.last.open().frame(a.hello()).frame(a.chunk(1));
      assert.deepEqual(first.seqs, [1]);
    });
  }

  it("is an event before the hello, on the second connection too", async () => {
    const { first } = await following(A);
    network.last.frame(a.hello()).closed();
    await timers.advance(125);
    network.last.open().frame(a.chunk(1));
    assert.equal(socket.lastState.state, "waiting");
    assert.deepEqual(first.seqs, []);
  });

  it("is neither of a task that nobody follows nor of a type that nobody knows", async () => {
    const { streams } = await following(A);
    network.last.frame(b.chunk(1)).frame({ type: "notice" }).frame().frame({ task: A, type: "weather" });
    assert.equal(streams.state, "live");
  });
});

describe("what cannot be followed", () => {
  it("is a task too many, until another one ends", async () => {
    const { streams } = await following(...upTo(MAX_TASKS).map(taskId));
    const one = taskId(MAX_TASKS + 1);
    assert.throws(() => streams.follow(one), { name: "RangeError", message: "one socket follows at most 1,000 tasks" });
    network.last.frame(a.hello()).frame(a.result(1));
    streams.follow(one);

    assert.deepEqual(
      network.last.sent.slice(-2),
      [{ unsubscribe: A }, { subscribe: one }],
      "in this order there is room",
    );
    assert.equal(streams.size, MAX_TASKS);

    network.last.frame(b.hello()).frame(b.result(1)).frame(c.hello()).frame(c.result(1));
    streams.follow(B);
    assert.deepEqual(network.last.sent.at(-1), { subscribe: B });
    streams.follow(A);
    assert.deepEqual(network.last.sent.slice(-2), [{ unsubscribe: C }, { subscribe: A }], "B is followed again");

    network.last.frame(items(one).hello()).frame(items(one).result(1)).closed();
    await timers.advance(125);
    network.last.open();
    streams.follow(C);
    assert.equal(network.last.sent.length, MAX_TASKS, "a new connection has nothing to be cleared");
  });

  it("is what is no task, no cursor, or followed already", async () => {
    const { streams } = await following(A);
    for (const id of ["", "7", `${A}0`, `{${A}}`]) assert.throws(() => streams.follow(id), TypeError);
    assert.throws(() => streams.follow(B, { after: "x" }), RangeError);
    assert.throws(() => streams.follow(A.toUpperCase()), /followed already/);
    assert.equal(streams.size, 1);
    streams.follow(B);
  });
});

describe("closing and cutting", () => {
  it("calls nothing back after the close, and follows nothing more", async () => {
    const { streams, first } = await following(A);
    network.last.frame(a.hello());
    const told = socket.states.length;
    streams.close();
    streams.close();
    await timers.advance(60_000);

    assert.equal(network.last.state, "closed");
    assert.deepEqual([socket.states.length, first.ends.length, timers.pending], [told, 0, 0]);
    assert.throws(() => streams.follow(B), /closed/);
  });

  it("from onEnd and onEvents is possible", async () => {
    const streams = makeStreams();
    /** @type {string[]} */
    const calls = [];
    const followed = streams.follow(A, {
      onEvents: () => {
        calls.push("events");
        followed.close();
      },
      onEnd: () => calls.push("end"),
    });
    streams.follow(B, { onEnd: () => streams.close() });
    await settle();
    network.last
      .open()
      .frame(a.hello())
      .frame(a.chunk(1), gap(1, 3, A), a.result(4))
      .frame(b.hello())
      .frame(b.result(1));

    assert.deepEqual(calls, ["events"]);
    assert.equal(network.last.state, "closed");
  });

  it("drops the socket, and resumes every task after the time", async () => {
    const { streams, seen } = await following(A, B);
    network.last.frame(a.hello()).frame(b.hello()).frame(a.chunk(1));
    const first = network.last;
    streams.cut(1_000);
    streams.follow(TASK);
    first.onmessage?.({ data: JSON.stringify([a.chunk(2)]) });
    await timers.advance(1_000);
    network.last.open();
    assert.deepEqual(network.last.sent, [
      { subscribe: A, after: `${EPOCH}.1` },
      { subscribe: B, after: `${EPOCH}.0` },
      { subscribe: TASK },
    ]);
    network.last.frame(a.hello({ resumed: true })).frame(a.chunk(2));

    assert.deepEqual(seen[0]?.seqs, [1, 2]);
    assert.deepEqual(socket.told, ["connecting", "live", "offline", "connecting", "live"]);
  });
});
