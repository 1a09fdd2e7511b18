import { Backoff, SETTLED_MS } from "./backoff.js";
import { guarded } from "./environment.js";

/**
 * @typedef {"connecting" | "live" | "waiting" | "offline" | "ended" | "failed"} StreamState
 *   waiting: before the next try; offline: cut on purpose; ended: nothing will follow; failed: another try is of no use
 *
 * @typedef {object} StateDetail
 * @property {number} attempt connections and tries in a row that came to nothing, or nearly; 0 after one that lasted
 * @property {number | null} retryInMs until the next try; null when none is planned
 * @property {number | null} code of the close frame or the answer that led here, if any
 * @property {string} reason what the server said with it
 * @property {string} message a sentence for people
 *
 * @typedef {object} Cause
 * @property {string} message
 * @property {number | null} [code]
 * @property {string} [reason]
 */

/**
 * Keeps something connected: the states, the tries and the waits between them, of whatever kind of connection.
 *
 * Its owner makes a try in `connect` and says how it went: `up`, `lost` or `finish`. `disconnect` drops what there is,
 * silently. After `close` nothing is called any more.
 */
export class Link {
  #environment;
  #backoff;
  #connect;
  #disconnect;
  #tell;
  /** @type {StreamState} */
  #state = "connecting";
  /** @type {"new" | "running" | "over"} */
  #phase = "new";
  #closed = false;
  #liveSinceMs = 0;
  #cancelTry = () => {};
  #online = () => {
    if (this.#state === "waiting") this.#try();
  };

  /**
   * @param {object} parts
   * @param {import("./environment.js").Environment} parts.environment
   * @param {() => void} parts.connect
   * @param {() => void} parts.disconnect
   * @param {((state: StreamState, detail: StateDetail) => void) | undefined} parts.onState
   */
  constructor({ environment, connect, disconnect, onState }) {
    this.#environment = environment;
    this.#backoff = new Backoff(environment.random);
    this.#connect = connect;
    this.#disconnect = disconnect;
    this.#tell = guarded(onState, () => this.#closed);
  }

  get state() {
    return this.#state;
  }

  get closed() {
    return this.#closed;
  }

  /** The first try. It is made after the caller's code has run, so that its callbacks find everything assigned. */
  start() {
    if (this.#phase !== "new") return;
    this.#phase = "running";
    globalThis.addEventListener?.("online", this.#online);
    queueMicrotask(() => {
      if (this.#phase === "running" && this.#state === "connecting") this.#try();
    });
  }

  /** Drop everything, for good. */
  close() {
    this.#closed = true;
    if (this.#phase !== "over") this.#state = "offline";
    this.#leave();
  }

  /**
   * Drop the connection, and try again after `ms` milliseconds and not before. A second cut replaces the first.
   *
   * @param {number} ms
   */
  cut(ms) {
    if (this.#phase !== "running") return;
    this.#disconnect();
    this.#plan(ms);
    this.#turn("offline", { message: "Cut off on purpose" }, ms);
  }

  /** The connection is of use. */
  up() {
    if (this.#phase !== "running" || this.#state === "live") return;
    this.#liveSinceMs = this.#environment.now();
    this.#turn("live", { message: "Connected" });
  }

  /**
   * The connection or the try is over; make another.
   *
   * @param {Cause & {soon?: boolean, atLeastMs?: number}} cause `soon`: it asked for that; `atLeastMs`: not before
   */
  lost({ soon = false, atLeastMs = 0, ...cause }) {
    if (this.#phase !== "running") return;
    if (this.#state === "live" && this.#environment.now() - this.#liveSinceMs >= SETTLED_MS) this.#backoff.reset();
    const retryInMs = Math.max(this.#backoff.next(soon), atLeastMs);
    this.#plan(retryInMs);
    this.#turn("waiting", cause, retryInMs);
  }

  /**
   * No more tries.
   *
   * @param {"ended" | "failed"} state
   * @param {Cause} cause
   */
  finish(state, cause) {
    if (this.#phase !== "running") return;
    this.#leave();
    this.#turn(state, cause);
  }

  #leave() {
    this.#phase = "over";
    globalThis.removeEventListener?.("online", this.#online);
    this.#cancelTry();
    this.#disconnect();
  }

  /** @param {number} ms */
  #plan(ms) {
    this.#cancelTry();
    this.#cancelTry = this.#environment.later(() => this.#try(), ms);
  }

  #try() {
    this.#cancelTry();
    this.#turn("connecting", { message: this.#backoff.attempt > 0 ? "Connecting again" : "Connecting" });
    // whoever was told may have cut or closed it
    if (this.#phase === "running" && this.#state === "connecting") this.#connect();
  }

  /**
   * Last of all that a step does, for the callback may begin another.
   *
   * @param {StreamState} state
   * @param {Cause} cause
   * @param {number | null} retryInMs
   */
  #turn(state, { message, code = null, reason = "" }, retryInMs = null) {
    this.#state = state;
    this.#tell(state, { attempt: this.#backoff.attempt, retryInMs, code, reason, message });
  }
}
