/** The tasks that are listed or that the visitor submitted, those that have not ended live over one socket. */

import { TaskStreams } from "../lib/task-streams.js";
import { TaskRecord } from "./task-record.js";

/** @typedef {import("../hub/services.js").Task} Task */
/** @typedef {import("../lib/task-streams.js").Followed} Followed */
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
  #streams;

  /**
   * @param {object} callbacks
   * @param {(record: TaskRecord) => void} callbacks.onChange
   * @param {(record: TaskRecord) => void} callbacks.onOwnEnd  a task that the visitor submitted has ended
   * @param {() => void} callbacks.onSocket
   */
  constructor({ onChange, onOwnEnd, onSocket }) {
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
    this.#streams = this.#open();
    for (const id of this.records.keys()) this.#follow(id);
  }

  #open() {
    return new TaskStreams({
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
      onEnd: () => this.#followed.delete(id), // if it was refused, the next page asks again
    });
    this.#followed.set(id, followed);
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
    this.records.delete(id);
  }
}
