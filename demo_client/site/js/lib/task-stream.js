/**
 * Follow a task over WebSocket, through lost connections and restarts, each event once, in order. The protocol is that
 * of docs/protocol.md §8.
 *
 * No dependency but the modules beside this one. In a browser:
 *
 *     import { TaskStream } from "./task-stream.js";
 *
 *     const stream = new TaskStream({
 *       url: `/ws/tasks/${id}`,
 *       onEvents: (events) => events.forEach(show),
 *       onReset: () => forgetEverything(), // the stream begins anew, from the first event
 *       onGap: ({ after, before }) => note(`the events ${after + 1} to ${before - 1} are lost`),
 *       onState: (state, { message }) => note(`${state}: ${message}`),
 *     }).start();
 *
 *     window.addEventListener("pagehide", () => sessionStorage.setItem(id, stream.cursor ?? ""));
 *
 * A page that comes back passes what it kept as `after`. Without a bundler, types come with JSDoc.
 */

import { Connection, newCounters } from "./connection.js";
import { socketAddress } from "./cursor.js";
import { guarded } from "./environment.js";
import { TaskFeed } from "./task-feed.js";

/**
 * @typedef {import("./frames.js").TaskEvent} TaskEvent
 * @typedef {import("./frames.js").Hello} Hello
 * @typedef {import("./link.js").StreamState} StreamState
 * @typedef {import("./link.js").StateDetail} StateDetail
 * @typedef {import("./connection.js").StreamCounters} StreamCounters
 *
 * @typedef {object} OwnTaskStreamOptions
 * @property {string | URL} url of the stream, relative or absolute, ws(s) or http(s)
 * @property {string | null} [after] the cursor to begin after; null: from the first event
 * @property {(state: StreamState, detail: StateDetail) => void} [onState] each change of the state
 *
 * @typedef {import("./task-feed.js").FeedCallbacks & import("./connection.js").ConnectionOptions} SharedOptions
 * @typedef {OwnTaskStreamOptions & SharedOptions} TaskStreamOptions
 */

/**
 * The stream of one task. It connects again by itself, with its cursor, until the terminal event (state `ended`) or a
 * refusal for good (`failed`).
 *
 * What a callback throws is reported as an error of the page, and the stream goes on. Nothing is called from inside
 * `start`, nor after `close`.
 */
export class TaskStream {
  #url;
  #feed;
  #connection;
  #counters = newCounters();

  /**
   * Throws a RangeError when `after` is no cursor, a TypeError when `url` is no URL.
   *
   * @param {TaskStreamOptions} options
   */
  constructor({ url, after = null, onEvents, onReset, onGap, onState, ...options }) {
    socketAddress(url, after);
    this.#url = url;
    const isOff = () => this.#connection.closed;
    const callbacks = {
      onEvents: guarded(onEvents, isOff),
      onReset: guarded(onReset, isOff),
      onGap: guarded(onGap, isOff),
    };
    const onHello = () => this.#connection.heard();
    this.#feed = new TaskFeed({ task: null, after, callbacks, onHello, counters: this.#counters });
    const owner = {
      address: () => socketAddress(this.#url, this.#feed.cursor),
      isDone: () => this.#feed.exhausted,
      onOpen: () => this.#feed.connected(),
      /** @type {(items: import("./frames.js").Item[], receivedMs: number) => void} */
      onFrame: (items, receivedMs) => this.#take(items, receivedMs),
      onState,
    };
    this.#connection = new Connection(owner, this.#counters, options);
  }

  /** Begin; once. */
  start() {
    this.#connection.start();
    return this;
  }

  /** End, for good; the state is then `offline`, unless the stream was over already. */
  close() {
    this.#connection.close();
  }

  /**
   * For demonstrations: drop the connection as a lost network would, and resume after `ms` milliseconds. What is on its
   * way is not seen before. A second cut replaces the first: `cut(Infinity)`, and at some time `cut(0)`.
   *
   * @param {number} ms
   */
  cut(ms) {
    this.#connection.cut(ms);
  }

  /** `<epoch>.<seq>` of the last event seen; null before the first hello of a stream without `after`. */
  get cursor() {
    return this.#feed.cursor;
  }

  get state() {
    return this.#connection.state;
  }

  /** @returns {StreamCounters} a copy */
  get counters() {
    return { ...this.#counters };
  }

  /**
   * @param {import("./frames.js").Item[]} items
   * @param {number} receivedMs
   */
  #take(items, receivedMs) {
    this.#feed.take(items, receivedMs);
    // the close that follows would add nothing, and may be lost
    if (this.#feed.ended) this.#connection.end("The task has ended");
  }
}
