/** The key that makes a submission which is sent again, because no answer came, the same task. */

export class SubmissionKey {
  #contents = "";
  #key = "";
  #random;

  /** @param {() => string} [random] */
  constructor(random = randomKey) {
    this.#random = random;
  }

  /**
   * The same as last time, unless that was settled or had other contents.
   *
   * @param {string} kind
   * @param {Record<string, unknown>} params
   */
  of(kind, params) {
    const contents = JSON.stringify([kind, params]);
    if (contents !== this.#contents) {
      this.#contents = contents;
      this.#key = this.#random();
    }
    return this.#key;
  }

  /** The task is there: the same contents are another task from now on. */
  settle() {
    this.#contents = "";
  }
}

/** Without crypto.randomUUID, which a page that came over plain http does not have. */
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
