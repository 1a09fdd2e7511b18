/** Whether a client has seen every digit: each chunk says its place, and the places must follow each other. */

import { lossWords } from "../hub/words.js";

/** @typedef {import("../lib/task-stream.js").TaskEvent} TaskEvent */

export class Continuity {
  /** Digits seen of the newest attempt. */
  digits = 0;
  /** Digits that were passed over, and digits that came twice. */
  faults = 0;
  /** Connections that were cut on purpose. */
  cuts = 0;
  /** Connections that were lost otherwise, once they had brought something. */
  losses = 0;
  #attempt = 0;
  /** @type {{ digits: number, faults: number } | null} */
  #atEnd = null;

  /** @param {TaskEvent[]} events */
  take(events) {
    for (const { type, attempt, data } of events) {
      if (attempt > this.#attempt) this.#begin(attempt);
      if (type !== "chunk") continue;
      this.faults += Math.abs(data.index - this.digits);
      this.digits = data.index + 1;
    }
  }

  /** The task begins anew. */
  reset() {
    this.digits = 0;
    this.#attempt = 0;
  }

  /** The connection was cut on purpose, now. */
  cut() {
    this.cuts += 1;
    this.#interrupt();
  }

  /** The connection was lost, or a try to make it again failed. */
  lose() {
    if (this.#atEnd !== null || this.digits === 0) return;
    this.losses += 1;
    this.#interrupt();
  }

  /**
   * What to say of a connection that followed another, once it has brought something; null when there was no other.
   *
   * @returns {string | null}
   */
  takeResumption() {
    const end = this.#atEnd;
    if (end === null) return null;
    this.#atEnd = null;
    const place = end.digits > 0 ? `after digit ${end.digits}` : "before the first digit";
    return `Resumed ${place}, ${lossWords(this.faults - end.faults, "digit")}`;
  }

  #interrupt() {
    this.#atEnd = { digits: this.digits, faults: this.faults };
  }

  /** @param {number} attempt */
  #begin(attempt) {
    this.#attempt = attempt;
    this.digits = 0;
  }
}
