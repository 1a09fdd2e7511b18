/** How long a sample counts. Clocks drift apart by some 50 µs a second at most, so by 3 ms in this time. */
const KEPT_MS = 60_000;
/** To what browsers round their clocks, so that pages cannot measure one another: 0.1 to 1 ms. */
const COARSE_MS = 1;

/**
 * @typedef {object} Sample
 * @property {number} receivedMs
 * @property {number} roundTripMs
 * @property {number} offsetMs
 */

/**
 * The clock of a server, as a page can know it.
 *
 * A request was sent at `sentMs`, and its answer, which says that it was `serverMs`, came at `receivedMs`. The server
 * looked at its clock somewhere between, so its offset is known to half the round trip, whatever the two ways took. Of
 * the samples of the last minute the one with the shortest round trip is believed. Those that a new sample contradicts
 * are forgotten: one of the clocks was set or has drifted, or the machine slept.
 *
 * All times are Unix milliseconds; those of the page are `performance.timeOrigin + performance.now()`, which unlike
 * Date.now() never jumps back.
 */
export class ServerClock {
  #pageNow;
  /** @type {Sample[]} oldest and best first: one that came before a better one will never be needed */
  #samples = [];

  /** @param {{pageNow?: () => number}} [options] */
  constructor({ pageNow = () => performance.timeOrigin + performance.now() } = {}) {
    this.#pageNow = pageNow;
  }

  /**
   * Add what one request has shown; what makes no sense is ignored.
   *
   * @param {number} sentMs page's clock
   * @param {number} serverMs server's clock
   * @param {number} receivedMs page's clock
   */
  sample(sentMs, serverMs, receivedMs) {
    const roundTripMs = receivedMs - sentMs;
    if (!(roundTripMs >= 0) || !Number.isFinite(serverMs) || !Number.isFinite(roundTripMs)) return;
    const added = { receivedMs, roundTripMs, offsetMs: serverMs - (sentMs + receivedMs) / 2 };
    this.#samples = this.#samples.filter(
      (known) => receivedMs - known.receivedMs <= KEPT_MS && known.roundTripMs < roundTripMs && agree(known, added),
    );
    this.#samples.push(added);
  }

  /** Server minus page, in milliseconds; 0 before the first sample. */
  get offsetMs() {
    return this.#samples[0]?.offsetMs ?? 0;
  }

  /** How far off `now` may be: half the best round trip. Infinity before the first sample. */
  get uncertaintyMs() {
    const best = this.#samples[0];
    return best === undefined ? Infinity : best.roundTripMs / 2;
  }

  /** The server's Unix time in milliseconds. */
  now() {
    return this.toServer(this.#pageNow());
  }

  /**
   * A time of the page as one of the server.
   *
   * @param {number} pageMs
   */
  toServer(pageMs) {
    return pageMs + this.offsetMs;
  }
}

/**
 * Whether one offset can explain both samples.
 *
 * @param {Sample} a
 * @param {Sample} b
 */
function agree(a, b) {
  const apart = Math.abs(a.offsetMs - b.offsetMs);
  return apart <= (a.roundTripMs + b.roundTripMs) / 2 + COARSE_MS;
}
