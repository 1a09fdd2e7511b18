/** Shows the lines of an EventLog, of which only those that can be seen are in the page. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { clockTime, NONE } from "../hub/format.js";

/** @typedef {import("./event-log.js").EventLog} EventLog */
/** @typedef {import("./event-log.js").Line} Line */

/** Rows above and below the window, so that a quick scroll shows no hole before the next frame. */
const BEYOND = 6;

/** Paintable. While the newest line is in view it stays there. */
export class EventList {
  #log;
  #painter;
  /** @type {Row[]} */
  #rows = [];
  #window = h("ol", { class: "window" });
  #space = h("div", { class: "space" }, this.#window);
  #rowPx = 0;
  #heightPx = 0;
  #atEnd = true;
  #shift = 0;
  #resizes;

  /**
   * @param {EventLog} log
   * @param {import("../hub/painter.js").Painter} painter
   */
  constructor(log, painter) {
    this.#log = log;
    this.#painter = painter;
    this.element = h(
      "div",
      { class: "events mono", tabIndex: 0, role: "region", "aria-label": "Events, newest at the end" },
      this.#space,
    );
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#resizes = new ResizeObserver(() => {
      this.#rowPx = 0;
      painter.request(this);
    });
    this.#resizes.observe(this.element);
  }

  close() {
    this.#resizes.disconnect();
    this.#painter.forget(this);
  }

  /**
   * Lines were added before the first (or dropped there, if negative): what is in view stays in view.
   *
   * @param {number} lines
   */
  shift(lines) {
    this.#shift += lines;
  }

  paint() {
    if (this.#rowPx === 0) this.#measure();
    if (this.#rowPx === 0) return;
    const { lines } = this.#log;
    const endPx = Math.max(0, lines.length * this.#rowPx - this.#heightPx);
    const topPx = this.#atEnd ? endPx : this.element.scrollTop + this.#shift * this.#rowPx;
    const first = Math.max(0, Math.floor(topPx / this.#rowPx) - BEYOND);
    const last = Math.min(lines.length, first + Math.ceil(this.#heightPx / this.#rowPx) + 2 * BEYOND);
    this.#space.style.blockSize = `${lines.length * this.#rowPx}px`;
    this.#window.style.transform = `translateY(${first * this.#rowPx}px)`;
    for (let at = first; at < last; at += 1) this.#rowAt(at - first).show(/** @type {Line} */ (lines[at]), at);
    for (const [at, row] of this.#rows.entries()) row.element.hidden = at >= last - first;
    if (this.#atEnd || this.#shift !== 0) this.element.scrollTop = topPx; // last: it has the page laid out
    this.#shift = 0;
  }

  /** @param {number} at */
  #rowAt(at) {
    let row = this.#rows[at];
    if (row === undefined) {
      row = new Row();
      this.#rows.push(row);
      this.#window.append(row.element);
    }
    return row;
  }

  #measure() {
    const { element } = this.#rowAt(0);
    element.hidden = false;
    this.#rowPx = element.getBoundingClientRect().height;
    this.#heightPx = this.element.clientHeight;
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const wasAtEnd = this.#atEnd;
    this.#atEnd = scrollTop + clientHeight >= scrollHeight - this.#rowPx;
    if (!wasAtEnd || !this.#atEnd) this.#painter.request(this); // otherwise it was scrolled there by paint
  }
}

class Row {
  #seq = h("span", { class: "seq number" });
  #time = h("span", { class: "time quiet number" });
  #type = h("span", { class: "type" });
  #text = h("span", { class: "text" });
  element = h("li", {}, this.#seq, this.#time, this.#type, this.#text);

  /**
   * @param {Line} line
   * @param {number} at  its place among all lines
   */
  show({ seq, ts, type, text }, at) {
    setText(this.#seq, String(seq));
    setText(this.#time, ts === null ? NONE : `${clockTime(ts)}.${String(Math.floor(ts % 1000)).padStart(3, "0")}`);
    setText(this.#type, type);
    setAttribute(this.#type, "data-type", type);
    setText(this.#text, text);
    setAttribute(this.element, "aria-posinset", String(at + 1));
    setAttribute(this.element, "aria-setsize", "-1"); // it grows
  }
}
