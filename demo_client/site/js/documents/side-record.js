/** What one side has shown of the task: each match, when it was emitted and when it was seen, and the cuts between. */

import { Series } from "./series.js";

/**
 * @typedef {object} Match
 * @property {string} term  the keyword
 * @property {string} match  as it stands in the text
 * @property {string} snippet  the match with its surroundings, on one line
 * @property {[number, number]} at  the span of the match in the snippet, [start, end) in code points
 * @property {number} line  from 1
 * @property {number} offset  code points before the match in the text
 */
/** @typedef {import("../lib/frames.js").TaskEvent} TaskEvent */
/** @typedef {{ count: number, longestMs: number, totalMs: number }} Idle */
/** @typedef {{ fromMs: number, toMs: number | null, late: number }} Cut  late: matches emitted during it, seen after it */

/** A gap between two matches that is longer is an idle stretch. */
export const IDLE_MS = 1_000;

/** All times are ms since the start of the run, by the page's clock. */
export class SideRecord {
  emitted = new Series();
  seen = new Series();
  /** @type {Match[]} of the attempt that counts; it grows */
  matches = [];
  /** @type {Map<string, number>} */
  counts = new Map();
  /** @type {Cut[]} */
  cuts = [];
  /** @type {Idle} between matches */
  idle = noIdle();
  #keywords;

  /** @param {string[]} keywords */
  constructor(keywords) {
    this.#keywords = keywords;
    this.#restart([]);
  }

  /**
   * Take what was applied to the view.
   *
   * @param {{ chunks: Match[], attempt: number }} view
   * @param {TaskEvent[]} news
   * @param {number} nowMs
   * @param {(ts: number) => number} ageOf  ms since the server's time `ts`
   */
  take(view, news, nowMs, ageOf) {
    if (view.chunks !== this.matches) this.#restart(view.chunks);
    for (const event of news) {
      if (event.type === "chunk" && event.attempt === view.attempt) {
        this.#add(event.data.data.term, nowMs - ageOf(event.ts), nowMs);
      }
    }
  }

  /** @param {number} nowMs */
  cut(nowMs) {
    this.resumed(nowMs);
    this.cuts.push({ fromMs: nowMs, toMs: null, late: 0 });
  }

  /**
   * @param {number} nowMs
   * @returns {boolean} whether it was cut
   */
  resumed(nowMs) {
    const cut = this.cuts.at(-1);
    if (!cut || cut.toMs !== null) return false;
    cut.toMs = nowMs;
    return true;
  }

  /**
   * @param {string} term
   * @param {number} emittedMs
   * @param {number} seenMs
   */
  #add(term, emittedMs, seenMs) {
    const gap = emittedMs - this.emitted.last;
    if (gap > IDLE_MS) {
      this.idle.count += 1;
      this.idle.totalMs += gap;
      this.idle.longestMs = Math.max(this.idle.longestMs, gap);
    }
    this.emitted.push(emittedMs);
    this.seen.push(seenMs);
    this.counts.set(term, (this.counts.get(term) ?? 0) + 1);
    const cut = this.cuts.at(-1);
    if (cut?.toMs && emittedMs >= cut.fromMs && emittedMs < cut.toMs) cut.late += 1;
  }

  /**
   * The task began anew, or a further attempt did.
   *
   * @param {Match[]} matches
   */
  #restart(matches) {
    this.matches = matches;
    this.counts = new Map(this.#keywords.map((keyword) => [keyword, 0]));
    this.emitted.clear();
    this.seen.clear();
    this.idle = noIdle();
  }
}

/** @returns {Idle} */
function noIdle() {
  return { count: 0, longestMs: 0, totalMs: 0 };
}
