/**
 * What the servers of both sides use: CPU of whole processes, as the operating system counts it and the services tell
 * it under /stats. The same answers tell how far the page's clock is from the server's.
 */

import { Clocks } from "./clocks.js";
import { API, BASELINE } from "./services.js";

const EVERY_MS = 1_000;
/** The workers tell of themselves once a second, and are read as often: what they had used at a moment is known by then. */
const SETTLED_WITHIN_MS = 5_000;
const SETTLE_STEP_MS = 200;
/** Readings from one probe of the clocks to the next. */
const PROBE_EVERY = 20;
/** A process that was killed stays listed for some seconds, with its last reading: a rate counts while it is this young. */
const FRESH_MS = 2_500;
/** Answers overtake each other by less; a reading that is older by more comes of a clock that was set back. */
const SET_BACK_MS = 15_000;

/** @typedef {{ cpuS: number, atMs: number, rate: number }} Reading  rate: ms of CPU a second, until this reading */
/** @typedef {{ api: number, worker: number, store: number }} Cpu  ms of CPU in a second of time; store: Redis */
/** @typedef {Record<import("./words.js").Side, Cpu>} BothCpu */
/** @typedef {{ name: string, cpu_s: number, at_ms: number }} Told  of one process, since its start */

export class LoadMonitor {
  clocks = new Clocks();
  /** The newest rates; NaN while unknown. @type {BothCpu} */
  rates = { live: unknown(), poll: unknown() };
  /** ms of CPU since `mark()`, from one reading of a process to another; NaN while there are none. @type {BothCpu} */
  used = { live: unknown(), poll: unknown() };
  /** @type {Map<string, Reading>} */
  #last = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #running = false;
  #readings = 0;
  /** Of the servers' clocks, Unix ms: what is used after a reading past it is not counted. */
  #ends = never();

  /** @param {() => void} onReading  called after each reading, about once a second */
  constructor(onReading = () => {}) {
    this.onReading = onReading;
  }

  /** Begin to read; resolves once both services were asked for the first time. */
  async start() {
    if (this.#running) return;
    this.#running = true;
    await this.#read();
    if (this.#running) this.#again();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Count what is used from now on; resolves when the reading that it counts from is there. Rates begin anew too. */
  async mark() {
    await this.#readBoth();
    this.used = { live: unknown(), poll: unknown() };
    this.rates = { live: unknown(), poll: unknown() };
    for (const reading of this.#last.values()) reading.rate = Number.NaN;
    this.#ends = never();
  }

  /**
   * Read, beside the regular readings, until `used` has everything that was used before this call: at the end of a run.
   * Of each process it counts up to the first reading after it, and no further.
   *
   * @returns {Promise<boolean>}  whether it has; false when a process has not told within 5 s
   */
  async settle() {
    const ends = { live: this.clocks.live.now(), poll: this.clocks.poll.now() };
    this.#ends = ends;
    const limit = performance.now() + SETTLED_WITHIN_MS;
    for (;;) {
      await this.#readBoth();
      const settled = this.#readPast("live", ends.live) && this.#readPast("poll", ends.poll);
      if (settled || performance.now() > limit) return settled;
      await new Promise((resolve) => setTimeout(resolve, SETTLE_STEP_MS));
    }
  }

  #again() {
    this.#timer = setTimeout(async () => {
      await this.#read();
      if (this.#running) this.#again();
    }, EVERY_MS);
  }

  /** What a run waits for reads without a probe. */
  async #read() {
    if (this.#readings++ % PROBE_EVERY === 0) await this.clocks.probe();
    await this.#readBoth();
  }

  async #readBoth() {
    await Promise.all([this.#readLive(), this.#readPoll()]);
    this.onReading();
  }

  async #readLive() {
    const stats = await this.#ask("live", `${API}/stats`);
    if (!stats) return;
    const { missing } = stats; // what is left of the processes, or of the servers of Redis, would pass for all of them
    /** @type {(Told & { role: string })[]} */
    const processes = missing.reports ? [] : stats.processes;
    const of = (/** @type {string} */ wanted) => processes.filter(({ role }) => role === wanted);
    this.#note("live", "api", of("api"), stats.now_ms);
    this.#note("live", "worker", of("worker"), stats.now_ms);
    this.#note("live", "store", missing.redis_nodes ? [] : stats.redis_nodes, stats.now_ms);
  }

  async #readPoll() {
    const stats = await this.#ask("poll", `${BASELINE}/stats`);
    if (!stats) return;
    const { worker, now_ms: nowMs } = stats;
    this.#note("poll", "api", [{ name: "api", cpu_s: stats.cpu_s, at_ms: nowMs }], nowMs);
    this.#note("poll", "worker", worker.count ? [{ ...worker, name: "worker" }] : [], nowMs);
    this.rates.poll.store = this.used.poll.store = 0; // SQLite is a part of both processes
  }

  /**
   * @param {import("./words.js").Side} side
   * @param {string} url
   */
  async #ask(side, url) {
    const answer = await this.clocks.ask(side, url);
    if (!answer) this.rates[side] = unknown();
    return answer;
  }

