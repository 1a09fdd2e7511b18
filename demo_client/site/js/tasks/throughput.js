/** How many updates a second there were lately. */

const SLOT_MS = 250;
/** The window is 3 s: a second jumps with each burst, and after ten a pause would not be seen. */
const SLOTS = 12;
/** A rate over less says little. */
const SHORTEST_MS = 1_000;

/** All times are of one clock that never goes back. */
export class Throughput {
  #counts = new Float64Array(SLOTS);
  #newest = 0;
  #firstMs = Number.NaN;

  /**
   * @param {number} count
   * @param {number} nowMs
   */
  add(count, nowMs) {
    if (count === 0) return;
    if (Number.isNaN(this.#firstMs)) this.#firstMs = nowMs;
    const slot = this.#advance(nowMs);
    this.#counts[slot % SLOTS] = (this.#counts[slot % SLOTS] ?? 0) + count;
  }

  /**
   * Over the window, or since the first update if that is later.
   *
   * @param {number} nowMs
   */
  perSecond(nowMs) {
    if (Number.isNaN(this.#firstMs)) return 0;
    this.#advance(nowMs);
    const windowMs = (SLOTS - 1) * SLOT_MS + (nowMs % SLOT_MS);
    const spanMs = Math.min(windowMs, Math.max(nowMs - this.#firstMs, SHORTEST_MS));
    return (this.#counts.reduce((sum, count) => sum + count, 0) / spanMs) * 1000;
  }

  /**
   * The slot of now; those that were left out have counted nothing.
   *
   * @param {number} nowMs
   */
  #advance(nowMs) {
    const slot = Math.floor(nowMs / SLOT_MS);
    for (let next = Math.max(this.#newest + 1, slot - SLOTS + 1); next <= slot; next += 1)
      this.#counts[next % SLOTS] = 0;
    this.#newest = Math.max(this.#newest, slot);
    return this.#newest;
  }
}
