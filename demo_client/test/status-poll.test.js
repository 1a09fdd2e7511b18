import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { StatusPoll } from "../site/js/lib/status-poll.js";
import { chunk, Recorder, result, status, upTo } from "./events.js";
import { FakeFetch, FakeTimers, settle } from "./fakes.js";

/**
 * @typedef {import("../site/js/lib/status-poll.js").Strategy} Strategy
 * @typedef {import("../site/js/lib/task-stream.js").TaskEvent} TaskEvent
 */

/** @type {FakeTimers} */
let timers;
/** @type {FakeFetch} */
let server;
/** @type {Recorder} */
let seen;

beforeEach(() => {
  timers = new FakeTimers();
  server = new FakeFetch();
  seen = new Recorder();
});

/**
 * @param {Strategy} strategy
 * @param {Partial<import("../site/js/lib/status-poll.js").StatusPollOptions>} [options]
 */
async function started(strategy, options = {}) {
  const { onEvents, onReset, onState } = seen;
  const environment = { ...timers, random: () => 0.5, fetch: server.fetch };
  const url = "http://server/tasks/7/status";
  const poll = new StatusPoll({
    url,
    strategy,
    intervalMs: 1_000,
    onEvents,
    onReset,
    onState,
    ...environment,
    ...options,
  });
  poll.start();
  await settle();
  return poll;
}

/**
 * @param {TaskEvent[]} events
 * @param {{seq?: number, next?: number | null}} [fields]
 */
function body(events, fields = {}) {
  const seq = fields.seq ?? events.at(-1)?.seq ?? 0;
  return { id: "7", state: "running", attempt: 1, seq, events, next: seq, ...fields };
}

/** @param {number[]} seqs */
function chunks(...seqs) {
  return seqs.map((seq) => chunk(seq));
}

describe("every strategy", () => {
  for (const strategy of /** @type {Strategy[]} */ (["plain", "delta", "long"])) {
    it(`gives each event once and in order: ${strategy}`, async () => {
      const poll = await started(strategy);
      await server.answer(200, body(chunks(1, 2)));
      await timers.advance(1_000);
      await server.answer(200, body(chunks(1, 2, 3)));
      await timers.advance(1_000);
      await server.answer(200, body([...chunks(3), result(4)], { next: null }));
      await timers.advance(60_000);

      assert.deepEqual(seen.seqs, [1, 2, 3, 4]);
      assert.deepEqual(seen.batches, [2, 1, 1]);
      assert.deepEqual(seen.told, ["connecting", "live", "ended"]);
      assert.equal(poll.cursor, "4");
      assert.equal(server.calls.length, 3);
      assert.equal(server.last.cache, "no-store");
      assert.equal(timers.pending, 0);
    });

    it(`ends without news when the cursor brought along was the last: ${strategy}`, async () => {
      const poll = await started(strategy, { after: 4 });
      await server.answer(200, body([], { seq: 4, next: null }));
      assert.equal(poll.state, "ended");
    });

    it(`starts over when the task has fewer events than it had: ${strategy}`, async () => {
      const poll = await started(strategy, { after: 9 });
      if (strategy === "plain") {
        await server.answer(200, body(chunks(1, 2)));
      } else {
        assert.equal(server.last.url.search, "?after=9");
        await server.answer(422, { detail: "after: …", errors: [{ field: "after", type: "cursor" }] });
        assert.equal(poll.state, "live");
        await timers.advance(0);
        assert.equal(server.last.url.search, "?after=0");
        await server.answer(200, body(chunks(1, 2)));
      }
      assert.equal(seen.resets.length, 1);
      assert.deepEqual(seen.seqs, [1, 2]);
      assert.equal(poll.counters.resets, 1);
    });
  }
});

