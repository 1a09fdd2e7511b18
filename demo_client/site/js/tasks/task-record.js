/** A task as the dashboard knows it: what the api said of it, and what its stream has told since. */

import { isTerminal } from "../lib/frames.js";
import { Throughput } from "./throughput.js";

/** @typedef {import("../lib/frames.js").TaskEvent} TaskEvent */
/** @typedef {import("../hub/services.js").Task} Task */

/** Chunks are counted and not kept. Times are Unix ms of the servers. */
export class TaskRecord {
  state = "queued";
  attempt = 0;
  seq = 0;
  /** @type {Task["progress"]} */
  progress = null;
  /** @type {string | null} of the newest status: why it waits, for one */
  message = null;
  /** @type {Task["error"]} */
  error = null;
  /** @type {number | null} */
  startedMs = null;
  /** The newest event, or what the api knows of it. */
  lastMs = 0;
  /** @type {number | null} */
  endedMs = null;
  throughput = new Throughput();
  #afterChunk = false;

  /** @param {Task} row */
  constructor(row) {
    this.id = row.id;
    this.kind = row.kind;
    this.createdMs = Date.parse(row.created_at);
    this.#copy(row);
  }

  get ended() {
    return this.endedMs !== null;
  }

  /**
   * Take what the api says, unless the stream has told more: the api's rows are a second behind.
   *
   * @param {Task} row
   */
  adopt(row) {
    if (this.ended || (row.seq < this.seq && row.finished_at === null)) return;
    this.#copy(row);
  }

  /**
   * Take events in order of seq; those that were taken already change nothing.
   *
   * @param {TaskEvent[]} events
   * @param {number} receivedMs  page's clock
   */
  take(events, receivedMs) {
    let updates = 0;
    for (const event of events) {
      if (event.seq <= this.seq) continue;
      updates += this.#count(event);
      this.#fold(event);
    }
    this.throughput.add(updates, receivedMs);
  }

  /** The stream begins anew. */
  reset() {
    this.state = "queued";
    this.attempt = 0;
    this.seq = 0;
    this.progress = this.message = this.error = null;
    this.startedMs = this.endedMs = null;
  }

  /** @param {Task} row */
  #copy(row) {
    if (row.seq !== this.seq) this.message = null;
    this.state = row.state;
    this.attempt = row.attempt;
    this.seq = row.seq;
    this.progress = row.progress;
    this.error = row.error;
    this.startedMs = row.started_at === null ? null : Date.parse(row.started_at);
    this.lastMs = Date.parse(row.updated_at);
    this.endedMs = row.finished_at === null ? null : Date.parse(row.finished_at);
  }

  /**
   * A chunk and the progress that comes with it are one update.
   *
   * @param {TaskEvent} event
   */
  #count({ type, data }) {
    const joined = this.#afterChunk && type === "status" && data.progress !== null;
    this.#afterChunk = type === "chunk";
    return joined ? 0 : 1;
  }

  /** @param {TaskEvent} event */
  #fold(event) {
    this.seq = event.seq;
    this.lastMs = event.ts;
    if (event.attempt < this.attempt) return;
    if (event.attempt > this.attempt) {
      this.attempt = event.attempt;
      this.progress = null;
    }
    if (event.type === "status") this.#status(event);
    else if (event.type === "result") this.state = "succeeded";
    if (isTerminal(event)) this.endedMs = event.ts;
  }

  /** @param {TaskEvent} event */
  #status({ ts, data }) {
    const { state, progress = null, message = null, error = null } = data;
    this.state = state;
    this.error = error;
    // a status that runs without progress begins an attempt; the others leave what was reached
    if (progress !== null || state === "running") this.progress = progress;
    if (progress === null || message !== null) this.message = message;
    if (state === "running") this.startedMs ??= ts;
  }
}
