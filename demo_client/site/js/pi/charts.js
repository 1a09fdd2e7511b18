/** The four charts of a run: one point a second, both sides. */

import { LineChart } from "../hub/chart.js";
import { h } from "../hub/dom.js";
import { bytes, count, duration, NONE, TOO_SHORT } from "../hub/format.js";
import { FIGURES, SIDE_NAMES, SIDES } from "../hub/words.js";

/** @typedef {import("./sampler.js").Sample} Sample */
/** @typedef {import("./sampler.js").SideSample} SideSample */

/** The time axis spans the run, within these. */
const LEAST_S = 5;
const MOST_S = 300;

/** @type {{ of: keyof SideSample, title: string, unit: string, log?: boolean, format: (value: number) => string }[]} */
const CHARTS = [
  { of: "ageMs", title: FIGURES.age, unit: "ms", log: true, format: duration },
  { of: "cpu", title: "Server CPU", unit: "ms per second", format: (value) => `${count(value)} ms/s` },
  { of: "messages", title: FIGURES.messages, unit: "per second", format: (value) => `${count(value)}/s` },
  { of: "bytes", title: "Received", unit: "bytes per second", format: (value) => `${bytes(value)}/s` },
];

export class Charts {
  /** @type {{ of: keyof SideSample, chart: LineChart }[]} */
  #charts;

  constructor() {
    this.#charts = CHARTS.map(({ of, format, ...options }) => ({
      of,
      chart: new LineChart({
        ...options,
        seconds: LEAST_S,
        mostSeconds: MOST_S,
        series: SIDES.map((side) => ({ label: SIDE_NAMES[side], side })),
        format: (value) => (value === null ? NONE : format(value)),
      }),
    }));
    const heading = h("h2", { id: "charts" }, "Over time");
    const about = h(
      "p",
      { class: "quiet small" },
      "CPU is of whole processes: event-driven, of api, worker and Redis; polling, of api and worker. PostgreSQL is not in it.",
    );
    const plots = h("div", { class: "columns" }, ...this.#charts.map(({ chart }) => chart.element));
    this.element = h("section", { class: "card", "aria-labelledby": heading.id }, heading, about, plots);
  }

  /** @param {number} expectedMs  how long the run takes */
  clear(expectedMs) {
    const seconds = Math.min(MOST_S, Math.max(LEAST_S, Math.ceil((expectedMs * 1.1) / 1000)));
    for (const { chart } of this.#charts) chart.clear(seconds);
  }

  /** @param {Sample} sample */
  append({ atS, live, poll }) {
    for (const { of, chart } of this.#charts) chart.append(atS, [live[of], poll[of]]);
  }

  /**
   * The run is over: what was too short for a line is a point, or said in words.
   *
   * @param {Record<import("../hub/words.js").Side, SideSample>} means
   * @param {import("./figures.js").TooShort} tooShort
   */
  end({ live, poll }, { ages, rates }) {
    for (const { of, chart } of this.#charts) {
      const short = of === "ageMs" ? ages : rates;
      chart.end([live[of], poll[of]], short ? TOO_SHORT : "nothing was measured");
    }
  }
}
