/**
 * What the servers of both sides use: CPU of whole processes, as the operating system counts it and the services tell
 * it under /stats. The same answers tell how far the page's clock is from the server's.
 */

import { ServerClock } from "../lib/clock.js";
import { API, BASELINE, request } from "./services.js";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 3_000;
/** The workers tell of themselves once a second, and are read as often: what they had used at a moment is known by then. */
const SETTLED_WITHIN_MS = 5_000;
const SETTLE_STEP_MS = 200;
/** Questions for the time alone, which take a fraction of /stats: the shortest round trip is what the clock goes by. */
const CLOCK_PROBES = 5;
/** Readings from one round of them to the next: a sample counts for a minute. */
const PROBE_EVERY = 20;

/** @typedef {{ cpuS: number, atMs: number, rate: number }} Reading  rate: ms of CPU a second, until this reading */
/** @typedef {{ api: number, worker: number, store: number }} Cpu  ms of CPU in a second of time; store: Redis */
/** @typedef {Record<"live" | "poll", Cpu>} BothCpu */
/** @typedef {{ name: string, cpu_s: number, at_ms: number }} Told  of one process, since its start */

export class LoadMonitor {
  clocks = { live: new ServerClock(), poll: new ServerClock() };
  /** The newest rates; NaN while unknown. @type {BothCpu} */
  rates = { live: unknown(), poll: unknown() };
  /** ms of CPU since `mark()`, from one reading of a process to another; NaN while there are none. @type {BothCpu} */
  used = { live: unknown(), poll: unknown() };
  /** Bytes of memory that the processes of a side take. */
  memory = { live: Number.NaN, poll: Number.NaN };
  /** @type {Map<string, Reading>} */
  #last = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #running = false;
  #readings = 0;

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

  /** Count what is used from now on; resolves when the reading that it counts from is there. */
  async mark() {
    await this.#read();
    this.used = { live: unknown(), poll: unknown() };
  }

  /**
   * Read, beside the regular readings, until `used` has everything that was used before this call: at the end of a run.
   *
   * @returns {Promise<boolean>}  whether it has; false when a process has not told within 5 s
   */
  async settle() {
    const ends = { live: this.clocks.live.now(), poll: this.clocks.poll.now() };
    const limit = performance.now() + SETTLED_WITHIN_MS;
    for (;;) {
      await this.#read();
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

  async #read() {
    if (this.#readings++ % PROBE_EVERY === 0) await this.#probe();
    await Promise.all([this.#readLive(), this.#readPoll()]);
    this.onReading();
  }

  /** One after another: two at once would wait for each other. */
  async #probe() {
    for (let round = 0; round < CLOCK_PROBES; round += 1) {
      await this.#ask("live", `${API}/livez`);
      await this.#ask("poll", `${BASELINE}/livez`);
    }
  }

  async #readLive() {
    const stats = await this.#ask("live", `${API}/stats`);
    if (!stats) return;
    /** @type {(Told & { role: string, memory_bytes: number })[]} */
    const processes = stats.processes ?? [];
    const redis = stats.redis ?? null;
    this.#note(
      "live",
      "api",
      processes.filter(({ role }) => role === "api"),
    );
    this.#note(
      "live",
      "worker",
      processes.filter(({ role }) => role === "worker"),
    );
    this.#note("live", "store", redis ? [{ ...redis, name: "redis" }] : []);
    this.memory.live = sum([...processes, ...(redis ? [redis] : [])].map((one) => one.memory_bytes));
  }

  async #readPoll() {
    const stats = await this.#ask("poll", `${BASELINE}/stats`);
    if (!stats) return;
    const { worker } = stats;
    this.#note("poll", "api", [{ name: "api", cpu_s: stats.cpu_s, at_ms: stats.now_ms }]);
    this.#note("poll", "worker", worker.count ? [{ name: "worker", cpu_s: worker.cpu_s, at_ms: worker.at_ms }] : []);
    this.rates.poll.store = this.used.poll.store = 0; // SQLite is a part of both processes
    this.memory.poll = stats.memory_bytes + worker.memory_bytes;
  }

  /**
   * An answer with `now_ms`, which sets the clock; null when there is none.
   *
   * @param {"live" | "poll"} side
   * @param {string} url
   * @returns {Promise<any>}
   */
  async #ask(side, url) {
    const sent = pageNow();
    try {
      const answer = await request(url, { timeoutMs: TIMEOUT_MS });
      this.clocks[side].sample(sent, answer.now_ms, pageNow());
      return answer;
    } catch {
      this.rates[side] = unknown(); // the light in the header tells why
      return null;
    }
  }

  /**
   * The CPU of the processes of one part since they were last told of.
   *
   * A process that is new, or was started again (its counter went back), counts from its next reading on. Of two answers
   * that overtook each other the older one is dropped.
   *
   * @param {"live" | "poll"} side
   * @param {keyof Cpu} part
   * @param {Told[]} processes
   */
  #note(side, part, processes) {
    let rate = Number.NaN;
    for (const { name, cpu_s: cpuS, at_ms: atMs } of processes) {
      const key = `${side} ${part} ${name}`;
      let reading = this.#last.get(key);
      if (!reading || atMs > reading.atMs) {
        const usedMs = reading && cpuS >= reading.cpuS ? (cpuS - reading.cpuS) * 1000 : Number.NaN;
        this.used[side][part] = plus(this.used[side][part], usedMs);
        reading = { cpuS, atMs, rate: reading ? (usedMs / (atMs - reading.atMs)) * 1000 : Number.NaN };
        this.#last.set(key, reading);
      }
      rate = plus(rate, reading.rate);
    }
    this.rates[side][part] = rate;
  }

  /**
   * Whether every process of a side that still tells of itself was read after `atMs` of the server's clock.
   *
   * @param {"live" | "poll"} side
   * @param {number} atMs
   */
  #readPast(side, atMs) {
    const readings = [...this.#last].filter(([key]) => key.startsWith(`${side} `)).map(([, reading]) => reading);
    const known = readings.filter((reading) => atMs - reading.atMs < SETTLED_WITHIN_MS);
    return known.length > 0 && known.every((reading) => reading.atMs >= atMs);
  }
}

/** @param {Cpu} cpu  @returns {number} of all parts that are known; NaN when none is */
export function total(cpu) {
  return plus(plus(cpu.api, cpu.worker), cpu.store);
}

/** Unix ms of the page's clock, as ServerClock takes them. */
function pageNow() {
  return performance.timeOrigin + performance.now();
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

/** @param {number[]} values */
function sum(values) {
  return values.reduce((all, one) => all + one, 0);
}

/** @returns {Cpu} */
function unknown() {
  return { api: Number.NaN, worker: Number.NaN, store: Number.NaN };
}
