import { formatCursor, parseCursor } from "./cursor.js";
import { asGap, asHello, InvalidFrame, isEvent, isTerminal } from "./frames.js";

/**
 * @typedef {import("./frames.js").TaskEvent} TaskEvent
 * @typedef {import("./frames.js").Hello} Hello
 *
 * @typedef {object} FeedCallbacks
 * @property {(events: TaskEvent[], arrival: {receivedMs: number}) => void} [onEvents] the next events, in order, each
 *   once. `receivedMs` is when they came, by the stream's `now`
 * @property {(hello: Hello) => void} [onReset] drop what is known of the task: it begins anew, from its first event
 * @property {(gap: {after: number, before: number}) => void} [onGap] the events between these seqs are lost
 */

/**
 * One task as its stream tells it: the position, and what of the frames is new (docs/protocol.md §3.7, §7).
 *
 * Without I/O. `connected` comes before the frames of each connection, and each of these begins with a hello.
 */
export class TaskFeed {
  #callbacks;
  #onHello;
  #counters;
  /** @type {string | null} */
  #task;
  /** @type {import("./cursor.js").Cursor | null} */
  #cursor;
  #greeted = false;
  #ended = false;
  /** Whether the cursor is still the one that the caller brought, and the hello named nothing after it. */
  #nothingNew = false;

  /**
   * Throws a RangeError when `after` is no cursor.
   *
   * @param {object} parts
   * @param {string | null} parts.task null: that of the first hello
   * @param {string | null} parts.after
   * @param {Required<FeedCallbacks>} parts.callbacks must not throw
   * @param {() => void} parts.onHello
   * @param {import("./connection.js").StreamCounters} parts.counters
   */
  constructor({ task, after, callbacks, onHello, counters }) {
    this.#task = task;
    this.#cursor = after === null ? null : parseCursor(after);
    this.#nothingNew = after !== null;
    this.#callbacks = callbacks;
    this.#onHello = onHello;
    this.#counters = counters;
  }

  /** @returns {string | null} what to resume with; null when nothing is known yet */
  get cursor() {
    return this.#cursor === null ? null : formatCursor(this.#cursor);
  }

  /** Whether the terminal event was seen. */
  get ended() {
    return this.#ended;
  }

  /** Whether an end of the stream without a terminal event is the task's: the caller's cursor was that of its last. */
  get exhausted() {
    return this.#ended || (this.#nothingNew && this.#greeted);
  }

  /** A new connection. */
  connected() {
    this.#greeted = false;
  }

  /**
   * The items of a frame, up to the terminal event. Throws InvalidFrame; what came before the item that is none has
   * been handed on.
   *
   * @param {import("./frames.js").Item[]} items
   * @param {number} receivedMs
   */
  take(items, receivedMs) {
    /** @type {TaskEvent[]} */
    let events = [];
    const hand = () => {
      const batch = events;
      events = [];
      this.#counters.events += batch.length;
      if (batch.length > 0) this.#callbacks.onEvents(batch, { receivedMs });
    };
    try {
      for (const item of items) {
        if (this.#ended) break;
        if (item.type === "hello" || item.type === "gap") {
          hand();
          this.#control(item);
        } else if (isEvent(item) && this.#isNext(item)) {
          events.push(item);
        }
      }
    } finally {
      hand();
    }
  }

  /** @param {TaskEvent} event */
  #isNext(event) {
    const cursor = this.#checked(event);
    if (event.seq <= cursor.seq) {
      this.#counters.duplicates += 1;
      return false;
    }
    cursor.seq = event.seq;
    this.#nothingNew = false;
    this.#ended = isTerminal(event);
    return true;
  }

  /** @param {import("./frames.js").Item} item */
  #control(item) {
    if (item.type === "hello") {
      this.#hello(asHello(item));
      return;
    }
    const { after, before } = asGap(item);
    const cursor = this.#checked(item);
    if (before - 1 <= cursor.seq) return;
    cursor.seq = before - 1;
    this.#nothingNew = false;
    this.#counters.gaps += 1;
    this.#callbacks.onGap({ after, before });
  }

  /** @param {Hello} hello */
  #hello(hello) {
    this.#task ??= hello.task;
    this.#check(hello);
    const known = this.#cursor;
    this.#greeted = true;
    this.#cursor = { epoch: hello.epoch, seq: hello.resumed && known !== null ? known.seq : 0 };
    this.#nothingNew &&= hello.resumed && hello.seq <= this.#cursor.seq;
    this.#onHello();
    if (hello.resumed) {
      this.#counters.resumes += 1;
    } else if (known !== null) {
      this.#counters.resets += 1;
      this.#callbacks.onReset(hello);
    }
  }

  /**
   * The cursor that the item moves. Throws InvalidFrame when it is another task's, or came before the hello.
   *
   * @param {import("./frames.js").Item} item
   */
  #checked(item) {
    if (!this.#greeted || this.#cursor === null) throw new InvalidFrame("an event before the hello");
    this.#check(item);
    return this.#cursor;
  }

  /** @param {import("./frames.js").Item} item */
  #check(item) {
    if (item.task !== this.#task) throw new InvalidFrame("an event of another task");
  }
}