describe("plain", () => {
  it("asks for everything each interval, counted from start to start", async () => {
    await started("plain");
    await timers.advance(400);
    await server.answer(200, body(chunks(1)));
    await timers.advance(599);
    assert.equal(server.calls.length, 1);
    await timers.advance(1);
    assert.equal(server.calls.length, 2);
    assert.equal(server.last.url.href, "http://server/tasks/7/status");
    assert.equal(server.last.headers.get("If-None-Match"), null);
  });

  it("asks at once after an answer that took longer, never two at a time", async () => {
    await started("plain");
    await timers.advance(3_500);
    assert.equal(server.calls.length, 1);
    await server.answer(200, body(chunks(1)));
    await timers.advance(0);
    assert.equal(server.calls.length, 2);
    assert.equal(server.mostAtOnce, 1);
  });

  it("has a newer attempt's events follow those of the older", async () => {
    await started("plain");
    await server.answer(200, body(chunks(1, 2)));
    await timers.advance(1_000);
    const next = [chunk(5, { attempt: 2 }), status(6, { state: "running" }, { attempt: 2 })];
    await server.answer(200, body(next));

    assert.deepEqual(seen.seqs, [1, 2, 5, 6]);
  });

  it("counts an answer without news", async () => {
    const poll = await started("plain");
    await server.answer(200, body([]));
    await timers.advance(1_000);
    await server.answer(200, body(chunks(1)));
    await timers.advance(1_000);
    await server.answer(200, body(chunks(1)));
    const { requests, empty, notModified, events } = poll.counters;

    assert.deepEqual([requests, empty, notModified, events], [3, 2, 0, 1]);
  });
});

describe("delta", () => {
  it("asks with the cursor, and the ETag of the last answer; 304 is nothing new", async () => {
    const poll = await started("delta");
    assert.equal(server.last.url.search, "?after=0");
    assert.equal(server.last.headers.get("If-None-Match"), null);
    await server.answer(200, body(chunks(1, 2)), { ETag: '"2"' });
    await timers.advance(1_000);
    assert.equal(server.last.url.search, "?after=2");
    assert.equal(server.last.headers.get("If-None-Match"), '"2"');
    await server.answer(304, undefined, { ETag: '"2"' });
    await timers.advance(999);
    assert.equal(server.calls.length, 2);
    await timers.advance(1);
    assert.equal(server.last.headers.get("If-None-Match"), '"2"');
    const { empty, notModified } = poll.counters;
    assert.deepEqual([empty, notModified], [1, 1]);
  });

  it("asks for the rest of an answer at once, without its ETag, which names the rest too", async () => {
    await started("delta");
    await server.answer(200, body(chunks(1, 2), { seq: 3, next: 2 }), { ETag: '"3"' });
    await timers.advance(0);
    assert.equal(server.last.url.search, "?after=2");
    assert.equal(server.last.headers.get("If-None-Match"), null);
    await server.answer(200, body(chunks(3)), { ETag: '"3"' });

    assert.deepEqual(seen.seqs, [1, 2, 3]);
  });
});

describe("a cursor that is ahead", () => {
  it("takes the ETag with it, or what came again would be nothing new", async () => {
    await started("delta");
    await server.answer(200, body(chunks(1, 2)), { ETag: '"2"' });
    await timers.advance(1_000);
    await server.answer(422, { errors: [{ type: "cursor" }] });
    await timers.advance(0);
    assert.equal(server.last.url.search, "?after=0");
    assert.equal(server.last.headers.get("If-None-Match"), null);
  });
});

describe("long", () => {
  it("lets the server wait, and asks again at once after news", async () => {
    await started("long");
    assert.equal(server.last.headers.get("Prefer"), "wait=25");
    await timers.advance(20_000);
    await server.answer(200, body(chunks(1)));
    await timers.advance(0);
    assert.equal(server.last.url.search, "?after=1");
    await timers.advance(25_000);
    await server.answer(200, body([], { seq: 1 }));
    await timers.advance(0);
    assert.equal(server.calls.length, 3);
  });

  it("asks a server that does not wait no more than once a second", async () => {
    await started("long", { intervalMs: 10 });
    for (let number = 0; number < 10; number += 1) {
      await server.answer(200, body([]));
      await timers.advance(999);
      assert.equal(server.calls.length, number + 1);
      await timers.advance(1);
    }
    assert.equal(server.calls.length, 11);
  });

  it("is given up 10 s after the wait", async () => {
    await started("long");
    await timers.advance(34_999);
    assert.equal(server.waiting, 1);
    await timers.advance(1);
    assert.equal(server.waiting, 0);
    assert.equal(seen.lastState.state, "waiting");
  });
});

