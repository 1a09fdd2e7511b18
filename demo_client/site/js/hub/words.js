/** The words of every page: one name for one thing. */

/** @typedef {"live" | "poll"} Side */
/** @typedef {"plain" | "delta" | "long"} Strategy */

export const SIDES = /** @type {const} */ (["live", "poll"]);

/** @type {Readonly<Record<Side, string>>} */
export const SIDE_NAMES = Object.freeze({ live: "Event-driven", poll: "Polling" });

/** How long the buttons cut a connection. */
export const CUT_MS = 3_000;

/** What follows one task, by the state of its source. @type {Readonly<Record<string, string>>} */
const STREAM_STATES = Object.freeze({
  idle: "Not started",
  connecting: "Connecting",
  live: "Live",
  waiting: "Reconnecting",
  offline: "Cut off",
  ended: "Complete",
  failed: "Failed",
  stopped: "Stopped",
});

/** As the api names them, the furthest last. */
export const TASK_STATES = /** @type {const} */ (["queued", "running", "succeeded", "failed", "cancelled"]);

/** What is measured of both sides. */
export const FIGURES = Object.freeze({
  age: "Update age, median",
  p95: "Update age, 95 % are below",
  max: "Update age, oldest",
  messages: "Messages, requests",
  empty: "… with nothing new",
  bytes: "Bytes received",
  cpu: "CPU, total",
});

/** @type {Readonly<Record<Strategy, string>>} */
export const STRATEGY_NAMES = Object.freeze({ plain: "Plain", delta: "Delta", long: "Long" });

/** @type {Readonly<Record<Strategy, string>>} */
export const STRATEGY_HINTS = Object.freeze({
  plain: "Each answer is the whole state so far: what most polling does. It grows with the task.",
  delta: "A request asks for what follows the last update, with an ETag: nothing new is a short 304.",
  long: "As delta, but the server holds each request until something is new, for 25 s at most.",
});

/**
 * The state of a connection, for its badge. One that polls has none to be live: it polls.
 *
 * @param {string} state
 * @param {Side} [side]
 */
export function streamState(state, side = "live") {
  if (state === "live" && side === "poll") return SIDE_NAMES.poll;
  return STREAM_STATES[state] ?? capital(state);
}

/**
 * The state of a task, as the api names it.
 *
 * @param {string} state
 */
export function taskState(state) {
  return capital(state);
}

/**
 * How a side that polls asks, in the middle of a sentence.
 *
 * @param {{ strategy: Strategy, intervalMs: number }} parameters
 */
export function pollingWords({ strategy, intervalMs }) {
  return strategy === "long" ? "long polling" : `${strategy} polling every ${intervalMs.toLocaleString("en")} ms`;
}

/**
 * A number of things: "1 gap", "2 gaps".
 *
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function several(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/**
 * How often: "once", "3 times".
 *
 * @param {number} number
 */
export function times(number) {
  return number === 1 ? "once" : `${number.toLocaleString("en")} times`;
}

/** @param {string} text */
function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * A text as a sentence: with its first letter raised, and an end.
 *
 * @param {string} text
 */
export function sentence(text) {
  return /[.!?…]$/.test(text) ? capital(text) : `${capital(text)}.`;
}

/**
 * What a connection that was lost has cost: "nothing lost", "1 digit lost or repeated".
 *
 * @param {number} faults
 * @param {string} one
 */
export function lossWords(faults, one) {
  return faults === 0 ? "nothing lost" : `${several(faults, one)} lost or repeated`;
}
