/** How often each keyword was found, as a list with bars. */

import { h, setText } from "../hub/dom.js";
import { count } from "../hub/format.js";

export class KeywordCounts {
  element = h("ul", { class: "counts", "aria-label": "Matches of each keyword", tabIndex: 0 });
  /** @type {Map<string, { told: HTMLElement, bar: HTMLElement, value: number }>} */
  #rows = new Map();
  #largest = 0;

  /** @param {Map<string, number>} counts */
  show(counts) {
    if (!this.#fits(counts)) this.#build(counts);
    const largest = Math.max(0, ...counts.values());
    for (const [term, value] of counts) {
      const row = this.#rows.get(term);
      if (!row || (row.value === value && largest === this.#largest)) continue;
      row.value = value;
      setText(row.told, count(value));
      row.bar.style.inlineSize = `${largest > 0 ? (100 * value) / largest : 0}%`;
    }
    this.#largest = largest;
  }

  /** @param {Map<string, number>} counts */
  #fits(counts) {
    if (counts.size !== this.#rows.size) return false;
    return [...counts.keys()].every((term) => this.#rows.has(term));
  }

  /** @param {Map<string, number>} counts */
  #build(counts) {
    this.#rows.clear();
    const items = [];
    for (const term of counts.keys()) {
      const told = h("span", { class: "number" }, "0");
      const bar = h("span", { class: "bar" });
      this.#rows.set(term, { told, bar, value: 0 });
      items.push(h("li", {}, h("span", { class: "term", title: term }, term), told, bar));
    }
    this.element.replaceChildren(...items);
  }
}
