/** The cancellations that were asked for here. */

import { cancelTask, Problem } from "../hub/services.js";

/** @typedef {{ busy: boolean, problem: string }} Cancellation  busy: asked for, until the task ends or it is refused */

/** So long it is told that a cancellation was refused. */
const TOLD_MS = 15_000;

/** @type {Readonly<Cancellation>} */
const NONE = Object.freeze({ busy: false, problem: "" });

export class Cancellations {
  /** @type {Map<string, Cancellation>} */
  #known = new Map();
  #onChange;

  /** @param {(id: string, task: import("../hub/services.js").Task | null) => void} onChange  task: as the api answers */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** @param {string} id */
  of(id) {
    return this.#known.get(id) ?? NONE;
  }

  /** @param {string} id */
  async ask(id) {
    if (this.of(id).busy) return;
    this.#note(id, { busy: true, problem: "" });
    try {
      const task = await cancelTask(id);
      this.#onChange(id, task);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const refused = { busy: false, problem: `Not cancelled. ${error.message}` };
      this.#note(id, refused);
      setTimeout(() => this.#known.get(id) === refused && this.#note(id, NONE), TOLD_MS);
    }
  }

  /**
   * @param {string} id
   * @param {Cancellation} cancellation
   */
  #note(id, cancellation) {
    this.#known.set(id, cancellation);
    this.#onChange(id, null);
  }
}
