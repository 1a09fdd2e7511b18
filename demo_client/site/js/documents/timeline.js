/** Both sides on one axis of time, and what part of the run is shown of it. */

import { colourOf } from "../hub/colours.js";
import { h, setAttribute } from "../hub/dom.js";
import { count, duration } from "../hub/format.js";
import { several } from "../hub/words.js";
import { share } from "./outcome.js";
import { draw, HEIGHT } from "./timeline-drawing.js";

/** @typedef {import("./timeline-drawing.js").Look} Look */
/** @typedef {import("./timeline-drawing.js").Records} Records */
/** @typedef {import("./figures.js").SideFigures} SideFigures */

/** @type {[name: string, ms: number][]} */
const WINDOWS = [
  ["10 s", 10_000],
  ["30 s", 30_000],
  ["Whole run", Number.POSITIVE_INFINITY],
];
/** The least that the whole run is drawn as. */
const LEAST_MS = 1_000;
/** Between two drawings, at least; and so many times what the last one took. */
const EVERY_MS = 33;
const EVERY_CALM_MS = 500;
const REST = 8;

export class Timeline {
  /** @type {Records | null} */
  #records = null;
  #nowMs = () => 0;
  #windowMs = 10_000;
  /** The right end of what is shown; null: the newest. @type {number | null} */
  #untilMs = null;
  #chosen = false;
  #dueMs = 0;
  /** @type {Look | null} */
  #look = null;
  #canvas = h("canvas", { role: "img", "aria-label": "Timeline. There was no run yet." });
  #context;
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #slider;
  /** @type {Map<number, HTMLInputElement>} */
  #choices = new Map();

  constructor() {
    const context = this.#canvas.getContext("2d");
    if (!context) throw new Error("the browser draws no canvas");
    this.#context = context;
    this.#slider = h("input", {
      type: "range",
      min: "0",
      max: "0",
      step: "100",
      disabled: true,
      "aria-label": "Time at the right end of the timeline",
      oninput: () => this.#slid(),
    });
    const choices = h(
      "div",
      { class: "row choices", role: "group", "aria-label": "What the timeline shows" },
      ...WINDOWS.map(([name, ms]) => this.#choice(name, ms)),
    );
    this.element = h(
      "div",
      { class: "timeline" },
      h("div", { class: "plot" }, this.#canvas),
      h("div", { class: "row spread" }, choices, this.#slider),
      h(
        "p",
        { class: "small quiet" },
        "A line leads from the moment the worker emitted a match down to the moment this page showed it: the more it leans, the later. A request that returned nothing new is a low, pale tick.",
      ),
    );
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
    const recolour = () => {
      this.#look = null;
      this.#draw();
    };
    document.addEventListener("themechange", recolour);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  }

  /**
   * @param {Records} records  which grow
   * @param {() => number} nowMs  ms since the start of the run; it stands still when that has ended
   */
  begin(records, nowMs) {
    this.#records = records;
    this.#nowMs = nowMs;
    this.#untilMs = null;
    this.#chosen = false;
    this.#show(10_000);
  }

  /** The run is over: all of it is shown, unless a part was chosen. */
  end() {
    if (!this.#chosen) this.#show(Number.POSITIVE_INFINITY);
    this.#dueMs = 0;
    this.tick();
  }

  /** Draw what has come, unless that was done just now. */
  tick() {
    const startedMs = performance.now();
    if (startedMs < this.#dueMs) return;
    this.#slideOn();
    this.#draw();
    const endedMs = performance.now();
    const every = this.#calm.matches ? EVERY_CALM_MS : EVERY_MS;
    this.#dueMs = Math.max(startedMs + every, endedMs + REST * (endedMs - startedMs));
  }

  /**
   * Say in words what is drawn.
   *
   * @param {Record<import("../hub/words.js").Side, SideFigures>} figures
   */
  describe({ live, poll }) {
    const { messages, empty } = poll.traffic;
    const idle = `${several(live.idle.count, "idle stretch", "idle stretches")} of more than 1 s between them, the longest of ${duration(live.idle.longestMs)}`;
    setAttribute(
      this.#canvas,
      "aria-label",
      `Timeline of ${duration(this.#nowMs())}. The worker emitted ${several(live.matches, "match", "matches")}, with ${live.idle.count > 0 ? idle : "no idle stretch between them"}. ` +
        `They were seen ${duration(live.ages.p50)} later in the median on the event-driven side, and ${duration(poll.ages.p50)} later by polling, ` +
        `in ${several(messages, "request")}, of which ${count(empty)} (${share(empty, messages)}) returned nothing new.`,
    );
  }

  /**
   * @param {string} name
   * @param {number} ms
   */
  #choice(name, ms) {
    const radio = h("input", {
      type: "radio",
      name: "timeline-window",
      checked: ms === this.#windowMs,
      onchange: () => {
        this.#chosen = true;
        this.#show(ms);
      },
    });
    this.#choices.set(ms, radio);
    return h("label", { class: "choice" }, radio, name);
  }

  /** @param {number} windowMs */
  #show(windowMs) {
    this.#windowMs = windowMs;
    const radio = this.#choices.get(windowMs);
    if (radio) radio.checked = true;
    this.#slideOn();
    this.#draw();
  }

  #slid() {
    const until = Number(this.#slider.value);
    this.#chosen = true;
    this.#untilMs = until >= Number(this.#slider.max) ? null : until;
    this.#slideOn();
    this.#draw();
  }

  #slideOn() {
    const nowMs = this.#nowMs();
    const slider = this.#slider;
    slider.disabled = nowMs <= this.#windowMs;
    if (slider.disabled) this.#untilMs = null;
    slider.min = String(Math.min(this.#windowMs, nowMs));
    slider.max = String(Math.max(nowMs, 0));
    const until = this.#untilMs ?? nowMs;
    slider.value = String(until);
    setAttribute(slider, "aria-valuetext", `${Math.round(until / 1000)} s`);
  }

  #span() {
    const nowMs = this.#nowMs();
    if (this.#windowMs >= Number.MAX_VALUE) return { fromMs: 0, toMs: Math.max(nowMs, LEAST_MS), nowMs };
    const toMs = Math.max(this.#untilMs ?? nowMs, this.#windowMs);
    return { fromMs: toMs - this.#windowMs, toMs, nowMs };
  }

  #resize() {
    const scale = devicePixelRatio || 1;
    this.#canvas.width = Math.round(this.#canvas.clientWidth * scale);
    this.#canvas.height = Math.round(HEIGHT * scale);
    this.#draw();
  }

  #draw() {
    const width = this.#canvas.clientWidth;
    if (width === 0) return;
    this.#look ??= look(this.#canvas);
    const scale = this.#canvas.width / width;
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#records?.requests.settle();
    draw(this.#context, width, this.#look, this.#span(), this.#records);
  }
}

/**
 * The colours and the font of the page as it is now.
 *
 * @param {HTMLElement} element
 * @returns {Look}
 */
function look(element) {
  return {
    text: colourOf("text"),
    quiet: colourOf("quiet"),
    line: colourOf("line"),
    idle: colourOf("line"),
    bad: colourOf("bad"),
    live: colourOf("live"),
    poll: colourOf("poll"),
    font: getComputedStyle(element).fontFamily,
  };
}
