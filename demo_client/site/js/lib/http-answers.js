/** What an HTTP answer weighs, and what it asks of whoever asks again. */

/** An answer may not send a page to sleep for longer. */
const LONGEST_WAIT_MS = 60_000;

/**
 * The bytes of an answer as HTTP/1.1 puts them on the wire: status line, the headers that a page may read, each
 * `name: value` and a line break, the empty line, and the body.
 *
 * A body counts as long as its Content-Length says, which is exact also for one that is compressed; without that
 * header, for what came is then not compressed by the service but on the way, as the browser measured it where it says,
 * and else by its text.
 *
 * @param {Response} response
 * @param {ArrayBuffer} body as decoded
 * @param {number} sentMs when it was asked for, by performance.now()
 */
export function answerBytes(response, body, sentMs) {
  let head = `HTTP/1.1 ${response.status} ${response.statusText}\r\n\r\n`.length;
  for (const [name, value] of response.headers) head += name.length + value.length + 4;
  return head + bodyBytes(response, body, sentMs);
}

/**
 * @param {Response} response
 * @param {ArrayBuffer} body
 * @param {number} sentMs
 */
function bodyBytes(response, body, sentMs) {
  if (body.byteLength === 0) return 0;
  const declared = response.headers.get("Content-Length");
  if (declared !== null) return Number(declared);
  if (response.headers.get("Content-Encoding") === null) return body.byteLength;
  const measured = performance
    .getEntriesByName(response.url, "resource")
    .findLast((entry) => entry.startTime >= sentMs);
  const encoded = measured === undefined ? 0 : /** @type {PerformanceResourceTiming} */ (measured).encodedBodySize;
  return encoded || body.byteLength;
}

/**
 * How long the answer asks to wait (RFC 9110 §10.2.3), in milliseconds; 0 when it does not.
 *
 * @param {Response} response
 */
export function retryAfterMs(response) {
  const text = response.headers.get("Retry-After");
  if (text === null) return 0;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(Math.max(ms, 0), LONGEST_WAIT_MS);
}
