import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { MAX_TASKS } from "../../site/js/lib/task-streams.js";
import { FollowedTasks } from "../../site/js/tasks/followed-tasks.js";
import { hello, result } from "../events.js";
import { FakeNetwork, FakeTimers, settle } from "../fakes.js";

/** @type {FakeNetwork} */
let network;
/** @type {FollowedTasks} */
let tasks;
/** @type {string[]} ids of own tasks that have ended */
let ends;

beforeEach(() => {
  network = new FakeNetwork();
  ends = [];
  const options = { url: "ws://server/ws", random: () => 0.5, ...new FakeTimers(), WebSocket: network.Socket };
  tasks = new FollowedTasks({ onChange() {}, onOwnEnd: ({ id }) => ends.push(id), onSocket() {} }, options);
});

/**
 * @param {number} number
 * @param {Partial<import("../../site/js/hub/services.js").Task>} [changes]
 */
function row(number, changes = {}) {
  return {
    id: taskId(number),
    kind: "synthetic",
    params: {},
    state: "queued",
    attempt: 0,
    seq: 0,
    progress: null,
    error: null,
    created_at: "2026-01-01T00:00:00Z",
    started_at: null,
    updated_at: "2026-01-01T00:00:00Z",
    finished_at: null,
    ...changes,
  };
}

/** @param {number} number */
function taskId(number) {
  return `0198c5a3-7b1e-7c42-9d10-${number.toString(16).padStart(12, "0")}`;
}

async function opened() {
  await settle();
  return network.last.open();
}

/** @param {number} number */
function refusal(number) {
  return { task: taskId(number), type: "error", code: 4504, message: "there is no such task" };
}

describe("a task whose stream is refused", () => {
  it("is not asked for again and again when it is the visitor's own", async () => {
    tasks.addOwn(row(1));
    const socket = await opened();
    socket.frame(refusal(1));
    for (let times = 0; times < 3; times += 1) tasks.list([]);

    assert.equal(socket.sent.length, 1);
    assert.equal(tasks.records.size, 0);
  });

  it("is asked for again when the list tells that it went on", async () => {
    tasks.list([row(1)]);
    const socket = await opened();
    socket.frame(refusal(1));
    for (const seq of [0, 0, 7]) tasks.list([row(1, { seq })]);

    assert.deepEqual(socket.sent, [
      { subscribe: taskId(1), after: "0" },
      { subscribe: taskId(1), after: "7" },
    ]);
  });

  it("is asked for again on another socket", async () => {
    tasks.list([row(1)]);
    (await opened()).frame(refusal(1));
    tasks.connectAgain();

    assert.deepEqual((await opened()).sent, [{ subscribe: taskId(1), after: "0" }]);
  });
});

it("a socket that is refused leaves the visitor's tasks his own", async () => {
  tasks.addOwn(row(1));
  (await opened()).closed(4501);
  tasks.list([]);
  assert.equal(tasks.records.size, 1);

  tasks.connectAgain();
  (await opened()).frame(hello({ task: taskId(1) })).frame(result(1, { task: taskId(1) }));
  assert.deepEqual(ends, [taskId(1)]);
});

it("a task too many for the socket waits until there is room", async () => {
  for (let number = 1; number <= MAX_TASKS + 1; number += 1) tasks.addOwn(row(number));
  const socket = await opened();
  assert.equal(tasks.size, MAX_TASKS);

  socket.frame(hello({ task: taskId(1) })).frame(result(1, { task: taskId(1) }));
  tasks.list([]);
  assert.deepEqual(socket.sent.at(-1), { subscribe: taskId(MAX_TASKS + 1), after: "0" });
  assert.deepEqual(ends, [taskId(1)]);
});
