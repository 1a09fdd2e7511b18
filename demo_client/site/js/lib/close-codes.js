/** What a close code means to a client (docs/protocol.md §8), and how to put it to people. */

/** The terminal event was delivered. */
export const DONE = 1000;

/** The server expects the client back at once. */
const COME_BACK = new Set([4001, 4008, 4012]);

/** @type {Record<number, string>} */
const LOST = {
  4001: "The server is going away; reconnecting",
  4008: "This page could not keep up with the updates; reconnecting",
  4012: "The connection was silent for too long; reconnecting",
};

/** @type {Record<number, string>} */
const FINAL = {
  4501: "You are not signed in",
  4503: "You may not see this task",
  4504: "There is no such task",
  4509: "The server refused the request",
};

/**
 * Whether connecting again is of no use.
 *
 * @param {number} code
 */
export function isFinal(code) {
  return code >= 4500 && code <= 4999;
}

/**
 * Whether to come back at once.
 *
 * @param {number} code
 */
export function asksToComeBack(code) {
  return COME_BACK.has(code);
}

/**
 * A sentence for people.
 *
 * @param {number} code
 * @param {string} reason what the server says
 */
export function sentenceOf(code, reason) {
  if (!isFinal(code)) return LOST[code] ?? "The connection was lost; reconnecting";
  const known = FINAL[code];
  if (known !== undefined && code !== 4509) return known;
  return `${known ?? "The server ended the stream"}${reason ? `: ${reason}` : ""}`;
}
