/** Reads the page of tasks that the address names, again and again while it can be seen. */

import { API, Problem, request } from "../hub/services.js";

/** The api has no stream of new tasks. */
export const EVERY_MS = 3_000;
const LIMIT = 50;

/** @typedef {import("../hub/services.js").Task} Task */
/** @typedef {import("./address.js").Address} Address */
/** @typedef {{ items: Task[], next: string | null }} Page  `next`: the cursor of the older page, null on the last */

export class ListReader {
  #onPage;
  #onProblem;
  /** @type {Address | null} */
  #address = null;
  /** Counts what was asked for: an answer to an older question is dropped. */
  #question = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {object} callbacks
   * @param {(page: Page) => void} callbacks.onPage
   * @param {(problem: Problem) => void} callbacks.onProblem  it is asked again all the same
   */
  constructor({ onPage, onProblem }) {
    this.#onPage = onPage;
    this.#onProblem = onProblem;
    document.addEventListener("visibilitychange", () => this.again());
  }

  /**
   * Read what `address` names, from now on.
   *
   * @param {Address} address
   */
  read(address) {
    this.#address = address;
    this.again();
  }

  /** Read now, and then every few seconds; not while nobody looks. */
  async again() {
    clearTimeout(this.#timer);
    this.#question += 1;
    const question = this.#question;
    if (this.#address === null || document.hidden) return;
    try {
      const page = await request(addressOf(this.#address));
      if (question === this.#question) this.#onPage(page);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (question === this.#question) this.#onProblem(error);
    } finally {
      if (question === this.#question) this.#timer = setTimeout(() => this.again(), EVERY_MS);
    }
  }
}

/** @param {Address} address */
function addressOf({ kind, state, cursor }) {
  const query = new URLSearchParams({ limit: String(LIMIT) });
  for (const [name, value] of Object.entries({ kind, state, cursor })) if (value) query.set(name, value);
  return `${API}/tasks?${query}`;
}
