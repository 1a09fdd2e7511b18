/** A stream of one task in a world of fakes, which are new for each test of the file that imports this. */

import { beforeEach } from "node:test";
import { TaskStream } from "../site/js/lib/task-stream.js";
import { Recorder, TASK } from "./events.js";
import { FakeNetwork, FakeTimers, settle } from "./fakes.js";

/** @type {FakeTimers} */
export let timers;
/** @type {FakeNetwork} */
export let network;
/** @type {Recorder} */
export let seen;
/** @type {number} */
let random;

beforeEach(() => {
  timers = new FakeTimers();
  network = new FakeNetwork();
  seen = new Recorder();
  random = 0.5;
});

/** @param {number} value what every random number is from now on */
export function setRandom(value) {
  random = value;
}

/** @param {Partial<import("../site/js/lib/task-stream.js").TaskStreamOptions>} [options] */
export function makeStream(options = {}) {
  const environment = { ...timers, random: () => random, WebSocket: network.Socket };
  return new TaskStream({ url: `ws://server/ws/tasks/${TASK}`, ...environment, ...seen, ...options });
}

/**
 * A stream that is at its first try.
 *
 * @param {Partial<import("../site/js/lib/task-stream.js").TaskStreamOptions>} [options]
 */
export async function started(options) {
  const stream = makeStream(options).start();
  await settle();
  return stream;
}
