/** The end of a run: the results of both sides, whether they showed the same, and what the figures mean. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { count, NONE } from "../hub/format.js";
import { SIDE_NAMES } from "../hub/words.js";
import { comparison, meaning } from "./outcome.js";

/** @typedef {import("./outcome.js").Ending} Ending */
/** @typedef {import("./outcome.js").Figures} Figures */
/** @typedef {import("./outcome.js").Result} Result */

export class OutcomeCard {
  #waiting = h("p", { class: "empty" }, "The results of both sides stand here when a run has ended.");
  #same = h("p", { class: "notice" });
  #errors = h("div", { class: "stack" });
  #means = h("p", { class: "means" });
  #notes = h("ul", { class: "small quiet", "aria-label": "What the figures do not mean" });
  #table = h("div", { class: "scroll" });
  #told = h("div", { class: "stack", hidden: true }, this.#same, this.#errors, this.#means, this.#notes, this.#table);
  element = h("section", { class: "card", "aria-label": "Result" }, h("h2", {}, "Result"), this.#waiting, this.#told);

  begin() {
    this.#told.hidden = true;
    this.#waiting.hidden = false;
    setText(this.#waiting, "The run goes on; the results of both sides stand here when it has ended.");
  }

  /** The run did not come about. */
  withdraw() {
    setText(this.#waiting, "The results of both sides stand here when a run has ended.");
  }

  /**
   * @param {Record<import("../hub/words.js").Side, Ending>} endings
   * @param {Record<import("../hub/words.js").Side, Figures>} figures
   * @param {object} about
   * @param {import("../hub/words.js").Strategy} about.strategy
   * @param {boolean} about.agesCount  false when polling was slowed by the browser
   * @param {string[]} about.notes  what the figures of this run do not mean
   * @returns {string} what a screen reader is to be told
   */
  show(endings, figures, { strategy, agesCount, notes }) {
    const verdict = comparison(endings);
    setText(this.#same, verdict.text);
    setAttribute(this.#same, "data-tone", verdict.good ? "good" : "bad");
    const errors = [endings.live.error, endings.poll.error].filter(Boolean);
    this.#errors.replaceChildren(...errors.map((error) => h("p", { class: "notice", "data-tone": "bad" }, error)));
    const means = meaning(figures, strategy, agesCount);
    setText(this.#means, means);
    this.#notes.replaceChildren(...notes.map((note) => h("li", {}, note)));
    this.#notes.hidden = notes.length === 0;
    this.#table.replaceChildren(...tableOf(endings.live.result, endings.poll.result));
    this.#waiting.hidden = true;
    this.#told.hidden = false;
    return `${verdict.text} ${means}`;
  }
}

/**
 * @param {Result | null} live
 * @param {Result | null} poll
 */
function tableOf(live, poll) {
  const known = live ?? poll;
  if (!known) return [];
  /** @type {(name: import("../hub/dom.js").Child, told: (result: Result) => string) => HTMLElement} */
  const line = (name, told) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      ...[live, poll].map((one) => h("td", { class: "number" }, one ? told(one) : NONE)),
    );
  const total = (/** @type {Result} */ { total, truncated }) =>
    `${count(total)}${truncated ? " (the limit; there are more)" : ""}`;
  const terms = Object.keys(known.counts).map((term) =>
    line(h("span", { class: "term" }, "“", h("bdi", {}, term), "”"), ({ counts }) => count(counts[term])),
  );
  return [
    h(
      "table",
      { class: "results" },
      h("caption", { class: "spoken-only" }, "Results of both sides"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("td"),
          h("th", { scope: "col", class: "number" }, SIDE_NAMES.live),
          h("th", { scope: "col", class: "number" }, SIDE_NAMES.poll),
        ),
      ),
      h(
        "tbody",
        {},
        line("Matches", total),
        ...terms,
        line("Characters", ({ characters }) => count(characters)),
        line("Lines", ({ lines }) => count(lines)),
      ),
    ),
  ];
}
