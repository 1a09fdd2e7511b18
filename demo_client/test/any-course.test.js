/** Whatever the network does: what a client has in the end is the whole sequence, each event once. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StatusPoll } from "../site/js/lib/status-poll.js";
import { TaskStream } from "../site/js/lib/task-stream.js";
import { TaskStreams } from "../site/js/lib/task-streams.js";
import { chunk, Recorder, result, upTo } from "./events.js";
import { FakeFetch, FakeNetwork, FakeTimers, seeded, settle } from "./fakes.js";

/** @typedef {import("../site/js/lib/task-stream.js").TaskEvent} TaskEvent */

const COURSES = 150;
const STEPS = 4_000;

/** A task on a server that grows, may begin a new epoch, and sends what it has in frames of any size. */
class Task {
  epochs = 0;
  /** @type {TaskEvent[]} */
  events = [];

  /**
   * @param {string} id
   * @param {number} length
   * @param {() => number} random
   */
  constructor(id, length, random) {
    this.id = id;
    this.length = length;
    this.random = random;
  }

  get epoch() {
    return `e${this.epochs}`;
  }

  grow() {
    const seq = this.events.length + 1;
    if (seq > this.length) return;
    const fields = { task: this.id, data: { index: seq - 1, data: `${this.epoch}:${seq}`, result: this.epoch } };
    this.events.push(seq === this.length ? result(seq, fields) : chunk(seq, fields));
  }

  /** @param {number} after */
  restart(after) {
    this.epochs += 1;
    this.events = [];
    for (let seq = 0; seq < after; seq += 1) this.grow();
  }
}

/** What a server knows of one subscriber. It sends again, at times, what it has sent. */
class Session {
  /**
   * @param {Task} task
   * @param {import("./fakes.js").FakeSocket} socket
   * @param {string | null} after
   */
  constructor(task, socket, after) {
    this.task = task;
    this.socket = socket;
    const [epoch, seq] = after?.split(".") ?? [];
    const resumed = epoch === task.epoch && Number(seq) <= task.events.length;
    this.greet(resumed, resumed ? Number(seq) : 0);
  }

  /**
   * @param {boolean} resumed
   * @param {number} position
   */
  greet(resumed, position) {
    this.position = position;
    this.epoch = this.task.epoch;
    const { id, epoch, events } = this.task;
    this.socket.frame({ task: id, type: "hello", epoch, seq: events.length, resumed });
  }

  /** Send some; whether it was all there will be. */
  send() {
    const { events, random, length } = this.task;
    if (this.epoch !== this.task.epoch) this.greet(false, 0);
    const first = Math.max(0, (this.position ?? 0) - (random() < 0.1 ? Math.floor(random() * 5) : 0));
    const batch = events.slice(first, first + 1 + Math.floor(random() * 6));
    if (batch.length > 0) this.socket.frame(...batch);
    this.position = Math.max(this.position ?? 0, first + batch.length);
    return this.position === length;
  }
}

/**
 * @param {Recorder} seen
 * @param {Task} task
 */
function assertWhole(seen, task, seed = 0) {
  assert.deepEqual(seen.seqs, upTo(task.length), `seed ${seed}`);
  assert.deepEqual(seen.events, task.events, `seed ${seed}`);
}

/** @param {() => number} random */
function tamper(random) {
  return ["[", "{}", "[null]", '[{"type":"chunk"}]'][Math.floor(random() * 4)];
}

const CODES = [1000, 1001, 1006, 1011, 4001, 4008, 4012, 4300];

/**
 * @template T
 * @param {T[]} items
 * @param {() => number} random
 * @returns {T}
 */
function pick(items, random) {
  return /** @type {T} */ (items[Math.floor(random() * items.length)]);
}

