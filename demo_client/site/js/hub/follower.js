/** One simulated client: it follows one task on one side, and measures what it sees. */

import { StatusPoll } from "../lib/status-poll.js";
import { TaskStream } from "../lib/task-stream.js";
import { TaskView } from "../lib/task-view.js";
import { BASELINE } from "./services.js";

/** Kept of the requests that the browser measures; 250 unless told. StatusPoll looks up what compressed answers weigh. */
const TIMINGS = 1_000;
performance.setResourceTimingBufferSize?.(TIMINGS);
// a full buffer takes nothing more in, and compressed answers would seem as large as they are without compression
performance.addEventListener?.("resourcetimingbufferfull", () => performance.clearResourceTimings());

/** @typedef {import("../lib/task-stream.js").TaskEvent} TaskEvent */
/** @typedef {"live" | "poll"} Side */
/** @typedef {"plain" | "delta" | "long"} Strategy */
/**
 * @typedef {object} FollowerOptions
 * @property {Side} side
 * @property {string} taskId
 * @property {Strategy} [strategy]  of the polling side
 * @property {number} [intervalMs]  of the polling side
 * @property {import("./painter.js").Painter} painter
 * @property {import("./meter.js").Meter} meter  shared by the clients of a side
 * @property {import("../lib/clock.js").ServerClock} clock  of the side's service
 * @property {(follower: Follower, news: TaskEvent[]) => void} render  show what is new; called at most twice a frame
 * @property {(follower: Follower) => void} [onState]  the connection's state has changed
 * @property {(url: string, init: RequestInit) => Promise<Response>} [fetch]  in place of the page's, of the polling side
 * @property {(follower: Follower) => void} [onReset]  the task begins anew: what was shown of it is no longer so
 */

export class Follower {
  view = new TaskView();
  /** Age of the newest chunk or result when it was applied, in ms. @type {number | null} */
  lastAgeMs = null;
  /** Unix ms of the server's clock at which something was last applied. @type {number | null} */
  appliedAtMs = null;
  /** A sentence about the connection, for people. */
  message = "";
  /** Connections that went on after the last event seen. */
  resumes = 0;
  gaps = 0;
  /** Unix ms of the server's clock at which the service first answered; null before. @type {number | null} */
  metAtMs = null;
  /** @type {TaskEvent[]} */
  #pending = [];
  /** @type {FollowerOptions} */
  #options;
  #source;

  /** @param {FollowerOptions} options */
  constructor(options) {
    this.#options = options;
    this.side = options.side;
    this.taskId = options.taskId;
    this.#source = this.#open();
  }

  start() {
    this.#source.start();
    return this;
  }

  close() {
    this.#source.close();
    this.#options.painter.forget(this);
  }

  /**
   * Lose the connection for a while, as a train in a tunnel does; then resume.
   *
   * @param {number} ms
   */
  cut(ms) {
    this.#source.cut(ms);
  }

  get state() {
    return this.#source.state;
  }

  /** Whether nothing more will come. */
  get done() {
    return this.state === "ended" || this.state === "failed";
  }

  /** Whether nothing more will come, and all that came was shown. */
  get settled() {
    return this.done && this.#pending.length === 0;
  }

  /** @returns {import("./meter.js").Traffic} */
  get traffic() {
    const source = this.#source;
    if (source instanceof StatusPoll) {
      const { requests, empty, bytes } = source.counters;
      return { messages: requests, empty, bytes };
    }
    return { messages: source.counters.messages, empty: 0, bytes: source.counters.bytes };
  }

  get counters() {
    return this.#source.counters;
  }

  /**
   * Apply what has come, show it, and note how old it is now that it is on the page. The painter calls it.
   *
   * What was emitted before the first contact is not metered: it waited for the client, and not for its delivery.
   */
  paint() {
    const news = this.#pending;
    this.#pending = [];
    this.view.fold(news);
    this.#options.render(this, news);
    const now = this.#options.clock.now();
    for (const event of news) {
      if (event.type === "status") continue;
      this.lastAgeMs = now - event.ts;
      if (this.metAtMs !== null && event.ts >= this.metAtMs) this.#options.meter.record(this.lastAgeMs);
    }
    if (news.length) this.appliedAtMs = now;
  }

  #open() {
    const { side, taskId, strategy = "plain", intervalMs = 150, painter, fetch, onState, onReset } = this.#options;
    const handlers = {
      onEvents: (/** @type {TaskEvent[]} */ events) => {
        for (const event of events) this.#pending.push(event);
        painter.request(this);
      },
      onReset: () => {
        this.#pending = [];
        this.view.reset();
        onReset?.(this);
        painter.request(this);
      },
      onState: (/** @type {string} */ state, /** @type {{ message?: string }} */ detail) => {
        if (state === "live") this.metAtMs ??= this.#options.clock.now();
        this.message = detail?.message ?? "";
        onState?.(this);
      },
    };
    if (side === "poll") {
      const url = `${BASELINE}/tasks/${taskId}/status`;
      return new StatusPoll({ ...handlers, url, strategy, intervalMs, ...(fetch && { fetch }) });
    }
    return new TaskStream({ ...handlers, url: `/ws/tasks/${taskId}`, onGap: () => this.#noteGap() });
  }

  #noteGap() {
    this.gaps += 1;
  }
}
