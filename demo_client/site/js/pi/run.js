/** One run: the same tasks on both sides, followed by as many clients on each, until all have seen the end. */

import { Follower } from "../hub/follower.js";
import { HiddenTime } from "../hub/hidden-time.js";
import { Meter } from "../hub/meter.js";
import { TaskPair } from "../hub/pair.js";
import { SIDES } from "../hub/words.js";
import { LEAST_MS, Sampler, trafficOf } from "./sampler.js";

const SAMPLE_MS = 1_000;

/** @typedef {import("../hub/follower.js").Side} Side */
/** @typedef {import("./client-view.js").ClientView} ClientView */
/** @typedef {Record<Side, ClientView[]>} Views */
/** @typedef {import("./parameters.js").Parameters} Parameters */
/**
 * @typedef {object} RunOptions
 * @property {Parameters} parameters
 * @property {Views} views  as many of each side as there are clients
 * @property {import("../hub/painter.js").Painter} painter
 * @property {import("../hub/load.js").LoadMonitor} load
 * @property {(sample: import("./sampler.js").Sample) => void} onSample  once a second, and at the end
 * @property {() => void} onDone  every client has seen the end, or was refused for good
 */

export class Run {
  meters = { live: new Meter(), poll: new Meter() };
  /** @type {Record<Side, Follower[]>} */
  followers = { live: [], poll: [] };
  /** When its clients began to follow; 0 before. */
  startedMs = 0;
  /** Of the end, or of the stop; 0 before. */
  endedMs = 0;
  #options;
  #pair = new TaskPair();
  #hidden = new HiddenTime();
  /** @type {Sampler | null} */
  #sampler = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #sampledMs = 0;
  /** When all clients of a side were done; 0 before. */
  #settledMs = { live: 0, poll: 0 };

  /** @param {RunOptions} options */
  constructor(options) {
    this.#options = options;
    this.parameters = options.parameters;
  }

  /**
   * Submit and follow, unless it is stopped meanwhile. Throws Problem when a side refuses or is away; what was accepted
   * is then cancelled.
   */
  async start() {
    await this.#options.load.mark();
    if (this.ended) return;
    await this.#submit();
    if (this.ended) return;
    this.startedMs = this.#sampledMs = performance.now();
    this.#hidden.start();
    for (const side of SIDES) this.#follow(side);
    this.#sampler = new Sampler(this.meters, this.followers, this.#options.load, this.startedMs);
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    for (const follower of this.all) follower.start();
  }

  /**
   * Follow no longer, and have the tasks cancelled, those included that are only being submitted.
   *
   * @returns {Promise<string | null>}  a sentence about tasks that could not be cancelled
   */
  async stop() {
    if (this.ended) return null;
    this.#end();
    return this.#pair.cancel();
  }

  get begun() {
    return this.startedMs > 0;
  }

  get ended() {
    return this.endedMs > 0;
  }

  /** For how long the page was hidden during it. */
  get hiddenMs() {
    return this.#hidden.ms;
  }

  get all() {
    return [...this.followers.live, ...this.followers.poll];
  }

  /** In ms. */
  get duration() {
    return (this.endedMs || performance.now()) - this.startedMs;
  }

  /**
   * For how long the clients of a side have followed, in ms: the other side may take longer.
   *
   * @param {Side} side
   */
  followedMs(side) {
    return (this.#settledMs[side] || this.endedMs || performance.now()) - this.startedMs;
  }

  /** What it was over too soon for. @returns {import("./figures.js").TooShort} */
  get tooShort() {
    const rates = this.duration < LEAST_MS;
    return { rates, ages: rates || this.all.every(({ view }) => view.result !== null) };
  }

  /** @param {Side} side */
  traffic(side) {
    return trafficOf(this.followers[side]);
  }

  #submit() {
    const { digits, paceMs, clients, tasks } = this.parameters;
    const params = { digits, pace_ms: paceMs, seed: crypto.getRandomValues(new Uint32Array(1))[0] };
    return this.#pair.submit("compute_pi", params, tasks === "each" ? clients : 1);
  }

  /** @param {Side} side */
  #follow(side) {
    const { views, painter, load } = this.#options;
    const { strategy, intervalMs } = this.parameters;
    const ids = this.#pair.tasks[side];
    this.followers[side] = views[side].map((view, at) => {
      const follower = new Follower({
        side,
        taskId: ids[at % ids.length] ?? "",
        strategy,
        intervalMs,
        painter,
        meter: this.meters[side],
        clock: load.clocks[side],
        render: (one, news) => view.show(one, news),
        onShown: () => this.#check(),
        onState: (one) => painter.request(one),
        onReset: () => view.continuity.reset(),
      });
      view.attach(follower);
      return follower;
    });
  }

  #check() {
    if (!this.begun || this.ended) return;
    for (const side of SIDES) {
      if (this.followers[side].every((follower) => follower.settled)) this.#settledMs[side] ||= performance.now();
    }
    if (!this.#settledMs.live || !this.#settledMs.poll) return;
    this.#end();
    this.#options.onDone();
  }

  #sample() {
    const sample = this.#sampler?.take(performance.now());
    if (sample) this.#options.onSample(sample);
    this.#sampledMs = performance.now();
  }

  #end() {
    this.endedMs = performance.now();
    this.#hidden.stop();
    clearInterval(this.#timer);
    if (this.#sampler && this.endedMs - this.#sampledMs >= LEAST_MS) this.#sample();
    for (const follower of this.all) follower.close();
  }
}
