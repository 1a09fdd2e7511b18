/** The same tasks on both sides: submitted together, and cancelled together. */

import { API, BASELINE, cancelPolled, cancelTask, Problem, submitTask } from "./services.js";
import { SIDES, several } from "./words.js";

const BASES = { live: API, poll: BASELINE };
const CANCEL = { live: cancelTask, poll: cancelPolled };

/** @typedef {import("./words.js").Side} Side */

export class TaskPair {
  /** Ids. @type {Record<Side, string[]>} */
  tasks = { live: [], poll: [] };
  /** @type {Promise<unknown>} */
  #submitting = Promise.resolve();

  /**
   * Throws the Problem of a side that refuses or is away; what the other has accepted is then cancelled.
   *
   * @param {string} kind
   * @param {Record<string, unknown>} params
   * @param {number} [each]  tasks a side
   */
  async submit(kind, params, each = 1) {
    // by turns, so that neither side begins with all of its tasks
    const sides = Array.from({ length: each }, () => SIDES).flat();
    const submitting = Promise.allSettled(sides.map((side) => this.#submitOne(side, kind, params)));
    this.#submitting = submitting;
    const refused = (await submitting).find((answer) => answer.status === "rejected");
    if (!refused) return;
    const left = await this.cancel();
    throw left === null ? asProblem(refused.reason) : withNotice(asProblem(refused.reason), left);
  }

  /**
   * Cancel what runs, those tasks included whose submission is under way.
   *
   * @returns {Promise<string | null>}  a sentence about the tasks that could not be cancelled; null: none goes on
   */
  async cancel() {
    await this.#submitting;
    const cancels = SIDES.flatMap((side) => this.tasks[side].map((id) => CANCEL[side](id)));
    const answers = await Promise.allSettled(cancels);
    // 409: it had ended by itself
    const left = answers.flatMap((answer) =>
      answer.status === "rejected" && answer.reason?.status !== 409 ? [asProblem(answer.reason)] : [],
    );
    if (left.length === 0) return null;
    const which = left.length === 1 ? "it goes on to its end, which nobody follows" : "they go on unobserved";
    return `${several(left.length, "task")} could not be cancelled, and ${which}: ${left[0]?.message}`;
  }

  /**
   * @param {Side} side
   * @param {string} kind
   * @param {Record<string, unknown>} params
   */
  async #submitOne(side, kind, params) {
    const key = crypto.randomUUID();
    const submit = () => submitTask(BASES[side], kind, params, key);
    const { id } = await submit().catch((error) => {
      // with its key it is the same task, if it is one already; the baseline keeps no keys
      if (side === "live" && error instanceof Problem && error.status === 0) return submit();
      throw error;
    });
    this.tasks[side].push(id);
  }
}

/** @param {unknown} error */
function asProblem(error) {
  return error instanceof Problem ? error : new Problem(String(error));
}

/**
 * @param {Problem} problem
 * @param {string} notice
 */
function withNotice({ message, status, errors, retryAfterMs }, notice) {
  return new Problem(`${message} ${notice}`, { status, errors, retryAfterMs });
}