describe("whatever happens", () => {
  it("to a stream, it ends with the whole sequence", async () => {
    for (let seed = 1; seed <= COURSES; seed += 1) {
      const random = seeded(seed);
      const [timers, network, seen] = [new FakeTimers(), new FakeNetwork(), new Recorder()];
      const task = new Task("a", 5 + Math.floor(random() * 40), random);
      const environment = { ...timers, random, WebSocket: network.Socket };
      const stream = new TaskStream({ url: "ws://server/ws", ...seen, ...environment }).start();
      /** @type {Session | null} */
      let session = null;
      for (let step = 0; stream.state !== "ended"; step += 1) {
        assert.ok(step < STEPS, `seed ${seed} does not end`);
        await timers.advance(random() * 400);
        const socket = network.last;
        if (session !== null && session.socket !== socket) session = null;
        const dice = random();
        if (dice < 0.3) task.grow();
        else if (dice < 0.32 && task.epochs < 3) task.restart(Math.floor(random() * task.length));
        else if (dice < 0.36) socket.closed(pick(CODES, random));
        else if (dice < 0.38) stream.cut(random() * 1_000);
        else if (dice < 0.4) socket.raw(tamper(random));
        else if (socket.state === "connecting") socket.open();
        else if (socket.state === "open" && session === null) {
          session = new Session(task, socket, new URL(socket.url).searchParams.get("after"));
        } else if (session?.send()) socket.closed(random() < 0.5 ? 1000 : 1006);
      }
      assertWhole(seen, task, seed);
      assert.equal(timers.pending, 0);
    }
  });

  it("to many tasks on a socket, each ends with its whole sequence", async () => {
    for (let seed = 1; seed <= COURSES; seed += 1) {
      const random = seeded(seed);
      const [timers, network] = [new FakeTimers(), new FakeNetwork()];
      const environment = { ...timers, random, WebSocket: network.Socket };
      const streams = new TaskStreams({ url: "ws://server/ws", ...environment });
      const tasks = upTo(4).map((number) => {
        const id = `0198c5a3-7b1e-7c42-9d10-00000000000${number}`;
        const task = new Task(id, 3 + Math.floor(random() * 20), random);
        const recorder = new Recorder();
        /** @type {import("../site/js/lib/task-streams.js").Followed} */
        let followed = streams.follow(id, { ...recorder });
        /** Leave it and come back with the cursor, as a page does that goes from view to view. */
        const revisit = () => {
          const after = followed.cursor;
          followed.close();
          followed = streams.follow(id, { after, ...recorder });
        };
        return { task, recorder, revisit };
      });
      /** @type {Map<string, Session>} */
      const sessions = new Map();
      let served = 0;
      /** @type {import("./fakes.js").FakeSocket | null} */
      let current = null;
      await settle();

      const obey = (/** @type {any} */ { subscribe, unsubscribe, after }) => {
        sessions.delete(subscribe ?? unsubscribe);
        const found = tasks.find(({ task }) => task.id === subscribe);
        if (found === undefined) network.last.frame({ task: unsubscribe, type: "unsubscribed" });
        else sessions.set(subscribe, new Session(found.task, network.last, after ?? null));
      };

      for (let step = 0; streams.size > 0; step += 1) {
        assert.ok(step < STEPS, `seed ${seed} does not end`);
        await timers.advance(random() * 200);
        const socket = network.last;
        if (current !== socket) {
          current = socket;
          served = 0;
          sessions.clear();
        }
        const { task, recorder, revisit } = pick(tasks, random);
        const session = sessions.get(task.id);
        const dice = random();
        if (dice < 0.3) task.grow();
        else if (dice < 0.32 && task.epochs < 2 && recorder.ends.length === 0) task.restart(Math.floor(random() * 5));
        else if (dice < 0.34) socket.closed(pick(CODES, random));
        else if (dice < 0.36) streams.cut(random() * 1_000);
        else if (dice < 0.37) socket.raw(tamper(random));
        else if (dice < 0.4 && recorder.ends.length === 0) revisit();
        else if (dice < 0.42 && session !== undefined && socket.state === "open") {
          sessions.delete(task.id);
          socket.frame({ task: task.id, type: "error", code: pick([1011, 4001, 4300], random), message: "" });
        } else if (socket.state === "connecting") socket.open();
        else if (socket.state === "open" && served < socket.sent.length && random() < 0.7) obey(socket.sent[served++]);
        else session?.send();
      }
      for (const { task, recorder } of tasks) {
        assertWhole(recorder, task, seed);
        assert.equal(recorder.ends.length, 1);
      }
      streams.close();
      assert.equal(timers.pending, 0);
    }
  });

  for (const strategy of /** @type {const} */ (["plain", "delta", "long"])) {
    it(`to a poll, it ends with the whole sequence: ${strategy}`, async () => {
      for (let seed = 1; seed <= COURSES; seed += 1) {
        const random = seeded(seed);
        const [timers, server, seen] = [new FakeTimers(), new FakeFetch(), new Recorder()];
        const task = new Task("a", 5 + Math.floor(random() * 40), random);
        const { onEvents, onReset } = seen;
        const environment = { ...timers, random, fetch: server.fetch };
        const poll = new StatusPoll({ url: "http://server/s", strategy, onEvents, onReset, ...environment }).start();
        for (let step = 0; poll.state !== "ended"; step += 1) {
          assert.ok(step < STEPS, `seed ${seed} does not end`);
          await timers.advance(random() * 700);
          const dice = random();
          if (dice < 0.4) task.grow();
          else if (dice < 0.43) poll.cut(random() * 2_000);
          else if (server.waiting === 0) continue;
          else if (dice < 0.46) await server.fail();
          else if (dice < 0.49) await server.answer(pick([429, 500, 503], random), {});
          else if (dice < 0.5) await server.answer(200, "<html>");
          else await answer(server, task, strategy);
        }
        assertWhole(seen, task, seed);
        assert.equal(server.mostAtOnce, 1);
        assert.equal(timers.pending, 0);
      }
    });
  }
});

/**
 * As the baseline does (an ETag names the newest event, also when the answer stops short of it).
 *
 * @param {FakeFetch} server
 * @param {Task} task
 * @param {string} strategy
 */
async function answer(server, task, strategy) {
  const { url, headers } = server.last;
  const seq = task.events.length;
  const after = Number(url.searchParams.get("after") ?? 0);
  const page = strategy === "plain" ? task.events : task.events.slice(after, after + 5);
  const last = page.at(-1)?.seq ?? after;
  const next = seq === task.length && last === seq ? null : last;
  const tag = `"${seq}"`;
  if (headers.get("If-None-Match") === tag) await server.answer(304, undefined, { ETag: tag });
  else await server.answer(200, { seq, next, events: page }, strategy === "plain" ? {} : { ETag: tag });
}
