/**
 * Cursors: the last event that a client has seen (docs/protocol.md §7), `<epoch>.<seq>`, or `<seq>` of the current
 * epoch.
 *
 * @typedef {{epoch: string | null, seq: number}} Cursor
 */

const FORM = /^(?:([0-9a-f]{1,16})\.)?(0|[1-9][0-9]{0,15})$/;

/**
 * Throws a RangeError for a text that is no cursor.
 *
 * @param {string} text
 * @returns {Cursor}
 */
export function parseCursor(text) {
  const match = FORM.exec(text);
  const seq = Number(match?.[2]);
  if (match === null || !Number.isSafeInteger(seq)) {
    throw new RangeError(`${JSON.stringify(text.slice(0, 40))} is not a cursor: expected "<epoch>.<seq>" or "<seq>"`);
  }
  return { epoch: match[1] ?? null, seq };
}

/**
 * @param {Cursor} cursor
 * @returns {string}
 */
export function formatCursor({ epoch, seq }) {
  return epoch === null ? String(seq) : `${epoch}.${seq}`;
}

/**
 * `url` as an absolute one, with the query parameter `after` unless that is null. Relative ones are of the page.
 * Throws a TypeError for what is no URL.
 *
 * @param {string | URL} url
 * @param {string | null} after
 * @returns {URL}
 */
export function addressAfter(url, after) {
  const address = new URL(url, globalThis.location?.href);
  if (after !== null) address.searchParams.set("after", after);
  return address;
}

/**
 * As `addressAfter`, of the WebSocket behind it: http is ws, and https is wss.
 *
 * @param {string | URL} url
 * @param {string | null} after
 * @returns {string}
 */
export function socketAddress(url, after) {
  const address = addressAfter(url, after);
  address.protocol = address.protocol.replace(/^http/, "ws");
  return address.href;
}
