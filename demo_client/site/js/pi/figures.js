/** The figures of a run, and what their ratios say in a sentence: computed, whichever side they favour. */

import { bytes, count, duration } from "../hub/format.js";
import { total } from "../hub/load.js";

/** Ratios within this of 1 are the same, as far as one run on a shared machine can tell. */
const SAME = 0.1;
/** Below so much CPU of both sides, in ms, a ratio says nothing: the kernel counts in steps of up to 10 ms. */
const LEAST_CPU_MS = 100;

/** @typedef {"live" | "poll"} Side */
/** @typedef {"age" | "p95" | "max" | "api" | "worker" | "store" | "cpu" | "messages" | "empty" | "bytes"} Key */
/** @typedef {{ key: Key, label: string, live: number, poll: number, format: (value: number) => string }} Figure */
/**
 * @typedef {object} Measured
 * @property {import("../hub/meter.js").Quantiles} ages
 * @property {import("../hub/load.js").Cpu} cpu  ms, of the whole run
 * @property {import("../hub/meter.js").Traffic} traffic
 */

/** @type {[Key, string][]} */
const COSTS = [
  ["messages", "messages"],
  ["bytes", "bytes"],
  ["cpu", "server CPU"],
];

const cpu = (/** @type {number} */ ms) => (ms < 10 || Number.isNaN(ms) ? duration(ms) : `${count(ms)} ms`);

/**
 * NaN stands for what is unknown. Less is better in all of them.
 *
 * @param {Record<Side, Measured>} measured
 * @returns {Figure[]}
 */
export function figuresOf({ live, poll }) {
  /** @type {(key: Key, label: string, of: (side: Measured) => number, format: (value: number) => string) => Figure} */
  const figure = (key, label, of, format) => ({ key, label, live: of(live), poll: of(poll), format });
  return [
    figure("age", "Update age, median", ({ ages }) => ages.p50, duration),
    figure("p95", "Update age, 95 % are below", ({ ages }) => ages.p95, duration),
    figure("max", "Update age, oldest", ({ ages }) => ages.max, duration),
    figure("api", "CPU of the api processes", (side) => side.cpu.api, cpu),
    figure("worker", "CPU of the workers", (side) => side.cpu.worker, cpu),
    figure("store", "CPU of Redis", (side) => side.cpu.store || Number.NaN, cpu),
    figure("cpu", "CPU, total", (side) => total(side.cpu), cpu),
    figure("messages", "Messages, requests", ({ traffic }) => traffic.messages, count),
    figure("empty", "… with nothing new", ({ traffic }) => traffic.empty, count),
    figure("bytes", "Bytes received", ({ traffic }) => traffic.bytes, bytes),
  ];
}

/**
 * Polled to pushed: "26×". Two digits that count.
 *
 * @param {{ live: number, poll: number }} figure
 */
export function ratioOf({ live, poll }) {
  if (!(live > 0) || !(poll >= 0)) return "–";
  const value = poll / live;
  if (value >= 9.95) return `${count(value)}×`;
  return `${value.toFixed(value < 0.995 ? 2 : 1)}×`;
}

/**
 * One sentence: what polling cost of each thing compared with pushing, in these conditions.
 *
 * @param {Figure[]} figures
 * @param {import("./parameters.js").Parameters} parameters
 * @param {number} uncertaintyMs  of the ages
 */
export function verdictOn(figures, parameters, uncertaintyMs) {
  const known = new Map(figures.map((figure) => [figure.key, figure]));
  const parts = [agesIn(known.get("age"), uncertaintyMs), costsIn(known)].filter(Boolean);
  if (parts.length === 0) return `With ${conditions(parameters)}, too little was measured to compare the sides.`;
  return `With ${conditions(parameters)}, ${parts.join(", and ")}.`;
}

/** @param {import("./parameters.js").Parameters} parameters */
function conditions({ clients, digits, paceMs: [shortest, longest], strategy, intervalMs, tasks }) {
  const who = `${clients} ${clients === 1 ? "client" : "clients"} a side`;
  const pace = shortest === longest ? `${count(shortest)} ms` : `${count(shortest)}–${count(longest)} ms`;
  const work = `${tasks === "each" ? "a task each" : "one task"} of ${count(digits)} digits at ${pace}`;
  return `${who}, ${work}, and ${strategy === "long" ? "long polling" : `${strategy} polling every ${count(intervalMs)} ms`}`;
}

/**
 * An age below what the clocks are known to is compared as that.
 *
 * @param {Figure | undefined} figure
 * @param {number} uncertaintyMs
 */
function agesIn(figure, uncertaintyMs) {
  const { live = Number.NaN, poll = Number.NaN } = figure ?? {};
  if (!Number.isFinite(live) || !Number.isFinite(poll)) return "";
  const medians = `(${duration(poll)} against ${duration(live)} in the median)`;
  const least = Math.max(live, uncertaintyMs);
  const ratio = poll / least;
  if (isSame(ratio) || poll < uncertaintyMs) return `updates were about as old polled as pushed ${medians}`;
  const times = ratioOf({ live: least, poll });
  const bound = live < uncertaintyMs ? "at least " : "";
  return `an update that was polled was ${ratio < 1 ? "only " : bound}${times} as old as one that was pushed ${medians}`;
}

/** @param {Map<Key, Figure>} figures */
function costsIn(figures) {
  /** @type {string[]} */
  const more = [];
  /** @type {string[]} */
  const less = [];
  for (const [key, name] of COSTS) {
    const { live = Number.NaN, poll = Number.NaN } = figures.get(key) ?? {};
    if (!(live > 0) || !Number.isFinite(poll) || (key === "cpu" && live + poll < LEAST_CPU_MS)) continue;
    const ratio = poll / live;
    if (isSame(ratio)) more.push(`about the same ${name}`);
    else if (ratio > 1) more.push(`${ratioOf({ live, poll })} the ${name}`);
    else less.push(`${ratioOf({ live, poll })} the ${name}`);
  }
  if (more.length === 0 && less.length === 0) return "";
  const only = less.length ? `only ${listed(less)}` : "";
  return `polling took ${[listed(more), only].filter(Boolean).join(", but ")}`;
}

/** @param {number} ratio */
function isSame(ratio) {
  return ratio <= 1 + SAME && ratio >= 1 / (1 + SAME);
}

/** @param {string[]} texts */
function listed(texts) {
  return texts.length > 1 ? `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}` : (texts[0] ?? "");
}
