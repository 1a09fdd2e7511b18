/** Times in the order in which they came, as many as there are: packed, so that 200,000 cost 1.6 MB. */

export class Series {
  #values = new Float64Array(256);
  #length = 0;

  get length() {
    return this.#length;
  }

  get last() {
    return this.at(this.#length - 1);
  }

  /**
   * Add a time. One that is before the last is taken for the same: two readings of a clock differ by some.
   *
   * @param {number} value
   */
  push(value) {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = this.#length > 0 ? Math.max(value, this.last) : value;
    this.#length += 1;
  }

  /** @param {number} index  @returns {number} NaN where there is none */
  at(index) {
    return index < this.#length ? (this.#values[index] ?? Number.NaN) : Number.NaN;
  }

  clear() {
    this.#length = 0;
  }

  /**
   * The index of the first time at `value` or later; the length when there is none.
   *
   * @param {number} value
   */
  firstFrom(value) {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