  /**
   * The CPU of the processes of one part since they were last told of.
   *
   * A process that is new, or was started again (its counter went back), counts from its next reading on. Of two answers
   * that overtook each other the older one is dropped.
   *
   * @param {import("./words.js").Side} side
   * @param {keyof Cpu} part
   * @param {Told[]} processes
   * @param {number} nowMs  of the answer that tells of them
   */
  #note(side, part, processes, nowMs) {
    let rate = Number.NaN;
    for (const told of processes) {
      const reading = this.#reading(side, part, told);
      if (nowMs - reading.atMs < FRESH_MS) rate = plus(rate, reading.rate);
    }
    this.rates[side][part] = rate;
  }

  /**
   * @param {import("./words.js").Side} side
   * @param {keyof Cpu} part
   * @param {Told} told
   * @returns {Reading}  the newest of the process
   */
  #reading(side, part, { name, cpu_s: cpuS, at_ms: atMs }) {
    const key = `${side} ${part} ${name}`;
    const known = this.#last.get(key);
    const spanMs = known ? atMs - known.atMs : Number.NaN;
    if (known && spanMs <= 0 && spanMs > -SET_BACK_MS) return known;
    const usedMs = known && cpuS >= known.cpuS ? (cpuS - known.cpuS) * 1000 : Number.NaN;
    if (known && known.atMs < this.#ends[side]) this.used[side][part] = plus(this.used[side][part], usedMs);
    const reading = { cpuS, atMs, rate: spanMs > 0 ? (usedMs / spanMs) * 1000 : Number.NaN };
    this.#last.set(key, reading);
    return reading;
  }

  /**
   * Whether every process of a side that still tells of itself was read after `atMs` of the server's clock.
   *
   * @param {import("./words.js").Side} side
   * @param {number} atMs
   */
  #readPast(side, atMs) {
    const readings = [...this.#last].filter(([key]) => key.startsWith(`${side} `)).map(([, reading]) => reading);
    const known = readings.filter((reading) => atMs - reading.atMs < SETTLED_WITHIN_MS);
    return known.length > 0 && known.every((reading) => reading.atMs >= atMs);
  }
}

/**
 * Of all parts; NaN when one is not known: the rest would pass for the whole.
 *
 * @param {Cpu} cpu
 */
export function total({ api, worker, store }) {
  return api + worker + store;
}

/**
 * The sum of what is known of two numbers.
 *
 * @param {number} a
 * @param {number} b
 */
function plus(a, b) {
  if (Number.isNaN(a)) return b;
  return Number.isNaN(b) ? a : a + b;
}

function never() {
  return { live: Number.POSITIVE_INFINITY, poll: Number.POSITIVE_INFINITY };
}

/** @returns {Cpu} */
function unknown() {
  return { api: Number.NaN, worker: Number.NaN, store: Number.NaN };
}
