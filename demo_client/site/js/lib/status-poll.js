/**
 * Follow a task by asking again and again, in one of three ways, with the callbacks of `TaskStream`.
 *
 *     const url = `/baseline/tasks/${id}/status`;
 *     const poll = new StatusPoll({ url, strategy: "delta", intervalMs: 1_000, onEvents }).start();
 */

import { addressAfter } from "./cursor.js";
import { environmentOf, guarded } from "./environment.js";
import { answerBytes, retryAfterMs } from "./http-answers.js";
import { Link } from "./link.js";
import { verdictOn } from "./status-answers.js";

/**
 * @typedef {import("./frames.js").TaskEvent} TaskEvent
 * @typedef {import("./link.js").StreamState} StreamState
 * @typedef {import("./link.js").StateDetail} StateDetail
 *
 * @typedef {"plain" | "delta" | "long"} Strategy
 *   plain: the whole state each time, of which the progress between two answers is no part; delta: what is new since
 *   the last answer; long: the same, and the server answers when there is something
 *
 * @typedef {object} OwnStatusPollOptions
 * @property {string | URL} url of the task's status
 * @property {Strategy} strategy
 * @property {number} [intervalMs] from the start of a request to that of the next (plain, delta); 1,000 unless given
 * @property {number} [after] the seq to begin after; 0: everything
 * @property {(events: TaskEvent[], arrival: {receivedMs: number}) => void} [onEvents] the next events, each once and in
 *   order; `receivedMs` is when the answer was complete, by `now`
 * @property {() => void} [onReset] drop what is known of the task: it begins anew
 * @property {(state: StreamState, detail: StateDetail) => void} [onState]
 * @property {(input: string, init: RequestInit) => Promise<Response>} [fetch]
 * @typedef {OwnStatusPollOptions & import("./environment.js").EnvironmentOptions} StatusPollOptions
 *
 * @typedef {object} PollCounters totals since it was made
 * @property {number} requests
 * @property {number} empty answers with nothing new, 304 included
 * @property {number} notModified answers of 304
 * @property {number} bytes of answers, see `answerBytes`
 * @property {number} events handed to onEvents
 * @property {number} errors requests that failed, and answers that were none
 * @property {number} resets
 */

/** How long the server may wait for news; it takes up to 30. */
const WAIT_S = 25;
/** Beyond the wait asked for, until an answer is there to its last byte. */
const LIMIT_MS = 10_000;
/** A server that waits for nothing is not asked more often for news that it does not have. */
const IDLE_MS = 1_000;

/** Polls one task. Never two requests at a time. `start`, `close`, `cut` and the states are those of `TaskStream`. */
export class StatusPoll {
  #url;
  #strategy;
  #intervalMs;
  #position;
  #environment;
  #fetch;
  #link;
  #onEvents;
  #onReset;
  /** @type {string | null} of the last answer, when that was complete */
  #etag = null;
  /** @type {AbortController | null} the request that is under way */
  #request = null;
  #cancelNext = () => {};
  /** @type {PollCounters} */
  #counters = { requests: 0, empty: 0, notModified: 0, bytes: 0, events: 0, errors: 0, resets: 0 };

