/** Numbers and times for people. All are of constant width where they change quickly. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const DATE = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });

export const NONE = "–";
/** In place of a value that would say nothing, or of one that there is none of, because the run was over so soon. */
export const TOO_SHORT = "too short to measure";

/** @param {number | null | undefined} value */
export function count(value) {
  return value === null || value === undefined || Number.isNaN(value) ? NONE : WHOLE.format(value);
}

/**
 * A duration: below 10 ms with a tenth, from 10 s on in seconds, from 2 minutes on in minutes and seconds.
 *
 * @param {number | null | undefined} ms
 */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return NONE;
  // what is rounded decides on the unit, so that no 10,000 ms and no 60 s are printed
  if (ms < 9.95) return `${TENTHS.format(Math.max(ms, 0))} ms`;
  if (Math.round(ms) < 10_000) return `${WHOLE.format(ms)} ms`;
  if (Math.round(ms / 100) < 1_200) return `${TENTHS.format(ms / 1000)} s`;
  return minutes(Math.round(ms / 1000));
}

/**
 * The length of a run: in whole seconds, from 2 minutes on in minutes and seconds.
 *
 * @param {number} ms
 */
export function seconds(ms) {
  const whole = Math.round(ms / 1000);
  return whole < 120 ? `${WHOLE.format(whole)} s` : minutes(whole);
}

/** @param {number | null | undefined} value */
export function bytes(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (Math.round(value) < 1024) return `${WHOLE.format(value)} B`;
  const kibi = value / 1024;
  if (Math.round(kibi * 10) < 10_240) return `${TENTHS.format(kibi)} KiB`;
  return `${TENTHS.format(kibi / 1024)} MiB`;
}

/**
 * How often something happens in a second: with a tenth below ten, unless it is whole.
 *
 * @param {number} perSecond
 */
export function rate(perSecond) {
  const tenths = Math.round(perSecond * 10) / 10;
  return tenths < 10 && !Number.isInteger(tenths) ? TENTHS.format(tenths) : count(perSecond);
}

/**
 * How often `part` goes into `whole`, with two digits that count: "12×", "1.2×", "0.50×".
 *
 * @param {number} whole
 * @param {number} part
 */
export function ratio(whole, part) {
  if (!(part > 0) || !(whole >= 0) || !Number.isFinite(whole)) return NONE;
  const value = whole / part;
  if (value >= 9.95) return `${WHOLE.format(value)}×`;
  return `${value.toFixed(value < 0.995 ? 2 : 1)}×`;
}

/**
 * The time of day.
 *
 * @param {number} unixMs
 */
export function clockTime(unixMs) {
  return CLOCK.format(unixMs);
}

/** @param {string | number | null | undefined} when  ISO 8601, or Unix ms */
export function dateTime(when) {
  return when === null || when === undefined ? NONE : DATE.format(new Date(when));
}

/**
 * How long ago, in words that change seldom.
 *
 * @param {number} ms
 */
export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** @param {number} whole  seconds */
function minutes(whole) {
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
