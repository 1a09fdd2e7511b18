/** How long a page was hidden during a run. */

import { seconds } from "./format.js";

export class HiddenTime {
  #pastMs = 0;
  /** @type {number | null} */
  #sinceMs = null;
  #listening = new AbortController();

  /** Begin to count. */
  start() {
    this.#note();
    document.addEventListener("visibilitychange", () => this.#note(), { signal: this.#listening.signal });
    return this;
  }

  /** Count no further. */
  stop() {
    this.#pastMs = this.ms;
    this.#sinceMs = null;
    this.#listening.abort();
  }

  get ms() {
    return this.#pastMs + (this.#sinceMs === null ? 0 : performance.now() - this.#sinceMs);
  }

  #note() {
    this.#pastMs = this.ms;
    this.#sinceMs = document.hidden ? performance.now() : null;
  }
}

/**
 * What it means for the figures; null when it means nothing.
 *
 * @param {number} hiddenMs
 */
export function hiddenNote(hiddenMs) {
  if (hiddenMs === 0) return null;
  const long = hiddenMs < 1_000 ? "less than a second" : seconds(hiddenMs);
  return `The page was hidden for ${long}: its timers are slowed then, and polling looks worse than it is.`;
}
