/**
 * Follow many tasks over one WebSocket (docs/protocol.md §8): as `TaskStream`, a thousand times.
 *
 *     const streams = new TaskStreams({ url: "/ws", onState: (state, { message }) => note(message) });
 *     const followed = streams.follow(id, { onEvents: show, onEnd: ({ message }) => note(message) });
 *     followed.close();
 */

import { Backoff, SETTLED_MS } from "./backoff.js";
import { asksToComeBack, DONE, isFinal, sentenceOf } from "./close-codes.js";
import { Connection, newCounters } from "./connection.js";
import { socketAddress } from "./cursor.js";
import { guarded } from "./environment.js";
import { InvalidFrame, isEvent } from "./frames.js";
import { TaskFeed } from "./task-feed.js";

/**
 * @typedef {import("./frames.js").Item} Item
 * @typedef {import("./link.js").StreamState} StreamState
 * @typedef {import("./link.js").StateDetail} StateDetail
 *
 * @typedef {{how: "ended" | "failed", code: number | null, message: string}} EndReason
 *   ended: the terminal event was seen; failed: the server refuses this task, or everything, for good
 *
 * @typedef {object} OwnFollowOptions
 * @property {string | null} [after] the cursor to begin after; null: from the first event
 * @property {(reason: EndReason) => void} [onEnd] nothing follows; the last call for this task
 * @typedef {OwnFollowOptions & import("./task-feed.js").FeedCallbacks} FollowOptions
 *
 * @typedef {object} Followed
 * @property {() => void} close follow the task no longer; nothing is called back afterwards
 * @property {string | null} cursor of the last event seen
 *
 * @typedef {object} OwnTaskStreamsOptions
 * @property {string | URL} [url] relative or absolute, ws(s) or http(s); "/ws" unless given
 * @property {(state: StreamState, detail: StateDetail) => void} [onState] each change of the socket's state
 * @typedef {OwnTaskStreamsOptions & import("./connection.js").ConnectionOptions} TaskStreamsOptions
 *
 * @typedef {object} Subscription
 * @property {string} task
 * @property {TaskFeed} feed
 * @property {Backoff} backoff between subscriptions that the server ended
 * @property {number} greetedMs when the subscription was taken up; NaN while it is not
 * @property {() => void} cancelRetry
 * @property {boolean} over
 * @property {(reason: EndReason) => void} onEnd
 */

/** What one socket may follow (docs/protocol.md §8). */
export const MAX_TASKS = 1_000;

const TASK_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The streams of many tasks on one socket, which is made with the first `follow` and stays, also when there is nothing
 * to follow. After a loss each task goes on after its own cursor.
 */
export class TaskStreams {
  #connection;
  #counters = newCounters();
  /** @type {Map<string, Subscription>} by task, those that are not over */
  #followed = new Map();
  /** @type {Map<string, number>} answers `unsubscribed` that are due; until the last of them, frames are of the past */
  #leaving = new Map();
  /** @type {Set<string>} tasks that ended on this connection, whose places the server may not have cleared yet */
  #ended = new Set();

