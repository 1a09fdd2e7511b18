/** What the pages of a task say of it, in words. */

import { clockTime, count, NONE } from "../hub/format.js";

/** @typedef {import("./task-record.js").TaskRecord} TaskRecord */

const DAY_MS = 86_400_000;
const DAY = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/**
 * How far a task is: `ratio` is null when nobody knows.
 *
 * @param {Pick<TaskRecord, "state" | "progress">} record
 * @returns {{ ratio: number | null, percent: string, steps: string }}
 */
export function progressOf({ state, progress }) {
  const known = progress?.ratio ?? null;
  const ratio = known === null && state === "succeeded" ? 1 : known;
  const percent = ratio === null ? NONE : `${Math.floor(ratio * 100)} %`;
  if (progress === null) return { ratio, percent, steps: "" };
  const { current, total } = progress;
  return { ratio, percent, steps: total === null ? count(current) : `${count(current)} of ${count(total)}` };
}

/**
 * What is to be known of the state beyond its name: why it failed, what it waits for, what it does.
 *
 * @param {Pick<TaskRecord, "state" | "progress" | "message" | "error">} record
 */
export function remarkOf({ state, progress, message, error }) {
  if (state === "failed" && error) return `${error.type}: ${error.message}`;
  if (state === "running") return progress?.message ?? message ?? "";
  return message ?? "";
}

/**
 * The time of day, with the day unless that is within the last 24 hours.
 *
 * @param {number} unixMs
 * @param {number} [nowMs]
 */
export function shortTime(unixMs, nowMs = Date.now()) {
  return nowMs - unixMs < DAY_MS ? clockTime(unixMs) : DAY.format(unixMs);
}

/** A rate for people: whole from ten on. @param {number} perSecond */
export function rate(perSecond) {
  if (perSecond === 0) return "0";
  return perSecond < 9.95 ? perSecond.toFixed(1) : count(perSecond);
}

/**
 * Why nothing could be read, where it is read again without being asked for.
 *
 * @param {import("../hub/services.js").Problem} problem
 */
export function whyNot({ status, message }) {
  return status === 0 || status >= 500 ? "The api does not answer." : message;
}
