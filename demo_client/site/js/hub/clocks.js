/** The clocks of both services, as this page knows them: set by the cheapest of their answers. */

import { ServerClock } from "../lib/clock.js";
import { API, BASELINE, request } from "./services.js";

const TIMEOUT_MS = 3_000;
/** Questions for the time alone: the shortest round trip is what a clock goes by. */
const PROBES = 5;
/** A sample counts for a minute. */
const EVERY_MS = 20_000;

/** @typedef {import("./words.js").Side} Side */

export class Clocks {
  live = new ServerClock();
  poll = new ServerClock();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #running = false;

  /** Set the clocks now and every 20 s, beside everything else. */
  start() {
    if (this.#running) return;
    this.#running = true;
    void this.#again();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** One question after another: two at once would wait for each other. */
  async probe() {
    for (let round = 0; round < PROBES; round += 1) {
      await this.ask("live", `${API}/livez`);
      await this.ask("poll", `${BASELINE}/livez`);
    }
  }

  /**
   * An answer with `now_ms`, which sets the clock; null when there is none: the light in the header tells why.
   *
   * @param {Side} side
   * @param {string} url
   * @returns {Promise<any>}
   */
  async ask(side, url) {
    const sent = pageNow();
    try {
      const answer = await request(url, { timeoutMs: TIMEOUT_MS });
      this[side].sample(sent, answer.now_ms, pageNow());
      return answer;
    } catch {
      return null;
    }
  }

  async #again() {
    await this.probe();
    // of two that were begun in turn, the stopped one may end here: there is one timer nevertheless
    clearTimeout(this.#timer);
    if (this.#running) this.#timer = setTimeout(() => void this.#again(), EVERY_MS);
  }
}

/** Unix ms of the page's clock, as ServerClock takes them. */
function pageNow() {
  return performance.timeOrigin + performance.now();
}
