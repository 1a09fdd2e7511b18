/** One simulated client: it follows one task on one side, and measures what it sees. */

import { StatusPoll } from "../lib/status-poll.js";
import { TaskStream } from "../lib/task-stream.js";
import { TaskView } from "../lib/task-view.js";
import { BASELINE } from "./services.js";

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
 * @property {(follower: Follower, news: TaskEvent[]) => void} render  show what is new; called at most once a frame
 * @property {(follower: Follower) => void} [onState]  the connection's state has changed
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

  /** Apply what has come, show it, and note how old it is now that it is on the page. The painter calls it. */
  paint() {
    const news = this.#pending;
    this.#pending = [];
    this.view.apply(news);
    this.#options.render(this, news);
    const now = this.#options.clock.now();
    for (const event of news) {
      if (event.type === "status") continue;
      this.lastAgeMs = now - event.ts;
      this.#options.meter.record(this.lastAgeMs);
    }
    if (news.length) this.appliedAtMs = now;
  }

  #open() {
    const { side, taskId, strategy = "plain", intervalMs = 150, painter, onState } = this.#options;
    const handlers = {
      onEvents: (/** @type {TaskEvent[]} */ events) => {
        for (const event of events) this.#pending.push(event);
        painter.request(this);
      },
      onReset: () => {
        this.#pending = [];
        this.view.reset();
        painter.request(this);
      },
      onState: (/** @type {string} */ _state, /** @type {{ message?: string }} */ detail) => {
        this.message = detail?.message ?? "";
        onState?.(this);
      },
    };
    if (side === "poll") {
      return new StatusPoll({ ...handlers, url: `${BASELINE}/tasks/${taskId}/status`, strategy, intervalMs });
    }
    return new TaskStream({ ...handlers, url: `/ws/tasks/${taskId}`, onGap: () => this.#noteGap() });
  }

  #noteGap() {
    this.gaps += 1;
  }
}
