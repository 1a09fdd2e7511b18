/** The bound of the first wait. */
const FIRST_MS = 250;
/** The bound of the longest. */
const LONGEST_MS = 10_000;
/** The bound of the wait after a goodbye: long enough to spread thousands of clients, too short to be noticed. */
const SOON_MS = 100;
/** What lived this long has proved that the server is well: the next wait is a short one again. */
export const SETTLED_MS = 5_000;

/**
 * Waits before tries: random between 0 and a bound that doubles with each try ("full jitter").
 *
 * A server that goes away loses all its clients in one instant; random waits keep them from coming back in another.
 */
export class Backoff {
  #random;
  #attempt = 0;

  /** @param {() => number} random as Math.random */
  constructor(random) {
    this.#random = random;
  }

  /** The waits since the start or the last reset. */
  get attempt() {
    return this.#attempt;
  }

  /**
   * The next wait in milliseconds.
   *
   * @param {boolean} soon the peer asked to come back: if this is the first wait, it is a short one
   */
  next(soon = false) {
    const bound = soon && this.#attempt === 0 ? SOON_MS : Math.min(FIRST_MS * 2 ** this.#attempt, LONGEST_MS);
    this.#attempt += 1;
    return this.#random() * bound;
  }

  /** Begin with short waits again. */
  reset() {
    this.#attempt = 0;
  }
}