describe("what goes wrong", () => {
  it("is waited for, longer each time, and goes on where it was", async () => {
    const poll = await started("delta");
    await server.answer(200, body(chunks(1)));
    await timers.advance(1_000);
    await server.fail();
    assert.deepEqual([seen.lastState.state, seen.lastState.retryInMs], ["waiting", 125]);
    assert.equal(seen.lastState.message, "The server cannot be reached; trying again");
    await timers.advance(125);
    await server.answer(503, { detail: "the database does not answer" });
    assert.deepEqual([seen.lastState.retryInMs, seen.lastState.code], [250, 503]);
    assert.equal(seen.lastState.message, "The server is in trouble; trying again");
    await timers.advance(250);
    assert.equal(server.last.url.search, "?after=1");
    await server.answer(200, body(chunks(2)));

    assert.deepEqual(seen.seqs, [1, 2]);
    assert.deepEqual(seen.told, ["connecting", "live", "waiting", "connecting", "waiting", "connecting", "live"]);
    assert.equal(poll.counters.errors, 2);
  });

  it("is no answer within 10 s", async () => {
    await started("plain");
    await timers.advance(10_000);
    assert.equal(seen.lastState.state, "waiting");
    await timers.advance(125);
    assert.equal(server.waiting, 1);
  });

  for (const [retryAfter, ms] of /** @type {[string, number][]} */ ([
    ["2", 2_000],
    ["0", 125],
    ["86400", 60_000],
    ["soon", 125],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 125],
  ])) {
    it(`is a server with too many requests, for as long as it says: ${retryAfter}`, async () => {
      await started("long");
      await server.answer(429, {}, { "Retry-After": retryAfter });
      assert.equal(seen.lastState.retryInMs, ms);
      assert.equal(seen.lastState.message, "The server has too many requests; trying again");
    });
  }

  for (const answer of [
    "<html>",
    "null",
    {},
    { ...body([]), next: undefined },
    body([/** @type {any} */ ({ ...chunk(1), seq: "1" })]),
  ]) {
    it(`is ${JSON.stringify(answer)?.slice(0, 60)}`, async () => {
      const poll = await started("plain");
      await server.answer(200, answer);
      assert.equal(poll.state, "waiting");
      assert.equal(seen.lastState.message, "The server sent something unintelligible; trying again");
    });
  }

  for (const [code, answer, message] of /** @type {[number, any, string][]} */ ([
    [404, { detail: "no task" }, "There is no such task"],
    [401, "", "The server refused the request"],
    [
      422,
      { detail: "after: the whole state has too many bytes", errors: [{ type: "too_large" }] },
      "The server refused the request: after: the whole state has too many bytes",
    ],
  ])) {
    it(`for good is told in a sentence: ${code}`, async () => {
      const poll = await started("plain", { after: 3 });
      await server.answer(code, answer);
      await timers.advance(60_000);

      assert.equal(poll.state, "failed");
      assert.equal(seen.lastState.message, message);
      assert.equal(seen.lastState.code, code);
      assert.equal(server.calls.length, 1);
    });
  }

  it("for good is a cursor of 0 that is ahead", async () => {
    const poll = await started("delta");
    await server.answer(422, { detail: "after", errors: [{ type: "cursor" }] });
    assert.equal(poll.state, "failed");
  });
});

