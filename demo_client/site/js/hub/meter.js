/**
 * What the clients of one side have seen: the ages of updates, and what they cost in messages or requests and bytes.
 *
 * The age of an update is the time from its emission in the worker (`ts`) to its application in the page, in ms. It is
 * taken of chunks and results, which both sides deliver one by one; of progress, polling sees only the newest.
 */

/** Ages kept for the quantiles; of more, a uniform sample (Vitter's algorithm R). */
const KEPT = 20_000;

/** @typedef {{ messages: number, empty: number, bytes: number }} Traffic */
/** @typedef {{ count: number, p50: number, p95: number, max: number }} Quantiles  in ms; NaN when the count is 0 */

export class Meter {
  /** @type {number[]} */
  #sample = [];
  /** @type {number[]} */
  #window = [];
  #count = 0;
  #max = 0;

  /** @param {() => number} [random] */
  constructor(random = Math.random) {
    this.random = random;
  }

  /** @param {number} ageMs */
  record(ageMs) {
    this.#count += 1;
    this.#max = Math.max(this.#max, ageMs);
    this.#window.push(ageMs);
    if (this.#sample.length < KEPT) {
      this.#sample.push(ageMs);
      return;
    }
    const place = Math.floor(this.random() * this.#count);
    if (place < KEPT) this.#sample[place] = ageMs;
  }

  /** Of all updates so far. @returns {Quantiles} */
  totals() {
    const found = quantiles(this.#sample);
    return { ...found, count: this.#count, max: this.#count ? this.#max : Number.NaN };
  }

  /** Of those since the last call. @returns {Quantiles} */
  takeWindow() {
    const found = quantiles(this.#window);
    this.#window = [];
    return found;
  }
}

/**
 * @param {number[]} values
 * @returns {Quantiles}
 */
export function quantiles(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (/** @type {number} */ share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const count = sorted.length;
  return { count, p50: at(0.5) ?? Number.NaN, p95: at(0.95) ?? Number.NaN, max: sorted[count - 1] ?? Number.NaN };
}