  /**
   * Throws a TypeError when `url` is no URL.
   *
   * @param {TaskStreamsOptions} [options]
   */
  constructor({ url = "/ws", onState, ...options } = {}) {
    socketAddress(url, null);
    const tell = guarded(onState, () => this.#connection.closed);
    const owner = {
      address: () => socketAddress(url, null),
      isDone: () => false,
      onOpen: () => this.#subscribeAll(),
      /** @type {(items: Item[], receivedMs: number) => void} */
      onFrame: (items, receivedMs) => this.#take(items, receivedMs),
      /** @type {(state: StreamState, detail: StateDetail) => void} */
      onState: (state, detail) => {
        tell(state, detail);
        if (state === "failed") this.#failAll(detail);
      },
    };
    this.#connection = new Connection(owner, this.#counters, options);
  }

  /**
   * Follow a task until its end. Nothing is called back from inside.
   *
   * Throws a RangeError when there are 1,000 already or `after` is no cursor, a TypeError when `taskId` is no UUID, and
   * an Error when the task is followed already or the socket is closed or refused for good.
   *
   * @param {string} taskId
   * @param {FollowOptions} [options]
   * @returns {Followed}
   */
  follow(taskId, options = {}) {
    const task = taskId.toLowerCase();
    this.#checkFollow(task);
    const subscription = this.#subscription(task, options);
    this.#followed.set(task, subscription);
    this.#connection.start();
    this.#subscribe(subscription);
    return {
      close: () => this.#unfollow(subscription),
      get cursor() {
        return subscription.feed.cursor;
      },
    };
  }

  /** End, for good: the socket and every task on it. */
  close() {
    this.#connection.close();
    for (const subscription of [...this.#followed.values()]) this.#forget(subscription);
  }

  /**
   * For demonstrations: see `TaskStream.cut`.
   *
   * @param {number} ms
   */
  cut(ms) {
    this.#connection.cut(ms);
  }

  get state() {
    return this.#connection.state;
  }

  /** The tasks that are followed and have not ended. */
  get size() {
    return this.#followed.size;
  }

  /** @returns {import("./connection.js").StreamCounters} a copy, over all tasks */
  get counters() {
    return { ...this.#counters };
  }

  /** @param {string} task */
  #checkFollow(task) {
    if (!TASK_ID.test(task)) throw new TypeError(`${JSON.stringify(task.slice(0, 40))} is not the id of a task`);
    if (this.#connection.closed || this.#connection.state === "failed") throw new Error("the socket is closed");
    if (this.#followed.has(task)) throw new Error(`the task ${task} is followed already`);
    if (this.#followed.size >= MAX_TASKS) {
      throw new RangeError(`one socket follows at most ${MAX_TASKS.toLocaleString("en")} tasks`);
    }
  }

  /**
   * @param {string} task
   * @param {FollowOptions} options
   * @returns {Subscription}
   */
  #subscription(task, { after = null, onEvents, onReset, onGap, onEnd }) {
    const isOff = () => subscription.over;
    const callbacks = {
      onEvents: guarded(onEvents, isOff),
      onReset: guarded(onReset, isOff),
      onGap: guarded(onGap, isOff),
    };
    const { now, random } = this.#connection.environment;
    const onHello = () => {
      subscription.greetedMs = now();
    };
    /** @type {Subscription} */
    const subscription = {
      task,
      feed: new TaskFeed({ task, after, callbacks, onHello, counters: this.#counters }),
      backoff: new Backoff(random),
      greetedMs: Number.NaN,
      cancelRetry: () => {},
      over: false,
      onEnd: guarded(onEnd, isOff),
    };
    return subscription;
  }

  #subscribeAll() {
    this.#leaving.clear();
    this.#ended.clear();
    for (const subscription of this.#followed.values()) this.#subscribe(subscription);
    if (this.#followed.size === 0) this.#connection.heard();
  }

  /** @param {Subscription} subscription */
  #subscribe(subscription) {
    const { task, feed } = subscription;
    subscription.cancelRetry();
    subscription.greetedMs = Number.NaN;
    feed.connected();
    this.#ended.delete(task);
    if (this.#followed.size + this.#ended.size > MAX_TASKS) this.#clearEnded();
    const command = JSON.stringify({ subscribe: task, after: feed.cursor ?? undefined });
    if (this.#connection.send(command)) this.#connection.expectAnswer();
  }

  /** The server takes commands one by one, and clears the place before it takes the next. */
  #clearEnded() {
    for (const task of this.#ended) this.#unsubscribe(task);
    this.#ended.clear();
  }

  /** @param {string} task */
  #unsubscribe(task) {
    if (!this.#connection.send(JSON.stringify({ unsubscribe: task }))) return;
    this.#leaving.set(task, (this.#leaving.get(task) ?? 0) + 1);
  }

  /**
   * @param {Item[]} items
   * @param {number} receivedMs
   */
  #take(items, receivedMs) {
    const first = items[0];
    if (first === undefined) return;
    const { task, type } = first;
    this.#connection.heard();
    if (typeof task !== "string") {
      if (isEvent(first)) throw new InvalidFrame("an event of no task");
      return;
    }
    if (type === "unsubscribed") {
      this.#left(task);
      return;
    }
    const subscription = this.#followed.get(task);
    if (subscription === undefined || this.#leaving.has(task)) return;
    if (type === "error") {
      this.#refused(subscription, first);
      return;
    }
    subscription.feed.take(items, receivedMs);
    if (subscription.feed.ended && !subscription.over) {
      this.#end(subscription, { how: "ended", code: DONE, message: "The task has ended" });
    }
  }

  /** @param {string} task */
  #left(task) {
    const due = (this.#leaving.get(task) ?? 1) - 1;
    if (due > 0) this.#leaving.set(task, due);
    else this.#leaving.delete(task);
  }

  /**
   * The server ended a subscription, and the socket goes on.
   *
   * @param {Subscription} subscription
   * @param {Item} error
   */
  #refused(subscription, error) {
    const code = Number(error.code);
    const reason = String(error.message ?? "");
    if (isFinal(code)) {
      this.#end(subscription, { how: "failed", code, message: sentenceOf(code, reason) });
      return;
    }
    const { now, later } = this.#connection.environment;
    if (now() - subscription.greetedMs >= SETTLED_MS) subscription.backoff.reset();
    const waitMs = subscription.backoff.next(asksToComeBack(code));
    subscription.cancelRetry();
    subscription.cancelRetry = later(() => this.#subscribe(subscription), waitMs);
  }

  /** @param {Subscription} subscription */
  #unfollow(subscription) {
    if (subscription.over) return;
    this.#forget(subscription);
    this.#unsubscribe(subscription.task);
  }

  /** @param {StateDetail} detail */
  #failAll({ code, message }) {
    for (const subscription of [...this.#followed.values()]) this.#end(subscription, { how: "failed", code, message });
  }

  /**
   * @param {Subscription} subscription
   * @param {EndReason} reason
   */
  #end(subscription, reason) {
    if (subscription.over) return;
    this.#followed.delete(subscription.task);
    this.#ended.add(subscription.task);
    subscription.cancelRetry();
    subscription.onEnd(reason);
    subscription.over = true;
  }

  /** @param {Subscription} subscription */
  #forget(subscription) {
    subscription.over = true;
    subscription.cancelRetry();
    this.#followed.delete(subscription.task);
  }
}
