/** Matches as the task reports them, and their snippets in parts. */

/**
 * @typedef {object} Match
 * @property {string} term  the keyword
 * @property {string} match  as it stands in the text
 * @property {string} snippet  the match with its surroundings, on one line
 * @property {[number, number]} at  the span of the match in the snippet, [start, end) in code points
 * @property {number} line  from 1
 * @property {number} offset  code points before the match in the text
 */

/**
 * What is before the match, the match, and what is after it. A string counts in UTF-16 units, a span in code points.
 *
 * @param {Pick<Match, "snippet" | "at">} match
 * @returns {[before: string, match: string, after: string]}
 */
export function parts({ snippet, at }) {
  const [start, end] = at;
  const points = Array.from(snippet);
  return [points.slice(0, start).join(""), points.slice(start, end).join(""), points.slice(end).join("")];
}
