/** Lines over time, one for each side, on a canvas; in words beside it and for screen readers. */

import uPlot from "/vendor/uplot/uPlot.esm.js";
import { colourOf } from "./colours.js";
import { append, h, setAttribute, setText } from "./dom.js";
import { sentence } from "./words.js";

/** @typedef {import("./words.js").Side} Side */
/**
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {string} unit  as it stands behind a number: "ms", "a second"
 * @property {{ label: string, side: Side }[]} series
 * @property {number} seconds  the span of the time axis; it grows with what is longer
 * @property {number} mostSeconds  as far as this: of what is longer still, the newest part is shown
 * @property {boolean} [log]  a logarithmic scale, for values that differ by orders of magnitude
 * @property {(value: number | null) => string} [format]  the newest value in the legend, with its unit
 */

/** The text alternative is rewritten this seldom, in s: a screen reader may read it aloud each time. */
const TELL_EVERY_S = 10;
/** So few points of a line are marked each: one alone would not be seen, and two hardly. */
const MARKED = 5;
/** By how much the time axis grows: seldom, so that the lines do not creep. */
const GROWTH = 1.5;
/** Least value that a logarithmic scale shows. */
const LOG_FLOOR = 0.1;
const AXIS_FONT = "12px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const WHOLE = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export class LineChart {
  /** @type {ChartOptions} */
  #options;
  /** @type {[number[], ...(number | null)[][]]} */
  #data;
  /** @type {uPlot} */
  #plot;
  #frame = h("div", { class: "plot", role: "img" });
  #words = h("p", { class: "quiet" });
  /** @type {HTMLElement[]} */
  #keys = [];
  #toldAtS = 0;
  #seconds;
  /** @type {Map<string, string>} */
  #colours = new Map();

  /** @param {ChartOptions} options */
  constructor(options) {
    this.#options = options;
    this.#seconds = options.seconds;
    this.#data = [[], ...options.series.map(() => [])];
    this.#keys = options.series.map(({ side }) => h("span", { class: `${side} number` }));
    /** The chart with its title and legend. */
    this.element = h("figure", { class: "chart" });
    append(this.element, [this.#caption(), this.#frame]);
    append(this.#frame, [this.#words]);
    this.#plot = new uPlot(this.#plotOptions(), /** @type {any} */ (this.#data), this.#frame);
    new ResizeObserver(() => this.#fit()).observe(this.#frame);
    this.#followTheme();
    this.clear();
  }

  /**
   * Add a point to each series. Times ascend; what is not known (null, NaN) leaves a gap.
   *
   * @param {number} tSeconds  since the start of what is shown
   * @param {(number | null)[]} values  one for each series
   */
  append(tSeconds, values) {
    const [times, ...lines] = this.#data;
    times.push(tSeconds);
    for (const [at, line] of lines.entries()) line.push(this.#plotted(values[at]));
    while (times.length > 2 && /** @type {number} */ (times[1]) < tSeconds - this.#options.mostSeconds) {
      for (const column of this.#data) column.shift();
    }
    this.#plot.setData(/** @type {any} */ (this.#data));
    this.#showKeys(values);
    if (tSeconds - this.#toldAtS >= TELL_EVERY_S) this.tell(tSeconds);
  }

  /**
   * Begin anew.
   *
   * @param {number} [seconds]  another span of the time axis
   */
  clear(seconds = this.#seconds) {
    this.#seconds = seconds;
    this.#toldAtS = 0;
    this.#data = [[], ...this.#options.series.map(() => [])];
    this.#plot.setData(/** @type {any} */ (this.#data));
    this.#showKeys([]);
    setText(this.#words, "");
    setAttribute(this.#frame, "aria-label", `${this.#options.title}: a chart over time, with nothing to show yet.`);
  }

  /**
   * Nothing more will come: a series of which no value was known gets one, at the last time that there is.
   *
   * @param {(number | null)[]} values  one for each series
   * @param {string} why  there is nothing to see, if there is not
   */
  end(values, why) {
    for (const [at, value] of values.entries()) {
      const line = this.#data[at + 1] ?? [];
      if (line.length === 0 || known(line).length > 0) continue;
      line[line.length - 1] = this.#plotted(value);
      this.#showKey(at, value);
    }
    this.#plot.setData(/** @type {any} */ (this.#data));
    const [, ...lines] = this.#data;
    if (lines.every((line) => known(line).length === 0)) setText(this.#words, sentence(why));
    this.tell();
  }

  /**
   * Rewrite the text alternative; it is done every 10 s by itself.
   *
   * @param {number} [tSeconds]
   */
  tell(tSeconds = this.#data[0].at(-1) ?? 0) {
    this.#toldAtS = tSeconds;
    const { title, series } = this.#options;
    const lines = series.map(({ label }, at) => {
      const values = known(this.#data[at + 1] ?? []);
      if (values.length === 0) return `${label}: unknown`;
      const from = this.#format(Math.min(...values));
      return `${label}: ${this.#format(values.at(-1))} now, from ${from} to ${this.#format(Math.max(...values))}`;
    });
    const told = this.#words.textContent || `a chart of ${Math.round(tSeconds)} s. ${lines.join(". ")}.`;
    setAttribute(this.#frame, "aria-label", `${title}: ${told}`);
  }

  #caption() {
    const { title, unit, log } = this.#options;
    const keys = h("span", { class: "keys" }, ...this.#keys);
    const scale = h("span", { class: "quiet small" }, ` ${unit}${log ? ", logarithmic" : ""}`);
    return h("figcaption", {}, h("span", {}, h("strong", {}, title), scale), keys);
  }

  /** @param {(number | null)[]} values */
  #showKeys(values) {
    for (const at of this.#keys.keys()) this.#showKey(at, values[at]);
  }

  /**
   * @param {number} at
   * @param {number | null | undefined} value
   */
  #showKey(at, value) {
    const key = this.#keys[at];
    if (key) setText(key, `${this.#options.series[at]?.label} ${this.#format(value)}`);
  }

  /** @param {number | null | undefined} value */
  #format(value) {
    const known = value === undefined || value === null || Number.isNaN(value) ? null : value;
    if (this.#options.format) return this.#options.format(known);
    return known === null ? "–" : `${SHORT.format(known)} ${this.#options.unit}`;
  }

  /** @param {number | null | undefined} value */
  #plotted(value) {
    if (value === undefined || value === null || !Number.isFinite(value)) return null;
    return this.#options.log ? Math.max(value, LOG_FLOOR) : value;
  }

  /** @returns {uPlot.Options} */
  #plotOptions() {
    const { log } = this.#options;
    const quiet = () => this.#colour("quiet");
    const grid = { stroke: () => this.#colour("line"), width: 1 };
    const axis = { stroke: quiet, grid, ticks: { show: false }, font: AXIS_FONT, gap: 4 };
    return {
      width: 300,
      height: 150,
      padding: [8, 18, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false, left: 0, top: 0, width: 0, height: 0 },
      scales: { x: { time: false, range: () => this.#timeRange() }, y: this.#valueScale() },
      axes: [
        { ...axis, size: 26, values: (_, at) => at.map((seconds) => `${seconds} s`) },
        { ...axis, size: 46, ...(log ? { splits: powersOfTen } : {}), values: (_, at) => at.map(tick) },
      ],
      series: [{}, ...this.#options.series.map((one) => this.#line(one))],
    };
  }

  /**
   * @param {{ label: string, side: Side }} series
   * @returns {uPlot.Series}
   */
  #line({ label, side }) {
    const dash = side === "poll" ? [6, 3] : [];
    const stroke = () => this.#colour(side);
    const show = (/** @type {uPlot} */ _plot, /** @type {number} */ at) => known(this.#data[at] ?? []).length <= MARKED;
    return { label, stroke, width: 2, dash, spanGaps: true, points: { show, size: 7, fill: stroke } };
  }

  /** @returns {uPlot.Scale} */
  #valueScale() {
    if (!this.#options.log) {
      return { range: (_, _least, most) => uPlot.rangeNum(0, Math.max(most ?? 0, 1), 0.1, true) };
    }
    return { distr: 3, log: 10, range: (_, least, most) => decades(least ?? 1, most ?? 1) };
  }

  /** @returns {[number, number]} */
  #timeRange() {
    const newest = this.#data[0].at(-1) ?? 0;
    let span = this.#seconds;
    while (span < newest && span < this.#options.mostSeconds) span = Math.ceil(span * GROWTH);
    span = Math.min(span, this.#options.mostSeconds);
    return [Math.max(0, newest - span), Math.max(span, newest)];
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.#frame;
    if (width > 0 && height > 0) this.#plot.setSize({ width, height });
  }

  #followTheme() {
    const repaint = () => {
      this.#colours.clear();
      this.#plot.redraw(false, true);
    };
    document.addEventListener("themechange", repaint);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  }

  /**
   * A colour of the style sheet, read once for a theme.
   *
   * @param {string} name
   */
  #colour(name) {
    let colour = this.#colours.get(name);
    if (colour === undefined) {
      colour = colourOf(name);
      this.#colours.set(name, colour);
    }
    return colour;
  }
}

/**
 * @param {(number | null)[]} line
 * @returns {number[]}
 */
function known(line) {
  return line.filter((value) => value !== null);
}

/**
 * A number at an axis: at most 5 characters.
 *
 * @param {number | null} value
 */
function tick(value) {
  if (value === null) return "";
  return Math.abs(value) < 10_000 ? WHOLE.format(value) : SHORT.format(value);
}

/**
 * @param {uPlot} _plot
 * @param {number} _axis
 * @param {number} least
 * @param {number} most
 */
function powersOfTen(_plot, _axis, least, most) {
  const [low, high] = [Math.round(Math.log10(least)), Math.round(Math.log10(most))];
  return Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at));
}

/**
 * Whole powers of ten around what is shown, three at the least: a scale that does not jump with every value.
 *
 * @param {number} least
 * @param {number} most
 * @returns {[number, number]}
 */
function decades(least, most) {
  const low = Math.floor(Math.log10(Math.max(least, LOG_FLOOR)));
  const high = Math.ceil(Math.log10(Math.max(most, LOG_FLOOR)));
  return [10 ** Math.min(low, 0), 10 ** Math.max(high, Math.min(low, 0) + 3)];
}
