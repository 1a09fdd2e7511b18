/** The tasks that are listed or that the visitor submitted, those that have not ended live over one socket. */

import { MAX_TASKS, TaskStreams } from "../lib/task-streams.js";
import { TaskRecord } from "./task-record.js";

/** @typedef {import("../hub/services.js").Task} Task */
/** @typedef {import("../lib/task-streams.js").Followed} Followed */
/** @typedef {import("../lib/task-streams.js").TaskStreamsOptions} TaskStreamsOptions */
/** @typedef {{ state: string, message: string }} Socket  state `idle`: there was nothing to follow yet */

export class FollowedTasks {
  /** @type {Map<string, TaskRecord>} */
  records = new Map();
  /** @type {Socket} */
  socket = { state: "idle", message: "Nothing to follow" };
  #onChange;
  #onOwnEnd;
  #onSocket;
  /** @type {Map<string, Followed>} */
  #followed = new Map();
  /** @type {Set<string>} submitted here, and not ended yet */
  #own = new Set();
  /** @type {Map<string, number>} streams that the api refuses, with the seq after which they were asked for */
  #refused = new Map();
  #options;
  #streams;

  /**
   * @param {object} callbacks
   * @param {(record: TaskRecord) => void} callbacks.onChange
   * @param {(record: TaskRecord) => void} callbacks.onOwnEnd  a task that the visitor submitted has ended
   * @param {() => void} callbacks.onSocket
   * @param {TaskStreamsOptions} [options]  of the socket
   */
  constructor({ onChange, onOwnEnd, onSocket }, options = {}) {
    this.#options = options;
    this.#onChange = onChange;
    this.#onOwnEnd = onOwnEnd;
    this.#onSocket = onSocket;
    this.#streams = this.#open();
  }

  /** Tasks that are on the socket now. */
  get size() {
    return this.#streams.size;
  }

  /**
   * These tasks are listed now: follow those that have not ended, and no others but the visitor's own.
   *
   * @param {Task[]} rows
   */
  list(rows) {
    const listed = new Set(rows.map((row) => row.id));
    for (const id of [...this.records.keys()]) if (!listed.has(id) && !this.#own.has(id)) this.#forget(id);
    for (const row of rows) this.adopt(row);
    for (const id of this.#own) this.#follow(id);
  }

  /**
   * What the api says of one task.
   *
   * @param {Task} row
   */
  adopt(row) {
    let record = this.records.get(row.id);
    if (record === undefined) {
      record = new TaskRecord(row);
      this.records.set(row.id, record);
    } else {
      record.adopt(row);
    }
    this.#changed(record);
    this.#follow(row.id);
  }

  /**
   * A task that the visitor has submitted.
   *
   * @param {Task} row
   */
  addOwn(row) {
    this.#own.add(row.id);
    this.adopt(row);
  }

  /** Make the socket anew, after it was refused for good. */
  connectAgain() {
    this.#streams.close();
    this.#followed.clear();
    this.#refused.clear();
    this.#streams = this.#open();
    for (const id of this.records.keys()) this.#follow(id);
  }

  #open() {
    return new TaskStreams({
      ...this.#options,
      onState: (state, { message }) => {
        this.socket = { state, message };
        this.#onSocket();
      },
    });
  }

  /** @param {string} id */
  #follow(id) {
    const record = this.records.get(id);
    if (record === undefined || record.ended || this.#followed.has(id) || this.#streams.state === "failed") return;
    if (this.#refused.get(id) === record.seq) return; // what was refused once would be again
    if (this.#streams.size >= MAX_TASKS) return; // the next page asks again
    const followed = this.#streams.follow(id, {
      after: String(record.seq), // what came before is of no use here: the row has what it led to
      onEvents: (events, { receivedMs }) => {
        record.take(events, receivedMs);
        this.#changed(record);
      },
      onReset: () => {
        record.reset();
        this.#changed(record);
      },
      onEnd: ({ how }) => {
        this.#followed.delete(id);
        if (how === "failed" && this.#streams.state !== "failed") this.#noteRefusal(record);
      },
    });
    this.#followed.set(id, followed);
  }

  /** Nobody will tell of its end; if the list has the task, the api's rows do. @param {TaskRecord} record */
  #noteRefusal({ id, seq }) {
    this.#refused.set(id, seq);
    this.#own.delete(id);
  }

  /** @param {TaskRecord} record */
  #changed(record) {
    if (record.ended) {
      this.#unfollow(record.id);
      if (this.#own.delete(record.id)) this.#onOwnEnd(record);
    }
    this.#onChange(record);
  }

  /** @param {string} id */
  #unfollow(id) {
    this.#followed.get(id)?.close();
    this.#followed.delete(id);
  }

  /** @param {string} id */
  #forget(id) {
    this.#unfollow(id);
    this.#refused.delete(id);
    this.records.delete(id);
  }
}
