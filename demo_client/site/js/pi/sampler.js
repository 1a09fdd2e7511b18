/** What has happened on both sides since the last look: one point of each chart. */

import { total } from "../hub/load.js";

/** Over a shorter time nothing is told a second: one message more or less, and one reading of the CPU, would decide. */
export const LEAST_MS = 500;

/** @typedef {import("../hub/words.js").Side} Side */
/**
 * @typedef {object} SideSample
 * @property {number} ageMs  median of the updates since the last sample; NaN when there was none
 * @property {number} cpu  ms of CPU a second, of all processes of the side; NaN when unknown
 * @property {number} messages  a second
 * @property {number} bytes  received, a second
 */
/** @typedef {{ atS: number, live: SideSample, poll: SideSample }} Sample */
/** @typedef {{ readonly traffic: import("../hub/meter.js").Traffic }} Counted */

export class Sampler {
  #meters;
  #followers;
  #load;
  #startMs;
  #lastMs;
  #before = { live: nothing(), poll: nothing() };

  /**
   * @param {Record<Side, import("../hub/meter.js").Meter>} meters
   * @param {Record<Side, Counted[]>} followers
   * @param {{ readonly rates: import("../hub/load.js").BothCpu }} load
   * @param {number} startMs  of a clock that does not jump
   */
  constructor(meters, followers, load, startMs) {
    this.#meters = meters;
    this.#followers = followers;
    this.#load = load;
    this.#startMs = this.#lastMs = startMs;
  }

  /**
   * @param {number} nowMs
   * @returns {Sample}
   */
  take(nowMs) {
    const spanS = Math.max(nowMs - this.#lastMs, 1) / 1000;
    this.#lastMs = nowMs;
    return { atS: (nowMs - this.#startMs) / 1000, live: this.#side("live", spanS), poll: this.#side("poll", spanS) };
  }

  /**
   * @param {Side} side
   * @param {number} spanS
   * @returns {SideSample}
   */
  #side(side, spanS) {
    const before = this.#before[side];
    const now = trafficOf(this.#followers[side]);
    this.#before[side] = now;
    return {
      ageMs: this.#meters[side].takeWindow().p50,
      cpu: total(this.#load.rates[side]),
      messages: (now.messages - before.messages) / spanS,
      bytes: (now.bytes - before.bytes) / spanS,
    };
  }
}

/**
 * @param {Counted[]} followers
 * @returns {import("../hub/meter.js").Traffic}  of all of them together
 */
export function trafficOf(followers) {
  const all = nothing();
  for (const { traffic } of followers) {
    all.messages += traffic.messages;
    all.empty += traffic.empty;
    all.bytes += traffic.bytes;
  }
  return all;
}

/** @returns {import("../hub/meter.js").Traffic} */
function nothing() {
  return { messages: 0, empty: 0, bytes: 0 };
}
