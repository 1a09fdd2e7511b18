/** One run: the same search on both sides, started together, followed until both have ended. */

import { Clocks } from "../hub/clocks.js";
import { Follower, lossNotes } from "../hub/follower.js";
import { HiddenTime, hiddenNote } from "../hub/hidden-time.js";
import { Meter } from "../hub/meter.js";
import { TaskPair } from "../hub/pair.js";
import { SIDE_NAMES, SIDES, sentence } from "../hub/words.js";
import { RequestLog } from "./request-log.js";
import { SideRecord } from "./side-record.js";

/** @typedef {import("../hub/follower.js").Side} Side */
/** @typedef {import("./form.js").Order} Order */
/** @typedef {import("./figures.js").SideFigures} SideFigures */
/** @typedef {import("./outcome.js").Ending} Ending */

/**
 * @typedef {object} Handlers
 * @property {(side: Side, follower: Follower) => void} onPaint  something came; called by the painter
 * @property {(side: Side, follower: Follower) => void} onState
 * @property {(side: Side) => void} onResume  after a cut
 * @property {() => void} onEnd  both sides are done
 */

export class Run {
  /** @type {Record<Side, SideRecord>} */
  records;
  /** @type {Record<Side, Meter>} */
  #meters = { live: new Meter(), poll: new Meter() };
  /** @type {Partial<Record<Side, Follower>>} */
  #followers = {};
  #order;
  #painter;
  #handlers;
  #clocks;
  #pair = new TaskPair();
  #hidden = new HiddenTime();
  #startedMs = performance.now();
  /** @type {number | null} */
  #endedMs = null;
  /** By its user. */
  stopped = false;

  /**
   * @param {Order} order
   * @param {import("../hub/painter.js").Painter} painter
   * @param {Clocks} clocks  which were set already, if the services answer
   * @param {Handlers} handlers
   */
  constructor(order, painter, clocks, handlers) {
    this.#clocks = clocks;
    this.#order = order;
    this.#painter = painter;
    this.#handlers = handlers;
    const { keywords } = order.parameters;
    this.records = { live: new SideRecord(keywords), poll: new SideRecord(keywords) };
    this.requests = new RequestLog(() => this.elapsedMs);
  }

