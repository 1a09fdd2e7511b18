import { InvalidFrame, isEvent } from "./frames.js";

/**
 * Answers of `GET /tasks/{id}/status`, read and judged.
 *
 * @typedef {object} Answer
 * @property {number} seq of the task's newest event
 * @property {number | null} next the cursor to ask with; null when nothing follows
 * @property {import("./frames.js").TaskEvent[]} events in order
 *
 * @typedef {{is: "answer", answer: Answer}
 *   | {is: "same" | "ahead"}
 *   | {is: "error", message: string}
 *   | {is: "failed", message: string, reason: string}} Verdict
 *   same: nothing is new; ahead: the task has fewer events than the client has seen; error: try again; failed: do not
 */

/** 4xx that say nothing against the request itself: timeout, too early, too many. */
const TRY_AGAIN = new Set([408, 425, 429]);

/**
 * @param {Response} response
 * @param {ArrayBuffer} body
 * @param {number} after the seq that was asked with
 * @returns {Verdict}
 */
export function verdictOn({ status }, body, after) {
  if (status === 200) return read(body);
  if (status === 304) return { is: "same" };
  if (status === 429) return { is: "error", message: "The server has too many requests; trying again" };
  if (status >= 500) return { is: "error", message: "The server is in trouble; trying again" };
  if (status < 400 || TRY_AGAIN.has(status)) return { is: "error", message: "The server did not answer; trying again" };
  const problem = problemOf(body);
  if (status === 422 && after > 0 && problem.types.includes("cursor")) return { is: "ahead" };
  if (status === 404) return { is: "failed", message: "There is no such task", reason: problem.detail };
  const message = `The server refused the request${problem.detail ? `: ${problem.detail}` : ""}`;
  return { is: "failed", message, reason: problem.detail };
}

/**
 * @param {ArrayBuffer} body
 * @returns {Verdict}
 */
function read(body) {
  const { seq, next, events } = jsonOf(body) ?? {};
  if (Number.isSafeInteger(seq) && (next === null || Number.isSafeInteger(next)) && Array.isArray(events)) {
    try {
      return { is: "answer", answer: { seq, next, events: events.filter(isEvent) } };
    } catch (error) {
      if (!(error instanceof InvalidFrame)) throw error;
    }
  }
  return { is: "error", message: "The server sent something unintelligible; trying again" };
}

/**
 * What an RFC 9457 problem tells; nothing when the body is none.
 *
 * @param {ArrayBuffer} body
 */
function problemOf(body) {
  const problem = jsonOf(body);
  const errors = Array.isArray(problem?.errors) ? problem.errors : [];
  return { detail: String(problem?.detail ?? ""), types: errors.map((/** @type {any} */ error) => error?.type) };
}

/**
 * @param {ArrayBuffer} body
 * @returns {any} undefined when it is no JSON
 */
function jsonOf(body) {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
