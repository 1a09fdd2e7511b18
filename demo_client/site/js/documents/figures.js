/** The figures of both sides beside the timeline. */

import { h, setText } from "../hub/dom.js";
import { bytes, count, duration, NONE } from "../hub/format.js";
import { share } from "./outcome.js";

/** @typedef {import("./side-record.js").Idle} Idle */
/** @typedef {import("./outcome.js").Figures & { matches: number, idle: Idle }} SideFigures */

/** @type {[string, (figures: SideFigures) => string][]} */
const ROWS = [
  ["Matches", ({ matches }) => count(matches)],
  ["Age, median", ({ ages }) => duration(ages.p50)],
  ["Age, 95 %", ({ ages }) => duration(ages.p95)],
  ["Age, max", ({ ages }) => duration(ages.max)],
  ["Messages / requests", ({ traffic }) => count(traffic.messages)],
  ["… with nothing new", ({ traffic }) => nothingNew(traffic)],
  ["Bytes received", ({ traffic }) => bytes(traffic.bytes)],
  ["Idle stretches over 1 s", ({ idle }) => count(idle.count)],
  ["… the longest", ({ idle }) => (idle.count > 0 ? seconds(idle.longestMs) : NONE)],
  ["… in all", ({ idle }) => (idle.count > 0 ? seconds(idle.totalMs) : NONE)],
];

export class FiguresTable {
  /** @type {Record<"live" | "poll", HTMLElement[]>} */
  #cells = { live: cells(), poll: cells() };

  constructor() {
    const rows = ROWS.map(([name], index) =>
      h("tr", {}, h("th", { scope: "row" }, name), this.#cells.live[index], this.#cells.poll[index]),
    );
    const heading = (/** @type {string} */ side, /** @type {string} */ name) =>
      h("th", { scope: "col", class: `number ${side}` }, name);
    this.element = h(
      "div",
      { class: "scroll figures" },
      h(
        "table",
        {},
        h("caption", { class: "spoken-only" }, "Figures of both sides"),
        h("thead", {}, h("tr", {}, h("td"), heading("live", "Event-driven"), heading("poll", "Polling"))),
        h("tbody", {}, ...rows),
      ),
    );
  }

  /** @param {Record<"live" | "poll", SideFigures>} figures */
  show(figures) {
    for (const [index, [, told]] of ROWS.entries()) {
      for (const side of /** @type {const} */ (["live", "poll"])) {
        const cell = this.#cells[side][index];
        if (cell) setText(cell, told(figures[side]));
      }
    }
  }
}

/** @param {import("../hub/meter.js").Traffic} traffic */
function nothingNew({ messages, empty }) {
  return empty === 0 ? "0" : `${count(empty)} (${share(empty, messages)})`;
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function cells() {
  return ROWS.map(() => h("td", { class: "number" }, NONE));
}
