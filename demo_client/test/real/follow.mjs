/**
 * Follow tasks of a real server, with the client that is asked for, and print what was seen: one JSON object a line.
 *
 *     node follow.mjs '{"client": "stream", "url": "http://…", "tasks": ["…"], "cutEvery": 50, "cutMs": 200}'
 *
 * `client` is stream, streams, or the strategy of a poll. After every `cutEvery`th event the connection is cut for
 * `cutMs`. `{"seen": n}` is printed once `tellAt` events were seen, and the transcript when every task has ended.
 */

import { StatusPoll } from "../../site/js/lib/status-poll.js";
import { TaskStream } from "../../site/js/lib/task-stream.js";
import { TaskStreams } from "../../site/js/lib/task-streams.js";
import { TaskView } from "../../site/js/lib/task-view.js";

/**
 * @typedef {object} Order
 * @property {"stream" | "streams" | import("../../site/js/lib/status-poll.js").Strategy} client
 * @property {string} url
 * @property {string[]} tasks
 * @property {string | null} [after]
 * @property {number} [intervalMs]
 * @property {number} [cutEvery]
 * @property {number} [cutMs]
 * @property {number} [tellAt]
 */

/** @type {Order} */
const order = JSON.parse(process.argv[2] ?? "");
const { cutEvery = Number.POSITIVE_INFINITY, cutMs = 0, tellAt = Number.POSITIVE_INFINITY, after = null } = order;

let seen = 0;
let cuts = 0;
/** @type {{state: string, message: string}[]} */
const states = [];
/** @type {unknown[]} */
const gaps = [];
/** @type {unknown[]} */
const ends = [];

const tasks = order.tasks.map((task) => ({
  task,
  seqs: /** @type {number[]} */ ([]),
  resets: 0,
  view: new TaskView(),
}));

/** @param {typeof tasks[number]} task */
function callbacks(task) {
  return {
    /** @param {import("../../site/js/lib/task-stream.js").TaskEvent[]} events */
    onEvents(events) {
      task.seqs.push(...events.map(({ seq }) => seq));
      task.view.fold(events);
      count(events.length);
    },
    onReset() {
      task.resets += 1;
    },
    /** @param {unknown} gap */
    onGap(gap) {
      gaps.push(gap);
    },
  };
}

/** @param {number} events */
function count(events) {
  const before = seen;
  seen += events;
  if (before < tellAt && seen >= tellAt) print({ seen });
  if (Math.floor(before / cutEvery) === Math.floor(seen / cutEvery) || tasks.every(({ view }) => view.ended)) return;
  cuts += 1;
  client.cut(cutMs);
}

/** @param {string} state @param {{message: string}} detail */
function onState(state, { message }) {
  states.push({ state, message });
  if (state === "ended" || state === "failed") finish();
}

function finish() {
  const { counters, state } = client;
  client.close();
  print({ tasks: tasks.map(({ view, ...rest }) => ({ ...rest, ...view })), states, state, counters, cuts, gaps, ends });
}

/** @param {unknown} value */
function print(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function make() {
  const { client: kind, url, intervalMs = 100 } = order;
  const [first] = tasks;
  if (first === undefined) throw new Error("there is nothing to follow");
  if (kind === "stream") return new TaskStream({ url, after, onState, ...callbacks(first) }).start();
  if (kind !== "streams")
    return new StatusPoll({ url, strategy: kind, intervalMs, onState, ...callbacks(first) }).start();
  const streams = new TaskStreams({ url, onState });
  let open = tasks.length;
  for (const task of tasks) {
    /** @param {unknown} reason */
    const onEnd = (reason) => {
      ends.push(reason);
      open -= 1;
      if (open === 0) finish();
    };
    streams.follow(task.task, { after, onEnd, ...callbacks(task) });
  }
  return streams;
}

const client = make();
