/** What a run that is over says: whether both sides showed the same, and what the figures of both mean. */

import { bytes, count, duration, ratio } from "../hub/format.js";
import { SIDE_NAMES, several } from "../hub/words.js";

/** @typedef {import("./side-record.js").Match} Match */
/** @typedef {import("../hub/meter.js").Quantiles} Quantiles */
/** @typedef {import("../hub/meter.js").Traffic} Traffic */
/** @typedef {import("./side-record.js").Idle} Idle */
/** @typedef {{ total: number, counts: Record<string, number>, characters: number, lines: number, truncated: boolean }} Result */
/** @typedef {{ matches: Match[], result: Result | null, error: string | null, cuts: number }} Ending  of one side */
/** @typedef {{ ages: Quantiles, traffic: Traffic, cuts: number }} Figures  of one side */
/** @typedef {{ good: boolean, text: string }} Verdict */

/**
 * Where two lists differ first; null when they are the same, from the first match to the last.
 *
 * @param {Match[]} one
 * @param {Match[]} other
 * @returns {number | null}
 */
export function firstDifference(one, other) {
  const shared = Math.min(one.length, other.length);
  for (let index = 0; index < shared; index += 1) {
    if (!same(one[index], other[index])) return index;
  }
  return one.length === other.length ? null : shared;
}

/**
 * Whether both sides showed all there was, and the same.
 *
 * @param {Record<import("../hub/words.js").Side, Ending>} endings
 * @returns {Verdict}
 */
export function comparison({ live, poll }) {
  if (!live.result || !poll.result) {
    const shared = Math.min(live.matches.length, poll.matches.length);
    const alike = firstDifference(live.matches.slice(0, shared), poll.matches.slice(0, shared)) === null;
    const shown =
      shared === 1 ? "the match that both have shown is" : `the ${count(shared)} matches that both have shown are`;
    const far = shared === 0 ? "there was nothing to compare" : `${shown} ${alike ? "identical" : "not identical"}`;
    return { good: false, text: `The run did not end on both sides; ${far}.` };
  }
  const missing = [missed("live", live), missed("poll", poll)].filter(Boolean);
  if (missing.length > 0) return { good: false, text: missing.join(" ") };
  const at = firstDifference(live.matches, poll.matches);
  if (at !== null) return { good: false, text: `The two sides differ from match ${count(at + 1)} on.` };
  const cuts = live.cuts + poll.cuts;
  const despite = cuts === 0 ? "" : `, despite ${cuts === 1 ? "the cut" : `${cuts} cuts`}`;
  const what = live.matches.length === 0 ? "no match, as their results say" : told(live.matches.length);
  return { good: true, text: `Both sides showed ${what}${despite}.` };
}

/**
 * How often polling asked for nothing, what that bought, and what the other side showed for it: one sentence.
 *
 * @param {Record<import("../hub/words.js").Side, Figures>} figures
 * @param {import("../hub/words.js").Strategy} strategy
 * @param {boolean} [agesCount]  false when polling was slowed by the browser: its ages then say nothing
 */
export function meaning({ live, poll }, strategy, agesCount = true) {
  const { messages: requests, empty } = poll.traffic;
  const none = empty === 0 ? "none" : `${count(empty)} (${share(empty, requests)})`;
  const held = strategy === "long" ? ", as the server held each until there was news" : "";
  const asked = `Requests of the polling side: ${count(requests)}, of which ${none} returned nothing new${held}`;
  const cost = `${several(live.traffic.messages, "message")}, in ${bytes(live.traffic.bytes)} instead of ${bytes(poll.traffic.bytes)}`;
  if (poll.ages.count === 0 || live.ages.count === 0) return `${asked}.`;
  if (!agesCount) return `${asked}; the event-driven side took ${cost}.`;
  const bought = `they bought updates that were ${duration(poll.ages.p50)} old in the median when they were seen`;
  const pushed = `the event-driven side showed them after ${duration(live.ages.p50)}${compared(live.ages.p50, poll.ages.p50)}`;
  const cut = live.cuts + poll.cuts > 0 ? "; what a cut made late is counted in" : "";
  return `${asked}; ${bought}, where ${pushed} with ${cost}${cut}.`;
}

/**
 * @param {number} part
 * @param {number} whole
 */
export function share(part, whole) {
  return whole > 0 ? `${Math.round((100 * part) / whole)} %` : "–";
}

/**
 * @param {number} one
 * @param {number} other
 */
function compared(one, other) {
  if (other >= one * 1.5) return ` (${ratio(other, one)} fresher)`;
  return one >= other * 1.5 ? ` (${ratio(one, other)} older)` : " (about the same)";
}

/** @param {number} matches */
function told(matches) {
  return matches === 1 ? "the same single match" : `the same ${count(matches)} matches in the same order, none missing`;
}

/**
 * @param {import("../hub/words.js").Side} side
 * @param {Ending} ending
 */
function missed(side, { matches, result }) {
  if (!result || result.total === matches.length) return "";
  return `The ${SIDE_NAMES[side].toLowerCase()} side showed ${count(matches.length)} of ${several(result.total, "match", "matches")}.`;
}

/**
 * @param {Match | undefined} one
 * @param {Match | undefined} other
 */
function same(one, other) {
  return (
    one?.offset === other?.offset &&
    one?.term === other?.term &&
    one?.line === other?.line &&
    one?.match === other?.match &&
    one?.snippet === other?.snippet &&
    String(one?.at) === String(other?.at)
  );
}
