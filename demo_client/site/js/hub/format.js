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
  if (ms < 10) return `${TENTHS.format(Math.max(ms, 0))} ms`;
  if (ms < 10_000) return `${WHOLE.format(ms)} ms`;
  if (ms < 120_000) return `${TENTHS.format(ms / 1000)} s`;
  return `${Math.floor(ms / 60_000)} min ${String(Math.round((ms % 60_000) / 1000)).padStart(2, "0")} s`;
}

/**
 * The length of a run: in whole seconds, from 2 minutes on in minutes and seconds.
 *
 * @param {number} ms
 */
export function seconds(ms) {
  return ms < 120_000 ? `${WHOLE.format(ms / 1000)} s` : duration(ms);
}

/** @param {number | null | undefined} value */
export function bytes(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (value < 1024) return `${WHOLE.format(value)} B`;
  if (value < 1024 ** 2) return `${TENTHS.format(value / 1024)} KiB`;
  return `${TENTHS.format(value / 1024 ** 2)} MiB`;
}

/**
 * How often `part` goes into `whole`: "12×".
 *
 * @param {number} whole
 * @param {number} part
 */
export function ratio(whole, part) {
  if (!(part > 0) || !Number.isFinite(whole)) return NONE;
  const value = whole / part;
  return `${value < 10 ? TENTHS.format(value) : WHOLE.format(value)}×`;
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
