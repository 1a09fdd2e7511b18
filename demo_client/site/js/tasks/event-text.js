/** An event in one line. Pure. */

/** @typedef {import("../lib/frames.js").Item} Item */

const LONGEST = 300;

/**
 * The data of an event, or what a gap leaves out, as compact text that is cut.
 *
 * @param {Item} item
 */
export function eventText(item) {
  const data = /** @type {any} */ (item.data);
  switch (item.type) {
    case "gap":
      return `the events ${Number(item.after) + 1} to ${Number(item.before) - 1} are not kept any more`;
    case "status":
      return statusText(data);
    case "chunk":
      return `#${data.index} ${compact(data.data)}`;
    case "result":
      return compact(data.result);
    default:
      return compact(data);
  }
}

/** @param {any} data */
function statusText({ state, progress, message, error }) {
  const parts = [state];
  if (progress) {
    const { current, total, metrics } = progress;
    parts.push(total === null ? String(current) : `${current} of ${total}`);
    if (progress.message) parts.push(progress.message);
    if (metrics) parts.push(compact(metrics));
  }
  if (message) parts.push(message);
  if (error) parts.push(`${error.type}: ${error.message}`);
  return cut(parts.join(" · "));
}

/**
 * JSON, cut. Of a long string only the beginning is made into JSON: an event may have a million characters.
 *
 * @param {unknown} value
 */
export function compact(value) {
  const short = typeof value === "string" && value.length > LONGEST ? value.slice(0, LONGEST + 1) : value;
  return cut(JSON.stringify(short) ?? "");
}

/** @param {string} text */
function cut(text) {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