describe("bytes", () => {
  it("are those of the answer as HTTP/1.1 has it", async () => {
    const poll = await started("delta");
    const text = JSON.stringify(body([chunk(1, { data: { index: 0, data: "é" } })]));
    await server.answer(200, text, { ETag: '"1"' });
    const head = 'HTTP/1.1 200 \r\ncontent-type: text/plain;charset=UTF-8\r\netag: "1"\r\n\r\n';
    assert.equal(poll.counters.bytes, head.length + Buffer.byteLength(text));
    await timers.advance(1_000);
    await server.answer(304, undefined, { "Content-Length": "99" });
    const more = "HTTP/1.1 304 \r\ncontent-length: 99\r\n\r\n";
    assert.equal(poll.counters.bytes, head.length + Buffer.byteLength(text) + more.length, "a 304 has no body");
  });

  it("of a body that is compressed are what its length says", async () => {
    const poll = await started("plain");
    await server.answer(200, body(chunks(...upTo(50))), { "Content-Encoding": "gzip", "Content-Length": "77" });
    const head =
      "HTTP/1.1 200 \r\ncontent-encoding: gzip\r\ncontent-length: 77\r\ncontent-type: text/plain;charset=UTF-8\r\n\r\n";
    assert.equal(poll.counters.bytes, head.length + 77);
  });
});

describe("cutting and closing", () => {
  it("drops the request, and asks again after the time with the cursor", async () => {
    const poll = await started("long");
    await server.answer(200, body(chunks(1)));
    await timers.advance(0);
    poll.cut(3_000);
    await settle();
    assert.equal(server.waiting, 0);
    assert.equal(poll.state, "offline");
    await timers.advance(2_999);
    assert.equal(server.calls.length, 2);
    await timers.advance(1);
    assert.equal(server.last.url.search, "?after=1");
    assert.equal(poll.counters.errors, 0);
    await server.answer(200, body(chunks(1, 2)));
    assert.deepEqual(seen.seqs, [1, 2]);
  });

  it("hears nothing of an answer that was on its way", async () => {
    /** @type {(response: Response) => void} */
    let deliver = () => {};
    const poll = await started("plain", { fetch: () => new Promise((resolve) => (deliver = resolve)) });
    poll.cut(1_000);
    deliver(Response.json(body(chunks(1))));
    await settle();
    assert.deepEqual([poll.state, seen.seqs, poll.counters.bytes], ["offline", [], 0]);
  });

  it("between requests keeps the next one back", async () => {
    const poll = await started("plain");
    await server.answer(200, body(chunks(1)));
    poll.cut(3_000);
    await timers.advance(2_999);
    assert.equal(server.calls.length, 1);
    await timers.advance(1);
    assert.equal(server.calls.length, 2);
    assert.equal(server.mostAtOnce, 1);
  });

  for (const when of /** @type {const} */ (["onEvents", "onState", "onReset"])) {
    it(`is possible from ${when}`, async () => {
      for (const method of /** @type {const} */ (["cut", "close"])) {
        const calls = server.calls.length;
        let told = 0;
        const poll = await started("plain", {
          after: when === "onReset" ? 9 : 0,
          [when]: (/** @type {unknown} */ state) => {
            if (state === "connecting" || told > 0) return;
            told += 1;
            poll[method](2_500);
          },
        });
        await server.answer(200, body(chunks(1)));
        assert.equal(poll.state, "offline");
        await timers.advance(2_499);
        assert.equal(server.calls.length, calls + 1);
        await timers.advance(1);
        assert.equal(server.calls.length, calls + (method === "cut" ? 2 : 1));
        poll.close();
        await settle();
      }
      assert.equal(server.mostAtOnce, 1);
    });
  }

  it("calls nothing back after the close", async () => {
    const poll = await started("long");
    poll.close();
    poll.close();
    await timers.advance(60_000);
    assert.deepEqual([seen.told, server.waiting, timers.pending], [["connecting"], 0, 0]);
    assert.equal(poll.state, "offline");
  });
});
