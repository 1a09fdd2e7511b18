/** The figures of both sides beside the timeline. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { bytes, count, duration, NONE, TOO_SHORT } from "../hub/format.js";
import { FIGURES, SIDE_NAMES, SIDES } from "../hub/words.js";
import { share } from "./outcome.js";

/** @typedef {import("./side-record.js").Idle} Idle */
/** @typedef {import("./outcome.js").Figures & { matches: number, idle: Idle, tooShort: boolean }} SideFigures  tooShort: over before an age could be measured */

/** @type {[string, (figures: SideFigures) => string][]} */
const ROWS = [
  ["Matches", ({ matches }) => count(matches)],
  [FIGURES.age, ({ ages, tooShort }) => (tooShort ? TOO_SHORT : duration(ages.p50))],
  [FIGURES.p95, ({ ages, tooShort }) => (tooShort ? TOO_SHORT : duration(ages.p95))],
  [FIGURES.max, ({ ages, tooShort }) => (tooShort ? TOO_SHORT : duration(ages.max))],
  [FIGURES.messages, ({ traffic }) => count(traffic.messages)],
  [FIGURES.empty, ({ traffic }) => nothingNew(traffic)],
  [FIGURES.bytes, ({ traffic }) => bytes(traffic.bytes)],
  ["Idle stretches over 1 s", ({ idle }) => count(idle.count)],
  ["… the longest", ({ idle }) => (idle.count > 0 ? seconds(idle.longestMs) : NONE)],
  ["… in all", ({ idle }) => (idle.count > 0 ? seconds(idle.totalMs) : NONE)],
];

export class FiguresTable {
  /** @type {Record<import("../hub/words.js").Side, HTMLElement[]>} */
  #cells = { live: cells(), poll: cells() };

  constructor() {
    const rows = ROWS.map(([name], index) =>
      h("tr", {}, h("th", { scope: "row" }, name), this.#cells.live[index], this.#cells.poll[index]),
    );
    const heading = (/** @type {import("../hub/words.js").Side} */ side) =>
      h("th", { scope: "col", class: `number ${side}` }, SIDE_NAMES[side]);
    this.element = h(
      "div",
      { class: "scroll figures", role: "region", tabIndex: 0, "aria-label": "Figures of both sides" },
      h(
        "table",
        {},
        h("caption", { class: "spoken-only" }, "Figures of both sides"),
        h("thead", {}, h("tr", {}, h("td"), ...SIDES.map(heading))),
        h("tbody", {}, ...rows),
      ),
    );
  }

  /** @param {Record<import("../hub/words.js").Side, SideFigures>} figures */
  show(figures) {
    for (const [index, [, told]] of ROWS.entries()) {
      for (const side of SIDES) {
        const cell = this.#cells[side][index];
        if (cell) fill(cell, told(figures[side]));
      }
    }
  }
}

/**
 * @param {HTMLElement} cell
 * @param {string} text
 */
function fill(cell, text) {
  setText(cell, text);
  setAttribute(cell, "class", text === TOO_SHORT ? "number unmeasured" : "number");
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
