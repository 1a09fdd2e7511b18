/** The figures of a run, and what their ratios say in a sentence: computed, whichever side they favour. */

import { bytes, count, duration, ratio, TOO_SHORT } from "../hub/format.js";
import { total } from "../hub/load.js";
import { FIGURES, pollingWords, several } from "../hub/words.js";
import { LEAST_MS } from "./sampler.js";

/** Ratios within this of 1 are the same, as far as one run on a shared machine can tell. */
const SAME = 0.1;
/** Below so much CPU of both sides, in ms, a ratio says nothing: the kernel counts in steps of up to 10 ms. */
const LEAST_CPU_MS = 100;

/** @typedef {import("../hub/words.js").Side} Side */
/** @typedef {"age" | "p95" | "max" | "api" | "worker" | "store" | "cpu" | "messages" | "empty" | "bytes"} Key */
/** @typedef {{ key: Key, label: string, live: number, poll: number, told: Record<Side, string> }} Figure  told: for people */
/** @typedef {{ ages: boolean, rates: boolean }} TooShort  what a run was over too soon for */
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

/** @typedef {(side: Measured) => number} Part */

/** A worker is measured in steps of the kernel: what is none of them is not nothing. */
const cpu = (/** @type {number} */ ms) => {
  if (ms === 0) return "under 10 ms";
  return ms < 10 || Number.isNaN(ms) ? duration(ms) : `${count(ms)} ms`;
};

/**
 * NaN stands for what is unknown, or was too short to measure. Less is better in all of them.
 *
 * @param {Record<Side, Measured>} measured
 * @param {TooShort} tooShort
 * @returns {Figure[]}
 */
export function figuresOf(measured, tooShort) {
  /** @type {(key: Key, label: string, of: Part, format: (value: number) => string) => Figure} */
  const figure = (key, label, of, format) => {
    const [live, poll] = [of(measured.live), of(measured.poll)];
    return { key, label, live, poll, told: { live: format(live), poll: format(poll) } };
  };
  const age = (/** @type {number} */ ms) => (tooShort.ages && Number.isNaN(ms) ? TOO_SHORT : duration(ms));
  const used = (/** @type {Key} */ key, /** @type {string} */ label, /** @type {Part} */ of) =>
    tooShort.rates ? unmeasured(figure(key, label, of, cpu)) : figure(key, label, of, cpu);
  return [
    figure("age", FIGURES.age, ({ ages }) => ages.p50, age),
    figure("p95", FIGURES.p95, ({ ages }) => ages.p95, age),
    figure("max", FIGURES.max, ({ ages }) => ages.max, age),
    used("api", "CPU of the api processes", (side) => side.cpu.api),
    used("worker", "CPU of the workers", (side) => side.cpu.worker),
    used("store", "CPU of Redis", (side) => side.cpu.store || Number.NaN),
    used("cpu", FIGURES.cpu, (side) => total(side.cpu)),
    figure("messages", FIGURES.messages, ({ traffic }) => traffic.messages, count),
    figure("empty", FIGURES.empty, ({ traffic }) => traffic.empty, count),
    figure("bytes", FIGURES.bytes, ({ traffic }) => traffic.bytes, bytes),
  ];
}

/**
 * A figure that says so in place of its values; what a side has none of stays away.
 *
 * @param {Figure} figure
 * @returns {Figure}
 */
function unmeasured({ key, label, live, poll, told }) {
  const instead = {
    live: Number.isNaN(live) ? told.live : TOO_SHORT,
    poll: Number.isNaN(poll) ? told.poll : TOO_SHORT,
  };
  return { key, label, live: Number.NaN, poll: Number.NaN, told: instead };
}

/**
 * What a side did in a second, and how old its updates were, over the whole run; NaN for what was not measured.
 *
 * @param {Measured} measured
 * @param {number} durationMs
 * @returns {import("./sampler.js").SideSample}
 */
export function meanOf({ ages, cpu, traffic: { messages, bytes } }, durationMs) {
  const perSecond = (/** @type {number} */ amount) =>
    durationMs < LEAST_MS ? Number.NaN : (amount * 1000) / durationMs;
  return { ageMs: ages.p50, cpu: perSecond(total(cpu)), messages: perSecond(messages), bytes: perSecond(bytes) };
}

/**
 * The parts of a side's CPU that are not known, for people.
 *
 * @param {Record<Side, Measured>} measured
 * @returns {string[]}
 */
export function missingCpu(measured) {
  const sides = /** @type {const} */ ([
    ["live", "event-driven", { api: "the api", worker: "the workers", store: "Redis" }],
    ["poll", "polling", { api: "the api", worker: "the worker", store: "" }],
  ]);
  return sides.flatMap(([side, spoken, names]) => {
    const { cpu: known } = measured[side];
    const parts = /** @type {const} */ (["api", "worker", "store"]).filter((part) => Number.isNaN(known[part]));
    return parts.map((part) => `${names[part]} (${spoken})`);
  });
}

/**
 * One sentence: what polling cost of each thing compared with pushing, in these conditions.
 *
 * @param {Figure[]} figures
 * @param {import("./parameters.js").Parameters} parameters
 * @param {number | null} uncertaintyMs  of the ages; null when they cannot be compared
 */
export function verdictOn(figures, parameters, uncertaintyMs) {
  const known = new Map(figures.map((figure) => [figure.key, figure]));
  const ages = uncertaintyMs === null ? "" : agesIn(known.get("age"), uncertaintyMs);
  const parts = [ages, costsIn(known)].filter(Boolean);
  if (parts.length === 0) return `With ${conditions(parameters)}, too little was measured to compare the sides.`;
  return `With ${conditions(parameters)}, ${parts.join(", and ")}.`;
}

/** @param {import("./parameters.js").Parameters} parameters */
function conditions({ clients, digits, paceMs: [shortest, longest], strategy, intervalMs, tasks }) {
  const who = `${several(clients, "client")} a side`;
  const pace = shortest === longest ? `${count(shortest)} ms` : `${count(shortest)}–${count(longest)} ms`;
  const work = `${tasks === "each" ? "a task each" : "one task"} of ${several(digits, "digit")} at ${pace}`;
  return `${who}, ${work}, and ${pollingWords({ strategy, intervalMs })}`;
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
  const share = poll / least;
  if (isSame(share) || poll < uncertaintyMs) return `updates were about as old polled as pushed ${medians}`;
  const times = ratio(poll, least);
  const bound = live < uncertaintyMs ? "at least " : "";
  return `an update that was polled was ${share < 1 ? "only " : bound}${times} as old as one that was pushed ${medians}`;
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
    const share = poll / live;
    if (isSame(share)) more.push(`about the same ${name}`);
    else if (share > 1) more.push(`${ratio(poll, live)} the ${name}`);
    else less.push(`${ratio(poll, live)} the ${name}`);
  }
  if (more.length === 0 && less.length === 0) return "";
  const only = less.length ? `only ${listed(less)}` : "";
  return `polling took ${[listed(more), only].filter(Boolean).join(", but ")}`;
}

/** @param {number} share */
function isSame(share) {
  return share <= 1 + SAME && share >= 1 / (1 + SAME);
}

/** @param {string[]} texts */
function listed(texts) {
  return texts.length > 1 ? `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}` : (texts[0] ?? "");
}
