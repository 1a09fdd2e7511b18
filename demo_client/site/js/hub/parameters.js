/** The parameters that both pages have: how they are read from texts and from addresses, and what is said of wrong ones. */

/** @typedef {readonly [least: number, most: number]} Limits */

export const LIMITS = Object.freeze({
  pace: /** @type {Limits} */ ([0, 60_000]),
  interval: /** @type {Limits} */ ([50, 10_000]),
});

const NUMBER = new Intl.NumberFormat("en");

/**
 * @param {string} text
 * @param {Limits} limits
 * @returns {number}  NaN when the text is no whole number within the limits
 */
export function wholeNumber(text, [least, most]) {
  const value = /^\d{1,12}$/.test(text.trim()) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? value : Number.NaN;
}

/**
 * What to say of a text that is no such number.
 *
 * @param {string} text
 * @param {Limits} limits
 */
export function notWhole(text, limits) {
  const given = text.trim() === "" ? "" : ` “${shortened(text.trim())}” is not one.`;
  return `Enter a whole number from ${range(limits)}.${given}`;
}

/** @param {Limits} limits */
export function range([least, most]) {
  return `${NUMBER.format(least)} to ${NUMBER.format(most)}`;
}

/**
 * The pauses between two steps of a task.
 *
 * @param {readonly [string, string]} ends
 * @returns {{ paceMs: [number, number], wrong: string | null }}
 */
export function readPace(ends) {
  const [shortest, longest] = ends.map((end) => wholeNumber(end, LIMITS.pace));
  const paceMs = /** @type {[number, number]} */ ([shortest, longest]);
  if (paceMs.some(Number.isNaN)) return { paceMs, wrong: `Enter two whole numbers from ${range(LIMITS.pace)}.` };
  const reversed = paceMs[0] > paceMs[1];
  return { paceMs, wrong: reversed ? "The shortest pause is longer than the longest. Exchange them." : null };
}

/**
 * A pace as an address has it: "100-500", or "100" for pauses that are all alike.
 *
 * @param {string} pace
 * @returns {[string, string]}
 */
export function paceEnds(pace) {
  const at = pace.indexOf("-", 1);
  return at < 0 ? [pace, pace] : [pace.slice(0, at), pace.slice(at + 1)];
}

/**
 * A sentence about the names in an address that are no parameters of the page; null when all are.
 *
 * @param {URLSearchParams} query
 * @param {readonly string[]} known
 */
export function unknownNames(query, known) {
  const names = new Set([...query.keys()].filter((name) => !known.includes(name)));
  if (names.size === 0) return null;
  const told = [...names].map((name) => `“${shortened(name)}”`).join(", ");
  return `This page has no parameter ${told}; the address names ${names.size === 1 ? "it" : "them"}.`;
}

/** @param {string} text */
export function shortened(text) {
  const characters = Array.from(text);
  return characters.length <= 30 ? text : `${characters.slice(0, 30).join("")}…`;
}
