/** One simulated client: it follows one task on one side, and measures what it sees. */

import { StatusPoll } from "../lib/status-poll.js";
import { TaskStream } from "../lib/task-stream.js";
import { TaskView } from "../lib/task-view.js";
import { BASELINE } from "./services.js";
import { several, times } from "./words.js";

/** Kept of the requests that the browser measures; 250 unless told. StatusPoll looks up what compressed answers weigh. */
const TIMINGS = 1_000;
performance.setResourceTimingBufferSize?.(TIMINGS);
// a full buffer takes nothing more in, and compressed answers would seem as large as they are without compression
performance.addEventListener?.("resourcetimingbufferfull", () => performance.clearResourceTimings());

/** @typedef {import("../lib/task-stream.js").TaskEvent} TaskEvent */
/** @typedef {import("./words.js").Side} Side */
/** @typedef {import("./words.js").Strategy} Strategy */
/**
 * @typedef {object} Handlers  of what brings the events
 * @property {(events: TaskEvent[]) => void} onEvents
 * @property {() => void} onReset
 * @property {() => void} onGap
 * @property {(state: string, detail: { message?: string }) => void} onState
 */
/**
 * @typedef {object} Source  what brings the events: a TaskStream or a StatusPoll
 * @property {string} state
 * @property {{ events: number, bytes: number, resets: number, messages?: number, requests?: number, empty?: number }} counters
 * @property {() => unknown} start
 * @property {() => void} close
 * @property {(ms: number) => void} cut
 */
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
 * @property {(follower: Follower) => void} [onShown]  what had come was shown, and its age is noted
 * @property {(handlers: Handlers) => Source} [open]  in place of a connection to the service
 */

export class Follower {
  view = new TaskView();
  /** Age of the newest chunk or result when it was applied, in ms. @type {number | null} */
  lastAgeMs = null;
  /** Unix ms of the server's clock at which something was last applied. @type {number | null} */
  appliedAtMs = null;
  /** A sentence about the connection, for people. */
  message = "";
  /** Times that events were lost for good. */
  gaps = 0;
  /** Unix ms of the server's clock at which the service first answered; null before. @type {number | null} */
  #metAtMs = null;
  /** The `ts` of the newest event that was shown. */
  #newestTs = Number.NEGATIVE_INFINITY;
  /** What is not newer was shown before the task began anew: it comes again. */
  #replayedToTs = Number.NEGATIVE_INFINITY;
  /** @type {TaskEvent[]} */
  #pending = [];
  /** @type {FollowerOptions} */
  #options;
  /** @type {Source} */
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

  /** Times that the task began anew. */
  get resets() {
    return this.#source.counters.resets;
  }

  /** @returns {import("./meter.js").Traffic} */
  get traffic() {
    const { messages, requests, empty = 0, bytes } = this.#source.counters;
    return { messages: messages ?? requests ?? 0, empty, bytes };
  }

  get counters() {
    return this.#source.counters;
  }

  /**
   * Apply what has come, show it, and note how old it is now that it is on the page. The painter calls it.
   *
   * What was emitted before the first contact is not metered: it waited for the client, and not for its delivery. Nor is
   * what comes again after a reset: it was metered when it came first.
   */
  paint() {
    const news = this.#pending;
    this.#pending = [];
    this.view.fold(news);
    this.#options.render(this, news);
    const now = this.#options.clock.now();
    for (const event of news) {
      if (event.ts <= this.#replayedToTs) continue;
      this.#newestTs = Math.max(this.#newestTs, event.ts);
      if (event.type !== "status") this.#noteAge(event.ts, now);
    }
    if (news.length) this.appliedAtMs = now;
    this.#options.onShown?.(this);
  }

  /**
   * @param {number} ts
   * @param {number} now
   */
  #noteAge(ts, now) {
    this.lastAgeMs = now - ts;
    if (this.#metAtMs !== null && ts >= this.#metAtMs) this.#options.meter.record(this.lastAgeMs);
  }

  /** @returns {Source} */
  #open() {
    const { side, taskId, strategy = "plain", intervalMs = 150, fetch, open } = this.#options;
    const handlers = this.#handlers();
    if (open) return open(handlers);
    if (side === "live") return new TaskStream({ ...handlers, url: `/ws/tasks/${taskId}` });
    const { onEvents, onReset, onState } = handlers;
    const url = `${BASELINE}/tasks/${taskId}/status`;
    return new StatusPoll({ onEvents, onReset, onState, url, strategy, intervalMs, ...(fetch && { fetch }) });
  }

  /** @returns {Handlers} */
  #handlers() {
    const { painter, clock, onState, onReset } = this.#options;
    return {
      onEvents: (events) => {
        for (const event of events) this.#pending.push(event);
        painter.request(this);
      },
      onReset: () => {
        this.#pending = [];
        this.#replayedToTs = this.#newestTs;
        this.view.reset();
        onReset?.(this);
        painter.request(this);
      },
      onGap: () => {
        this.gaps += 1;
      },
      onState: (state, detail) => {
        if (state === "live") this.#metAtMs ??= clock.now();
        this.message = detail?.message ?? "";
        onState?.(this);
      },
    };
  }
}

/**
 * What the resets and gaps of connections mean for the figures.
 *
 * @param {{ resets: number, gaps: number }[]} followers
 * @returns {string[]}
 */
export function lossNotes(followers) {
  const resets = followers.reduce((all, one) => all + one.resets, 0);
  const gaps = followers.reduce((all, one) => all + one.gaps, 0);
  const notes = [];
  if (resets > 0)
    notes.push(
      `A task began anew for a client ${times(resets)}: what came again is in the traffic, and not in the ages.`,
    );
  if (gaps > 0) notes.push(`${several(gaps, "gap")}: updates between were lost for good, and are in no figure.`);
  return notes;
}
