/**
 * Frames and what is in them (docs/protocol.md §3.6).
 *
 * @typedef {{task: string, seq: number, attempt: number, ts: number, type: "status" | "chunk" | "result", data: any}}
 *   TaskEvent
 * @typedef {{task: string, type: "hello", epoch: string, seq: number, resumed: boolean}} Hello
 * @typedef {{task: string, type: "gap", epoch: string, after: number, before: number}} Gap
 * @typedef {{task?: unknown, type?: unknown, [key: string]: unknown}} Item one that has not been checked
 */

/** What came is no frame, or not one that can come here; the message says why. */
export class InvalidFrame extends Error {}

/**
 * The items of a frame, none of them checked. Throws InvalidFrame.
 *
 * @param {unknown} text
 * @returns {Item[]}
 */
export function parseFrame(text) {
  if (typeof text !== "string") throw new InvalidFrame("not a text");
  let items;
  try {
    items = JSON.parse(text);
  } catch {
    throw new InvalidFrame("not JSON");
  }
  if (!Array.isArray(items)) throw new InvalidFrame("not an array");
  for (const item of items) {
    if (typeof item !== "object" || item === null) throw new InvalidFrame("not an array of objects");
  }
  return items;
}

/**
 * Whether the item is an event; types that nobody knows are none. Throws InvalidFrame for an event that is broken.
 *
 * @param {Item} item
 * @returns {item is TaskEvent}
 */
export function isEvent(item) {
  const { type, seq, attempt, data } = item;
  if (type !== "chunk" && type !== "status" && type !== "result") return false;
  if (!isCount(seq, 1) || !isCount(attempt, 1) || typeof item.ts !== "number") {
    throw new InvalidFrame(`a ${type} without its numbers`);
  }
  if (typeof data !== "object" || data === null) throw new InvalidFrame(`a ${type} without data`);
  return true;
}

/**
 * Whether nothing follows the event (docs/protocol.md §3.5).
 *
 * @param {TaskEvent} event
 */
export function isTerminal({ type, data }) {
  return type === "result" || (type === "status" && data.state !== "queued" && data.state !== "running");
}

/**
 * Throws InvalidFrame.
 *
 * @param {Item} item
 * @returns {Hello}
 */
export function asHello(item) {
  const { epoch, seq, resumed } = item;
  if (typeof epoch !== "string" || !isCount(seq, 0) || typeof resumed !== "boolean") {
    throw new InvalidFrame("a broken hello");
  }
  return /** @type {Hello} */ (item);
}

/**
 * Throws InvalidFrame.
 *
 * @param {Item} item
 * @returns {Gap}
 */
export function asGap(item) {
  const { after, before } = item;
  if (!isCount(after, 0) || !isCount(before, after + 1)) throw new InvalidFrame("a broken gap");
  return /** @type {Gap} */ (item);
}

/**
 * @param {unknown} value
 * @param {number} least
 * @returns {value is number}
 */
function isCount(value, least) {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= least;
}

const encoder = new TextEncoder();

/**
 * The bytes of a text message of a server, as one WebSocket frame: the UTF-8 and a header of 2, 4 or 10 bytes
 * (RFC 6455 §5.2; a server does not mask). With a compression of messages, which the service leaves off, it is fewer.
 *
 * @param {string} text
 */
export function frameBytes(text) {
  const payload = encoder.encode(text).length;
  if (payload < 126) return payload + 2;
  return payload + (payload < 65_536 ? 4 : 10);
}
