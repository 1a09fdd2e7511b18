/**
 * The matches of one side in a frame that scrolls: all can be reached, but only the rows that can be seen are elements.
 *
 * It stays at the end while its reader is there, and leaves one who has scrolled up in peace.
 */

import { h, setAttribute, setText } from "../hub/dom.js";

/** @typedef {import("./side-record.js").Match} Match */
/** @typedef {{ element: HTMLElement, line: Text, before: Text, match: Text, after: Text, term: HTMLElement }} Row */

/** Rows kept ready above and below those that can be seen. */
const BEYOND = 4;

export class MatchList {
  /** @type {Match[]} */
  #matches = [];
  /** @type {Row[]} */
  #rows = [];
  /** @type {(Match | undefined)[]} what each row shows */
  #shown = [];
  #rowHeight = 32;
  #height = 0;
  #total = 0;
  #atEnd = true;
  /** Where it was last scrolled to by itself. */
  #scrolledTo = 0;
  #probe = row();
  #window = h("div", { class: "window", role: "list" });
  #sizer = h("div", { class: "sizer" }, this.#window);
  #empty = h("p", { class: "nothing" }, "");
  #newest = h("button", { type: "button", class: "small newest", onclick: () => this.#toEnd() }, "Newest ↓");

  /**
   * @param {string} label
   * @param {import("../hub/painter.js").Painter} painter
   */
  constructor(label, painter) {
    this.#probe.element.classList.add("probe");
    this.frame = h(
      "div",
      { class: "frame", tabIndex: 0, role: "region", "aria-label": label, onscroll: () => this.#scrolled(painter) },
      this.#sizer,
      this.#probe.element,
    );
    this.element = h("div", { class: "matches" }, this.frame, this.#empty, this.#newest);
    new ResizeObserver(() => {
      this.#measure();
      painter.request(this);
    }).observe(this.frame);
  }

  /** What to show; the array may grow afterwards. @param {Match[]} matches */
  show(matches) {
    if (matches !== this.#matches) this.#atEnd = true;
    this.#matches = matches;
    this.paint();
  }

  /** What is said while there is no match. @param {string} text */
  setEmpty(text) {
    setText(this.#empty, text);
  }

  paint() {
    this.#resize();
    if (this.#height === 0) return; // not laid out yet
    if (this.frame.scrollTop < this.#scrolledTo - 1) this.#atEnd = this.#isAtEnd();
    if (this.#atEnd) {
      this.#scrolledTo = Math.max(0, this.#total * this.#rowHeight - this.#height);
      this.frame.scrollTop = this.#scrolledTo;
    }
    this.#newest.hidden = this.#atEnd;
    this.#fill(Math.max(0, Math.floor(this.frame.scrollTop / this.#rowHeight) - BEYOND));
  }

  #resize() {
    if (this.#matches.length === this.#total) return;
    this.#total = this.#matches.length;
    this.#sizer.style.height = `${this.#total * this.#rowHeight}px`;
    this.#empty.hidden = this.#total > 0;
  }

  #measure() {
    this.#height = this.frame.clientHeight;
    const rowHeight = this.#probe.element.offsetHeight;
    if (rowHeight === 0 || rowHeight === this.#rowHeight) return;
    this.#rowHeight = rowHeight;
    this.#total = -1;
    this.#scrolledTo = 0;
  }

  /** @param {number} first */
  #fill(first) {
    const places = Math.min(Math.ceil(this.#height / this.#rowHeight) + 2 * BEYOND, this.#total);
    const start = Math.max(0, Math.min(first, this.#total - places));
    while (this.#rows.length < places) {
      const added = row();
      this.#rows.push(added);
      this.#window.append(added.element);
    }
    this.#window.style.transform = `translateY(${start * this.#rowHeight}px)`;
    for (const [place, one] of this.#rows.entries()) {
      one.element.hidden = place >= places;
      const match = place < places ? this.#matches[start + place] : undefined;
      if (match === this.#shown[place]) continue;
      this.#shown[place] = match;
      if (match) write(one, match, start + place + 1);
    }
  }

  /** @param {import("../hub/painter.js").Painter} painter */
  #scrolled(painter) {
    this.#atEnd = this.#isAtEnd();
    painter.request(this);
  }

  #isAtEnd() {
    return this.frame.scrollTop + this.#height >= (this.#total - 0.5) * this.#rowHeight;
  }

  #toEnd() {
    this.#atEnd = true;
    this.paint();
    this.frame.focus();
  }
}

/** @returns {Row} */
function row() {
  const [line, before, match, after] = [new Text(""), new Text(""), new Text(""), new Text("")];
  const term = h("span", { class: "term" });
  const element = h(
    "div",
    { class: "match", role: "listitem" },
    h("span", { class: "line number" }, h("span", { class: "spoken-only" }, "Line "), line),
    h(
      "span",
      { class: "kwic" },
      h("span", { class: "before" }, before),
      h("mark", {}, match),
      h("span", { class: "after" }, after),
    ),
    term,
  );
  return { element, line, before, match, after, term };
}

/**
 * @param {Row} target
 * @param {Match} match
 * @param {number} position  from 1
 */
function write(target, match, position) {
  const [before, found, after] = parts(match);
  target.line.data = String(match.line);
  target.before.data = before;
  target.match.data = found;
  target.after.data = after;
  setText(target.term, match.term);
  setAttribute(target.element, "aria-posinset", String(position));
  setAttribute(target.element, "aria-setsize", "-1"); // it grows: how many there are stands above the list
}

/**
 * What is before the match, the match, and what is after it. A string counts in UTF-16 units, a span in code points.
 *
 * @param {Pick<Match, "snippet" | "at">} match
 * @returns {[before: string, match: string, after: string]}
 */
export function parts({ snippet, at }) {
  const [start, end] = at;
  const points = Array.from(snippet);
  return [points.slice(0, start).join(""), points.slice(start, end).join(""), points.slice(end).join("")];
}
