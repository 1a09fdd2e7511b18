/** One run: the same tasks on both sides, followed by as many clients on each, until all have seen the end. */

import { Follower } from "../hub/follower.js";
import { Meter } from "../hub/meter.js";
import { API, BASELINE, cancelTask, request, submitTask } from "../hub/services.js";
import { Sampler, trafficOf } from "./sampler.js";

const SAMPLE_MS = 1_000;
/** A last sample of a shorter time would show rates that nobody had. */
const LEAST_SAMPLE_MS = 300;
const SIDES = /** @type {const} */ (["live", "poll"]);
const BASES = { live: API, poll: BASELINE };

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
 * @property {(sample: import("./sampler.js").Sample) => void} onSample  once a second
 * @property {() => void} onDone  every client has seen the end, or was refused for good
 */

export class Run {
  meters = { live: new Meter(), poll: new Meter() };
  /** @type {Record<Side, Follower[]>} */
  followers = { live: [], poll: [] };
  /** Ids. @type {Record<Side, string[]>} */
  tasks = { live: [], poll: [] };
  startedMs = 0;
  /** Of the end, or of the stop; 0 before. */
  endedMs = 0;
  #options;
  /** @type {Sampler | null} */
  #sampler = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #sampledMs = 0;
  #begun = false;

  /** @param {RunOptions} options */
  constructor(options) {
    this.#options = options;
    this.parameters = options.parameters;
  }

  /** Submit and follow. Throws Problem when a side refuses or is away; what was accepted is then cancelled. */
  async start() {
    await this.#options.load.mark();
    await this.#submit();
    this.startedMs = performance.now();
    for (const side of SIDES) this.#follow(side);
    this.#begun = true;
    this.#sampler = new Sampler(this.meters, this.followers, this.#options.load, this.startedMs);
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    for (const follower of this.all) follower.start();
  }

  /**
   * Follow no longer, and have the tasks cancelled.
   *
   * @returns {Promise<number>}  tasks that could not be cancelled
   */
  async stop() {
    if (this.endedMs) return 0;
    this.#end();
    for (const follower of this.all) follower.close();
    return this.#cancelAll();
  }

  get all() {
    return [...this.followers.live, ...this.followers.poll];
  }

  /** In ms. */
  get duration() {
    return (this.endedMs || performance.now()) - this.startedMs;
  }

  /** @param {Side} side */
  traffic(side) {
    return trafficOf(this.followers[side]);
  }

  async #submit() {
    const { digits, paceMs, clients, tasks } = this.parameters;
    const params = { digits, pace_ms: paceMs, seed: crypto.getRandomValues(new Uint32Array(1))[0] };
    const each = tasks === "each" ? clients : 1;
    // by turns, so that neither side begins with all of its tasks
    const sides = Array.from({ length: each }, () => SIDES).flat();
    const answers = await Promise.allSettled(sides.map((side) => submitTask(BASES[side], "compute_pi", params)));
    for (const [at, answer] of answers.entries()) {
      const side = sides[at];
      if (side && answer.status === "fulfilled") this.tasks[side].push(answer.value.id);
    }
    const refused = answers.find((answer) => answer.status === "rejected");
    if (!refused) return;
    await this.#cancelAll();
    throw refused.reason;
  }

  /** @param {Side} side */
  #follow(side) {
    const { views, painter, load } = this.#options;
    const { strategy, intervalMs } = this.parameters;
    const ids = this.tasks[side];
    this.followers[side] = views[side].map((view, at) => {
      const follower = new Follower({
        side,
        taskId: ids[at % ids.length] ?? "",
        strategy,
        intervalMs,
        painter,
        meter: this.meters[side],
        clock: load.clocks[side],
        render: (one, news) => {
          view.show(one, news);
          this.#check();
        },
        onState: (one) => painter.request(one),
        onReset: () => view.continuity.reset(),
      });
      view.attach(follower);
      return follower;
    });
  }

  #check() {
    if (!this.#begun || this.endedMs || !this.all.every((follower) => follower.settled)) return;
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
    clearInterval(this.#timer);
    if (this.endedMs - this.#sampledMs >= LEAST_SAMPLE_MS) this.#sample();
  }

  async #cancelAll() {
    const cancel = (/** @type {string} */ id) => request(`${BASELINE}/tasks/${id}/cancel`, { method: "POST" });
    const answers = await Promise.allSettled([...this.tasks.live.map(cancelTask), ...this.tasks.poll.map(cancel)]);
    // 409: it had ended by itself
    return answers.filter((answer) => answer.status === "rejected" && answer.reason?.status !== 409).length;
  }
}
