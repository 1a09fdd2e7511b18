import { isTerminal } from "./frames.js";

/**
 * @typedef {import("./frames.js").TaskEvent} TaskEvent
 *
 * @typedef {object} Progress
 * @property {number | null} current
 * @property {number | null} total
 * @property {number | null} ratio 0 to 1
 * @property {string | null} message
 * @property {Record<string, unknown> | null} metrics
 */

/**
 * What the events of a task, taken together, say of it. Pure: without clock and I/O.
 *
 * `fold` costs the number of events, however many came before; `chunks` is one array that grows, and another one after
 * a new attempt or a reset, so that a view may keep the array and draw only what was added.
 */
export class TaskView {
  /** @type {"queued" | "running" | "succeeded" | "failed" | "cancelled"} */
  state = "queued";
  /** The newest attempt; 0 before the first event. */
  attempt = 0;
  /** Of the newest event. */
  seq = 0;
  /** @type {Progress | null} */
  progress = null;
  /** @type {any[]} the data of the chunks of the newest attempt */
  chunks = [];
  /** @type {any} null while there is none; also when it is null, see `state` */
  result = null;
  /** @type {{type: string, message: string} | null} */
  error = null;
  /** @type {string | null} of the newest status; progress without a message leaves it */
  message = null;
  /** @type {number | null} the `ts` (Unix ms) of the first event that says `running` */
  startedTs = null;
  /** @type {number | null} the `ts` of the newest event */
  lastTs = null;
  /** @type {number | null} the `ts` of the terminal event */
  endedTs = null;

  /** Whether nothing will follow. */
  get ended() {
    return this.endedTs !== null;
  }

  /**
   * Take events in order of seq. Those that were taken already, and types that are not known, change nothing.
   *
   * @param {Iterable<TaskEvent>} events
   * @returns {this}
   */
  fold(events) {
    for (const event of events) {
      if (event.seq > this.seq) this.#take(event);
    }
    return this;
  }

  /** Forget everything: the task begins anew. */
  reset() {
    Object.assign(this, new TaskView());
  }

  /** @param {TaskEvent} event */
  #take(event) {
    this.seq = event.seq;
    if (event.attempt < this.attempt) return;
    if (event.attempt > this.attempt) this.#begin(event.attempt);
    this.lastTs = event.ts;
    if (event.type === "chunk") {
      this.chunks.push(event.data.data);
    } else if (event.type === "status") {
      this.#status(event);
    } else if (event.type === "result") {
      this.state = "succeeded";
      this.result = event.data.result;
      this.endedTs = event.ts;
    }
  }

  /** @param {number} attempt */
  #begin(attempt) {
    this.attempt = attempt;
    this.chunks = [];
    this.progress = null;
  }

  /** @param {TaskEvent} event */
  #status(event) {
    const { state, progress = null, message = null, error = null } = event.data;
    this.state = state;
    this.error = error;
    // a status that runs without progress begins an attempt; the others leave what was reached
    if (progress !== null || state === "running") this.progress = progress;
    if (progress === null || message !== null) this.message = message;
    if (state === "running") this.startedTs ??= event.ts;
    if (isTerminal(event)) this.endedTs = event.ts;
  }
}
