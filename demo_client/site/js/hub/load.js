/**
 * What the servers of both sides use: CPU of whole processes, as the operating system counts it and the services tell
 * it under /stats. The same answers tell how far the page's clock is from the server's.
 */

import { ServerClock } from "../lib/clock.js";
import { API, BASELINE, request } from "./services.js";

const EVERY_MS = 1_000;
const TIMEOUT_MS = 3_000;

/** @typedef {{ cpuS: number, atMs: number, rate: number }} Reading  rate: ms of CPU a second, until this reading */
/** @typedef {{ api: number, worker: number, store: number }} Cpu  ms of CPU in a second of time; store: Redis */
/** @typedef {Record<"live" | "poll", Cpu>} BothCpu */

export class LoadMonitor {
  clocks = { live: new ServerClock(), poll: new ServerClock() };
  /** The newest rates; NaN while unknown. @type {BothCpu} */
  rates = { live: unknown(), poll: unknown() };
  /** ms of CPU since `mark()`. @type {BothCpu} */
  used = { live: none(), poll: none() };
  /** Bytes of memory that the processes of a side take. */
  memory = { live: Number.NaN, poll: Number.NaN };
  /** @type {Map<string, Reading>} */
  #last = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #running = false;

  /** @param {() => void} onReading  called after each reading, about once a second */
  constructor(onReading = () => {}) {
    this.onReading = onReading;
  }

  /** Begin to read; resolves once both services were asked for the first time. */
  async start() {
    if (this.#running) return;
    this.#running = true;
    await this.#read();
    this.#again();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Count what is used from now on; resolves when the reading that it counts from is there. */
  async mark() {
    await this.#read();
    this.used = { live: none(), poll: none() };
  }

  /** Read now, beside the regular readings: at the end of a run. */
  async settle() {
    await this.#read();
  }

  #again() {
    this.#timer = setTimeout(async () => {
      await this.#read();
      if (this.#running) this.#again();
    }, EVERY_MS);
  }

  async #read() {
    await Promise.all([this.#readLive(), this.#readPoll()]);
    this.onReading();
  }

  async #readLive() {
    const stats = await this.#ask("live", API);
    if (!stats) return;
    const { processes = [], redis = null } = stats;
    this.#note("live", "api", processes.filter((/** @type {any} */ one) => one.role === "api"));
    this.#note("live", "worker", processes.filter((/** @type {any} */ one) => one.role === "worker"));
    this.#note("live", "store", redis ? [{ ...redis, name: "redis" }] : []);
    this.memory.live = sum([...processes, ...(redis ? [redis] : [])].map((one) => one.memory_bytes));
  }

  async #readPoll() {
    const stats = await this.#ask("poll", BASELINE);
    if (!stats) return;
    const { worker } = stats;
    this.#note("poll", "api", [{ name: "api", cpu_s: stats.cpu_s, at_ms: stats.now_ms }]);
    this.#note("poll", "worker", worker.count ? [{ name: "worker", cpu_s: worker.cpu_s, at_ms: worker.at_ms }] : []);
    this.rates.poll.store = 0; // SQLite is a part of both processes
    this.memory.poll = stats.memory_bytes + worker.memory_bytes;
  }

  /**
   * @param {"live" | "poll"} side
   * @param {string} base
   * @returns {Promise<any>}
   */
  async #ask(side, base) {
    const sent = this.clocks[side].pageNow();
    try {
      const stats = await request(`${base}/stats`, { timeoutMs: TIMEOUT_MS });
      this.clocks[side].sample(sent, stats.now_ms, this.clocks[side].pageNow());
      return stats;
    } catch {
      this.rates[side] = unknown(); // the light in the header tells why
      return null;
    }
  }

  /**
   * The CPU of the processes of one part since they were last told of.
   *
   * A process that is new, or was started again (its counter went back), counts from its next reading on.
   *
   * @param {"live" | "poll"} side
   * @param {keyof Cpu} part
   * @param {{ name: string, cpu_s: number, at_ms: number }[]} processes
   */
  #note(side, part, processes) {
    let rate = Number.NaN;
    for (const { name, cpu_s: cpuS, at_ms: atMs } of processes) {
      const key = `${side} ${part} ${name}`;
      const before = this.#last.get(key);
      const reading = { cpuS, atMs, rate: before && atMs <= before.atMs ? before.rate : Number.NaN };
      if (before && atMs > before.atMs && cpuS >= before.cpuS) {
        const usedMs = (cpuS - before.cpuS) * 1000;
        this.used[side][part] += usedMs;
        reading.rate = (usedMs / (atMs - before.atMs)) * 1000;
      }
      this.#last.set(key, reading);
      if (!Number.isNaN(reading.rate)) rate = (Number.isNaN(rate) ? 0 : rate) + reading.rate;
    }
    this.rates[side][part] = rate;
  }
}

/** @param {Cpu} cpu  @returns {number} of all parts that are known */
export function total(cpu) {
  return sum([cpu.api, cpu.worker, cpu.store].filter((part) => !Number.isNaN(part)));
}

/** @param {number[]} values */
function sum(values) {
  return values.reduce((all, one) => all + one, 0);
}

/** @returns {Cpu} */
function unknown() {
  return { api: Number.NaN, worker: Number.NaN, store: Number.NaN };
}

/** @returns {Cpu} */
function none() {
  return { api: 0, worker: 0, store: 0 };
}
