/** One run: the same search on both sides, started together, followed until both have ended. */

import { Follower } from "../hub/follower.js";
import { LoadMonitor } from "../hub/load.js";
import { Meter } from "../hub/meter.js";
import { API, BASELINE, cancelTask, Problem, request, submitTask } from "../hub/services.js";
import { RequestLog } from "./request-log.js";
import { SideRecord } from "./side-record.js";

/** @typedef {import("../hub/follower.js").Side} Side */
/** @typedef {import("./form.js").Order} Order */
/** @typedef {import("./figures.js").SideFigures} SideFigures */
/** @typedef {import("./outcome.js").Ending} Ending */
/** @typedef {{ id: string, refusal: null } | { id: null, refusal: Problem }} Submitted */

/** @type {Side[]} */
export const SIDES = ["live", "poll"];

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
  #clocks = new LoadMonitor();
  #startedMs = performance.now();
  /** @type {number | null} */
  #endedMs = null;

  /**
   * @param {Order} order
   * @param {import("../hub/painter.js").Painter} painter
   * @param {Handlers} handlers
   */
  constructor(order, painter, handlers) {
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

  /** Submit to both sides and follow. Throws Problem, and then nothing runs. */
  async start() {
    const { parameters, source } = this.#order;
    const { keywords, paceMs, seed } = parameters;
    const params = { source, keywords, pace_ms: paceMs, seed };
    const [[live, poll]] = await Promise.all([submitToBoth(params), this.#clocks.start()]);
    if (this.ended || !live.id || !poll.id) {
      const refusal = this.ended ? null : (live.refusal ?? poll.refusal);
      this.#end();
      if (live.id) await attempt(cancelTask(live.id));
      if (poll.id) await attempt(cancelBaseline(poll.id));
      if (refusal) throw refusal;
      return;
    }
    this.#follow("live", live.id);
    this.#follow("poll", poll.id);
    for (const side of SIDES) this.#followers[side]?.start();
  }

  /** Cancel the tasks of both sides, and follow no longer. @returns {Promise<string[]>} what went wrong */
  async stop() {
    if (this.ended) return [];
    const { live, poll } = this.#followers;
    this.#end();
    for (const follower of [live, poll]) follower?.close();
    const cancels = [
      live && !live.view.ended && cancelTask(live.taskId),
      poll && !poll.view.ended && cancelBaseline(poll.taskId),
    ];
    const problems = await Promise.all(cancels.map((cancel) => (cancel ? attempt(cancel) : "")));
    return problems.filter((problem) => problem !== "");
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
    return this.#clocks.clocks[side].now();
  }

  /** @returns {Record<Side, SideFigures>} */
  figures() {
    return { live: this.#figuresOf("live"), poll: this.#figuresOf("poll") };
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
      clock: this.#clocks.clocks[side],
      fetch: (url, init) => this.requests.fetch(url, init),
      render: (one, news) => this.#render(side, one, news),
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
    const all = SIDES.map((one) => this.#followers[one]);
    // the age of what is rendered now is noted right after it
    if (all.every((one) => one?.settled)) queueMicrotask(() => this.#finish());
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

  #finish() {
    if (this.ended) return;
    this.#end();
    this.requests.settle();
    this.#handlers.onEnd();
  }

  #end() {
    this.#endedMs = performance.now();
    this.#clocks.stop();
  }

  /**
   * @param {Side} side
   * @returns {SideFigures}
   */
  #figuresOf(side) {
    const record = this.records[side];
    return {
      matches: record.matches.length,
      ages: this.#meters[side].totals(),
      traffic: this.#followers[side]?.traffic ?? { messages: 0, empty: 0, bytes: 0 },
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
    const name = side === "live" ? "Event-driven" : "Polling";
    let error = null;
    if (follower?.state === "failed")
      error = `${name}: ${sentence(follower.message)} Change what it objects to, or run again.`;
    else if (follower?.view.error)
      error = `${name}: the task failed: ${sentence(follower.view.error.message)} Run again.`;
    else if (follower?.view.state === "cancelled") error = `${name}: the task was cancelled. Run again for a result.`;
    return { matches: record.matches, result: follower?.view.result ?? null, error, cuts: record.cuts.length };
  }
}

/**
 * @param {Record<string, unknown>} params
 * @returns {Promise<[Submitted, Submitted]>}
 */
function submitToBoth(params) {
  const submit = async (/** @type {string} */ base) => {
    try {
      const { id } = await submitTask(base, "document_analysis", params);
      return { id, refusal: null };
    } catch (error) {
      return { id: null, refusal: asProblem(error) };
    }
  };
  return Promise.all([submit(API), submit(BASELINE)]);
}

/** @param {string} taskId */
function cancelBaseline(taskId) {
  return request(`${BASELINE}/tasks/${encodeURIComponent(taskId)}/cancel`, { method: "POST" });
}

/**
 * What went wrong in cancelling a task, or nothing: one that has ended meanwhile needs no cancel.
 *
 * @param {Promise<unknown>} cancel
 * @returns {Promise<string>}
 */
async function attempt(cancel) {
  try {
    await cancel;
    return "";
  } catch (error) {
    const problem = asProblem(error);
    return problem.status === 409 ? "" : problem.message;
  }
}

/** @param {unknown} error */
function asProblem(error) {
  return error instanceof Problem ? error : new Problem(String(error));
}

/** @param {string} text */
function sentence(text) {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