  /**
   * Throws a TypeError when `url` is no URL.
   *
   * @param {StatusPollOptions} options
   */
  constructor({ url, strategy, intervalMs = 1_000, after = 0, onEvents, onReset, onState, fetch, ...options }) {
    addressAfter(url, null);
    this.#url = url;
    this.#strategy = strategy;
    this.#intervalMs = intervalMs;
    this.#position = after;
    this.#environment = environmentOf(options);
    this.#fetch = fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#link = new Link({
      environment: this.#environment,
      connect: () => void this.#ask(),
      disconnect: () => this.#stop(),
      onState,
    });
    const isOff = () => this.#link.closed;
    this.#onEvents = guarded(onEvents, isOff);
    this.#onReset = guarded(onReset, isOff);
  }

  /** Begin; once. */
  start() {
    this.#link.start();
    return this;
  }

  /** End, for good. */
  close() {
    this.#link.close();
  }

  /**
   * For demonstrations: drop the request, and ask again after `ms` milliseconds.
   *
   * @param {number} ms
   */
  cut(ms) {
    this.#link.cut(ms);
  }

  /** The seq of the last event seen. */
  get cursor() {
    return String(this.#position);
  }

  get state() {
    return this.#link.state;
  }

  /** @returns {PollCounters} a copy */
  get counters() {
    return { ...this.#counters };
  }

  async #ask() {
    const request = new AbortController();
    this.#request = request;
    const startedMs = this.#environment.now();
    const limitMs = LIMIT_MS + (this.#strategy === "long" ? WAIT_S * 1_000 : 0);
    const cancelLimit = this.#environment.later(() => request.abort(), limitMs);
    this.#counters.requests += 1;
    const sentMs = performance.now();
    let response;
    let body;
    try {
      response = await this.#fetch(this.#address(), this.#init(request.signal));
      body = await response.arrayBuffer();
    } catch {
      if (this.#request === request) this.#lost("The server cannot be reached; trying again");
      return;
    } finally {
      cancelLimit();
    }
    if (this.#request !== request) return;
    this.#request = null;
    this.#counters.bytes += answerBytes(response, body, sentMs);
    this.#answered(response, body, startedMs);
  }

  #address() {
    return addressAfter(this.#url, this.#strategy === "plain" ? null : String(this.#position)).href;
  }

  /**
   * @param {AbortSignal} signal
   * @returns {RequestInit}
   */
  #init(signal) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json" };
    if (this.#strategy === "delta" && this.#etag !== null) headers["If-None-Match"] = this.#etag;
    if (this.#strategy === "long") headers.Prefer = `wait=${WAIT_S}`;
    return { headers, signal, cache: "no-store" };
  }

  /**
   * @param {Response} response
   * @param {ArrayBuffer} body
   * @param {number} startedMs
   */
  #answered(response, body, startedMs) {
    const verdict = verdictOn(response, body, this.#position);
    switch (verdict.is) {
      case "failed":
        this.#link.finish("failed", { message: verdict.message, code: response.status, reason: verdict.reason });
        return;
      case "error":
        this.#lost(verdict.message, response.status, retryAfterMs(response));
        return;
      case "ahead":
        this.#link.up();
        this.#reset();
        this.#next(0);
        return;
      case "same":
        this.#counters.notModified += 1;
        this.#nothing(startedMs);
        return;
      case "answer":
        this.#take(verdict.answer, response.headers.get("ETag"), startedMs);
    }
  }

  /**
   * @param {import("./status-answers.js").Answer} answer
   * @param {string | null} etag
   * @param {number} startedMs
   */
  #take({ seq, next, events }, etag, startedMs) {
    const receivedMs = this.#environment.now();
    this.#link.up();
    if (seq < this.#position) this.#reset();
    const fresh = events.filter((event) => event.seq > this.#position);
    this.#position = next ?? seq;
    // The ETag names the newest event. With that of an answer that stops short of it, the rest would be "not modified".
    this.#etag = this.#position === seq ? etag : null;
    this.#counters.events += fresh.length;
    if (fresh.length > 0) this.#onEvents(fresh, { receivedMs });
    if (next === null) this.#link.finish("ended", { message: "The task has ended" });
    else if (fresh.length === 0) this.#nothing(startedMs);
    else this.#next(this.#strategy === "long" || next < seq ? 0 : startedMs + this.#intervalMs);
  }

  /** @param {number} startedMs */
  #nothing(startedMs) {
    this.#counters.empty += 1;
    this.#link.up();
    this.#next(startedMs + (this.#strategy === "long" ? IDLE_MS : this.#intervalMs));
  }

  #reset() {
    this.#position = 0;
    this.#etag = null;
    this.#counters.resets += 1;
    this.#onReset();
  }

  /**
   * Ask at `dueMs`, or at once when that is over; unless a callback has cut or closed meanwhile.
   *
   * @param {number} dueMs
   */
  #next(dueMs) {
    if (this.#link.closed || this.#link.state === "offline") return;
    const waitMs = Math.max(0, dueMs - this.#environment.now());
    this.#cancelNext = this.#environment.later(() => void this.#ask(), waitMs);
  }

  /**
   * @param {string} message
   * @param {number | null} code
   * @param {number} atLeastMs
   */
  #lost(message, code = null, atLeastMs = 0) {
    this.#request = null;
    this.#counters.errors += 1;
    this.#link.lost({ message, code, atLeastMs });
  }

  #stop() {
    this.#cancelNext();
    const request = this.#request;
    this.#request = null;
    request?.abort();
  }
}
