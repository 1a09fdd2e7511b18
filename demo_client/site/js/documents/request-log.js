/**
 * Each request of the polling side: when it was sent and answered, and whether it brought anything.
 *
 * It stands in for `fetch`. What an answer was worth only the poll can say; as there is never more than one request at a
 * time, what its counters have gained since belongs to the last one.
 */

import { Series } from "./series.js";

/** @typedef {{ empty: number, events: number, errors: number }} Counters  totals of the poll */
/** @typedef {"pending" | "news" | "empty" | "lost"} Outcome */

export class RequestLog {
  /** ms by `now`. */
  sent = new Series();
  /** ms by `now`, of those that were answered or lost: all but perhaps the last. */
  done = new Series();
  /** @type {Outcome[]} */
  #outcomes = [];
  #now;
  /** @type {AbortSignal | null | undefined} of the last request */
  #signal;
  /** @type {() => Counters} */
  #counters = () => ({ empty: 0, events: 0, errors: 0 });
  /** @type {Counters} */
  #known = this.#counters();

  /** @param {() => number} now */
  constructor(now) {
    this.#now = now;
  }

  /** @param {() => Counters} counters  of the poll whose requests these are */
  watch(counters) {
    this.#counters = counters;
  }

  /**
   * @param {string} url
   * @param {RequestInit} init
   */
  async fetch(url, init) {
    this.settle();
    // no counter tells of an answer that was given up half read, nor of one that only moved the cursor
    if (this.#outcomes.at(-1) === "pending") this.#judge(this.#signal?.aborted ? "lost" : "news");
    this.#signal = init.signal;
    this.sent.push(this.#now());
    this.#outcomes.push("pending");
    const index = this.#outcomes.length - 1;
    try {
      const response = await fetch(url, init);
      this.#finish(index);
      return response;
    } catch (error) {
      this.#finish(index);
      this.#outcomes[index] = "lost";
      throw error;
    }
  }

  /** Judge the last request, when that has become possible. */
  settle() {
    const now = this.#counters();
    const before = this.#known;
    this.#known = { empty: now.empty, events: now.events, errors: now.errors };
    if (this.#outcomes.at(-1) !== "pending") return;
    if (now.empty > before.empty) this.#judge("empty");
    else if (now.events > before.events) this.#judge("news");
    else if (now.errors > before.errors) this.#judge("lost");
  }

  /** @param {number} index  @returns {Outcome} */
  outcomeOf(index) {
    return this.#outcomes[index] ?? "pending";
  }

  /**
   * A request that was given up may fail after the next was sent, whose place is not its own.
   *
   * @param {number} index
   */
  #finish(index) {
    while (this.done.length < index) this.done.push(this.sent.at(this.done.length));
    if (this.done.length === index) this.done.push(this.#now());
  }

  /** @param {Outcome} outcome */
  #judge(outcome) {
    this.#outcomes[this.#outcomes.length - 1] = outcome;
  }
}
