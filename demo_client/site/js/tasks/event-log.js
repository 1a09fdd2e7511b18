/** The events of a task as lines, from some seq on to the newest that was seen. Pure. */

import { eventText } from "./event-text.js";

/**
 * @typedef {import("../lib/frames.js").Item} Item
 * @typedef {{ seq: number, attempt: number | null, ts: number | null, type: string, text: string }} Line
 *   seq: of a gap, that of the last event which is missing
 */

/** Lines of 300 characters at most: some 30 MB. */
export const MOST_LINES = 100_000;
/** Dropped at once, so that it is seldom done. */
const SLACK = 5_000;

export class EventLog {
  /** @type {Line[]} in order of seq */
  lines = [];
  #most;
  #slack;
  #after = 0;

  /** @param {{ most?: number, slack?: number }} [limits] */
  constructor({ most = MOST_LINES, slack = SLACK } = {}) {
    this.#most = most;
    this.#slack = slack;
  }

  /** The events after this seq are here; 0: all. */
  get after() {
    return this.#after;
  }

  /** Whether no more of what came before can be kept. */
  get full() {
    return this.lines.length >= this.#most;
  }

  /**
   * Forget everything, and begin after `after`.
   *
   * @param {number} [after]
   */
  clear(after = 0) {
    this.lines = [];
    this.#after = after;
  }

  /**
   * Newer events; how many of the oldest lines were dropped for them.
   *
   * @param {Iterable<Item>} items
   */
  append(items) {
    let last = this.lines.at(-1)?.seq ?? this.#after;
    for (const item of items) {
      const line = lineOf(item);
      if (line.seq <= last) continue;
      last = line.seq;
      this.lines.push(line);
    }
    if (this.lines.length <= this.#most + this.#slack) return 0;
    const dropped = this.lines.splice(0, this.lines.length - this.#most);
    this.#after = dropped.at(-1)?.seq ?? this.#after;
    return dropped.length;
  }

  /**
   * Older events, which begin after `after`; how many lines were added.
   *
   * @param {Iterable<Item>} items
   * @param {number} after
   */
  prepend(items, after) {
    const older = [...items].map(lineOf).filter((line) => line.seq <= this.#after);
    this.lines = older.concat(this.lines);
    this.#after = after;
    return older.length;
  }
}

/**
 * @param {Item} item
 * @returns {Line}
 */
function lineOf(item) {
  const seq = item.type === "gap" ? Number(item.before) - 1 : Number(item.seq);
  const attempt = typeof item.attempt === "number" ? item.attempt : null;
  const ts = typeof item.ts === "number" ? item.ts : null;
  return { seq, attempt, ts, type: String(item.type), text: eventText(item) };
}