  /** Since the start; it stands still at the end. */
  get elapsedMs() {
    return (this.#endedMs ?? performance.now()) - this.#startedMs;
  }

  get ended() {
    return this.#endedMs !== null;
  }

  get parameters() {
    return this.#order.parameters;
  }

  /** Whether its clients have begun to follow. */
  get begun() {
    return this.#followers.live !== undefined;
  }

  /** Submit and follow, unless it is stopped meanwhile. Throws Problem, and then nothing runs. */
  async start() {
    const { parameters, source } = this.#order;
    const { keywords, paceMs, seed } = parameters;
    this.#clocks.start();
    try {
      await this.#pair.submit("document_analysis", { source, keywords, pace_ms: paceMs, seed });
    } catch (error) {
      if (!this.ended) this.#end();
      throw error;
    }
    if (this.ended) return;
    this.#hidden.start();
    for (const side of SIDES) this.#follow(side, this.#pair.tasks[side][0] ?? "");
    for (const side of SIDES) this.#followers[side]?.start();
  }

  /**
   * Follow no longer, and have the tasks cancelled, those included that are only being submitted.
   *
   * @returns {Promise<string | null>}  a sentence about tasks that could not be cancelled
   */
  async stop() {
    if (this.ended) return null;
    this.stopped = true;
    this.#end();
    return this.#pair.cancel();
  }

  /**
   * @param {Side} side
   * @param {number} ms
   */
  cut(side, ms) {
    const follower = this.#followers[side];
    if (!follower || follower.done || this.ended) return;
    this.records[side].cut(this.elapsedMs);
    follower.cut(ms);
    this.#painter.request(follower);
  }

  /** @param {Side} side */
  follower(side) {
    return this.#followers[side];
  }

  /** The time of a side's server, Unix ms. @param {Side} side */
  serverNowMs(side) {
    return this.#clocks[side].now();
  }

  /** @returns {Record<Side, SideFigures>} */
  figures() {
    return { live: this.#figuresOf("live"), poll: this.#figuresOf("poll") };
  }

  /** Whether the ages of both sides can be compared: a browser slows the polls of a page that is hidden. */
  get agesCount() {
    return this.#hidden.ms === 0;
  }

  /** What its figures do not mean. @returns {string[]} */
  notes() {
    const hidden = hiddenNote(this.#hidden.ms);
    return [...(hidden ? [hidden] : []), ...lossNotes(SIDES.flatMap((side) => this.#followers[side] ?? []))];
  }

  /** @returns {Record<Side, Ending>} */
  endings() {
    return { live: this.#endingOf("live"), poll: this.#endingOf("poll") };
  }

  /**
   * @param {Side} side
   * @param {string} taskId
   */
  #follow(side, taskId) {
    const { strategy, intervalMs } = this.#order.parameters;
    const follower = new Follower({
      side,
      taskId,
      strategy,
      intervalMs,
      painter: this.#painter,
      meter: this.#meters[side],
      clock: this.#clocks[side],
      fetch: (url, init) => this.requests.fetch(url, init),
      render: (one, news) => this.#render(side, one, news),
      onShown: () => this.#check(),
      onState: (one) => this.#stateChanged(side, one),
    });
    this.#followers[side] = follower;
    if (side === "poll") {
      const counters = () => /** @type {import("../lib/status-poll.js").PollCounters} */ (follower.counters);
      this.requests.watch(counters);
    }
  }

  /**
   * @param {Side} side
   * @param {Follower} follower
   * @param {import("../lib/frames.js").TaskEvent[]} news
   */
  #render(side, follower, news) {
    if (this.ended) return;
    const serverNowMs = this.serverNowMs(side);
    this.records[side].take(follower.view, news, this.elapsedMs, (ts) => serverNowMs - ts);
    this.#handlers.onPaint(side, follower);
  }

  /**
   * @param {Side} side
   * @param {Follower} follower
   */
  #stateChanged(side, follower) {
    if (this.ended) return;
    if (follower.state === "live" && this.records[side].resumed(this.elapsedMs)) this.#handlers.onResume(side);
    this.#handlers.onState(side, follower);
    if (follower.done) this.#painter.request(follower);
  }

  /** Once all is shown, and its ages are noted. */
  #check() {
    if (this.ended || !SIDES.every((side) => this.#followers[side]?.settled)) return;
    this.#end();
    this.requests.settle();
    this.#handlers.onEnd();
  }

  #end() {
    this.#endedMs = performance.now();
    this.#hidden.stop();
    this.#clocks.stop();
    for (const side of SIDES) this.#followers[side]?.close();
  }

  /**
   * @param {Side} side
   * @returns {SideFigures}
   */
  #figuresOf(side) {
    const record = this.records[side];
    const follower = this.#followers[side];
    const ages = this.#meters[side].totals();
    return {
      matches: record.matches.length,
      ages,
      tooShort: ages.count === 0 && Boolean(follower?.view.result),
      traffic: follower?.traffic ?? { messages: 0, empty: 0, bytes: 0 },
      idle: record.idle,
      cuts: record.cuts.length,
    };
  }

  /**
   * @param {Side} side
   * @returns {Ending}
   */
  #endingOf(side) {
    const follower = this.#followers[side];
    const record = this.records[side];
    const name = SIDE_NAMES[side];
    let error = null;
    if (follower?.state === "failed")
      error = `${name}: ${sentence(follower.message)} Change what it objects to, or run again.`;
    else if (follower?.view.error)
      error = `${name}: the task failed: ${sentence(follower.view.error.message)} Run again.`;
    else if (follower?.view.state === "cancelled") error = `${name}: the task was cancelled. Run again for a result.`;
    return { matches: record.matches, result: follower?.view.result ?? null, error, cuts: record.cuts.length };
  }
}
