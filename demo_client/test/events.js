/** Events and control events as a server sends them, and the recorder of what a client makes of them. */

/**
 * @typedef {import("../site/js/lib/task-stream.js").TaskEvent} TaskEvent
 * @typedef {import("../site/js/lib/task-stream.js").StreamState} StreamState
 * @typedef {import("../site/js/lib/task-stream.js").StateDetail} StateDetail
 */

export const TASK = "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e";
export const EPOCH = "9f3c61d07a52be48";

/** @param {{task?: string, epoch?: string, seq?: number, resumed?: boolean}} [fields] */
export function hello({ task = TASK, epoch = EPOCH, seq = 0, resumed = false } = {}) {
  return { task, type: "hello", epoch, seq, resumed };
}

/**
 * @param {number} after
 * @param {number} before
 */
export function gap(after, before, task = TASK) {
  return { task, type: "gap", epoch: EPOCH, after, before };
}

/**
 * @param {number} seq
 * @param {Partial<TaskEvent>} [fields]
 * @returns {TaskEvent}
 */
export function chunk(seq, fields = {}) {
  return { task: TASK, seq, attempt: 1, ts: 1_000 + seq, type: "chunk", data: { index: seq, data: seq }, ...fields };
}

/**
 * @param {number} seq
 * @param {Record<string, unknown>} data
 * @param {Partial<TaskEvent>} [fields]
 * @returns {TaskEvent}
 */
export function status(seq, data, fields = {}) {
  return { ...chunk(seq), type: "status", data: { progress: null, message: null, ...data }, ...fields };
}

/**
 * @param {number} seq
 * @param {Partial<TaskEvent>} [fields]
 * @returns {TaskEvent}
 */
export function result(seq, fields = {}) {
  return { ...chunk(seq), type: "result", data: { result: "done" }, ...fields };
}

/** Callbacks that note what they are told. */
export class Recorder {
  /** @type {TaskEvent[]} since the last reset */
  events = [];
  /** @type {number[]} the sizes of the batches */
  batches = [];
  /** @type {any[]} */
  resets = [];
  /** @type {{after: number, before: number}[]} */
  gaps = [];
  /** @type {(StateDetail & {state: StreamState})[]} */
  states = [];
  /** @type {any[]} */
  ends = [];
  /** @type {number[]} */
  receivedMs = [];

  /** @type {(events: TaskEvent[], arrival: {receivedMs: number}) => void} */
  onEvents = (events, { receivedMs }) => {
    this.events.push(...events);
    this.batches.push(events.length);
    this.receivedMs.push(receivedMs);
  };

  /** @type {(hello?: any) => void} */
  onReset = (hello) => {
    this.events = [];
    this.resets.push(hello);
  };

  /** @type {(gap: {after: number, before: number}) => void} */
  onGap = (gap) => {
    this.gaps.push(gap);
  };

  /** @type {(state: StreamState, detail: StateDetail) => void} */
  onState = (state, detail) => {
    this.states.push({ state, ...detail });
  };

  /** @type {(reason: any) => void} */
  onEnd = (reason) => {
    this.ends.push(reason);
  };

  get seqs() {
    return this.events.map(({ seq }) => seq);
  }

  get told() {
    return this.states.map(({ state }) => state);
  }

  get lastState() {
    const last = this.states.at(-1);
    if (last === undefined) throw new Error("no state was told");
    return last;
  }
}

/**
 * 1, 2, … n.
 *
 * @param {number} n
 */
export function upTo(n) {
  return Array.from({ length: n }, (_, index) => index + 1);
}
