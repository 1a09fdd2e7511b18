/** The figures of a run as a table, what they mean in one sentence, and what they do not mean. */

import { h } from "../hub/dom.js";
import { duration, ratio, TOO_SHORT } from "../hub/format.js";
import { hiddenNote } from "../hub/hidden-time.js";
import { SIDE_NAMES, times } from "../hub/words.js";

/** Of the requests that were to be made; what starting and ending costs is not worth a note. */
const ALMOST = 0.92;

/** @typedef {import("./figures.js").Figure} Figure */
/**
 * @typedef {object} Outcome
 * @property {Figure[]} figures
 * @property {string} verdict
 * @property {string} ending  how long the run took, or when it was stopped
 * @property {{ good: boolean, sentence: string }} verification
 * @property {string[]} notes  what the figures of this run do not mean
 */

export class Scoreboard {
  #body = h("div", { class: "stack" });

  constructor() {
    const heading = h("h2", { id: "scoreboard" }, "Scoreboard");
    this.element = h("section", { class: "card scoreboard", "aria-labelledby": heading.id }, heading, this.#body);
    this.clear();
  }

  clear() {
    this.#body.replaceChildren(h("p", { class: "empty" }, "The figures of a run stand here when it has ended."));
  }

  /** Until the last figures are there. */
  wait() {
    this.#body.replaceChildren(h("p", { class: "empty" }, "Waits for the last readings of the servers …"));
  }

  /** @param {Outcome} outcome */
  show({ figures, verdict, ending, verification, notes }) {
    const tone = verification.good ? "good" : "bad";
    this.#body.replaceChildren(
      h("p", { class: "verdict" }, verdict),
      h("p", { class: "notice", "data-tone": tone }, verification.sentence),
      h("div", { class: "outcome" }, table(figures, ending), caveats(notes)),
    );
  }
}

/**
 * @param {Figure[]} figures
 * @param {string} ending
 */
function table(figures, ending) {
  const head = (/** @type {string} */ text, /** @type {string} */ of) => h("th", { scope: "col", class: of }, text);
  const columns = [
    head("Figure", ""),
    head(SIDE_NAMES.live, "number"),
    head(SIDE_NAMES.poll, "number"),
    head("Ratio", "number"),
  ];
  return h(
    "div",
    { class: "scroll", role: "region", tabIndex: 0, "aria-label": "Figures of the run" },
    h(
      "table",
      {},
      h("caption", { class: "small quiet" }, ending),
      h("thead", {}, h("tr", {}, ...columns)),
      h("tbody", {}, ...figures.map(row)),
    ),
  );
}

/** @param {Figure} figure */
function row(figure) {
  const { key, label, live, poll, told } = figure;
  const cell = (/** @type {string} */ text, /** @type {boolean} */ less) =>
    h("td", { class: `number${less ? " less" : ""}${text === TOO_SHORT ? " unmeasured" : ""}` }, text);
  return h(
    "tr",
    { "data-key": key },
    h("th", { scope: "row" }, label),
    cell(told.live, live < poll),
    cell(told.poll, poll < live),
    h("td", { class: "number" }, ratio(poll, live)),
  );
}

/** @param {string[]} notes */
function caveats(notes) {
  return h(
    "div",
    { class: "caveats small" },
    h("h3", {}, "What the figures do not mean"),
    h("ul", {}, ...notes.map((note) => h("li", {}, note))),
  );
}

/**
 * @param {object} about
 * @param {Record<import("../hub/words.js").Side, import("../lib/clock.js").ServerClock>} about.clocks
 * @param {number} about.hiddenMs  for how long the page was hidden during the run
 * @param {string[]} about.lossNotes  on what its clients have lost
 * @param {string[]} about.missing  parts of the CPU that are not known
 * @param {boolean} about.settled  whether all processes told of their CPU after the end
 * @param {import("./figures.js").TooShort} about.tooShort
 * @param {number} about.cuts  connections that were cut on purpose
 * @param {number} about.losses  connections that were lost otherwise
 * @param {number | null} about.wanted  requests a second that the clients were to make; null when that is not known
 * @param {number} about.made  that they made
 * @returns {string[]}
 */
export function notesOn({ clocks, hiddenMs, lossNotes, missing, settled, tooShort, cuts, losses, wanted, made }) {
  const notes = [
    "Servers, workers and this browser share one machine. A network adds its delay to an update that is pushed, and to every request of one that is polled.",
    "One page plays all clients: an update that waits because the page is busy, or because the browser opens 6 connections to a host and they are taken, is older for it.",
    "CPU is that of whole processes. In it are the answers to this page, which asks for /stats once a second, and of workers up to a second before and after the run. Not in it: PostgreSQL, which the pushed side writes to, and nginx; SQLite is a part of the polled side's processes.",
    "Bytes are those of answers and WebSocket frames. The headers of requests, which polling sends each time, are not counted.",
    "What was emitted before a client's first contact with its server is not in the ages: it waited for the client, and not for its delivery.",
    `Ages compare two clocks. The page's was corrected by ${corrected(clocks.live)} (api) and ${corrected(clocks.poll)} (baseline).`,
  ];
  if (wanted !== null && made < ALMOST * wanted) {
    notes.push(
      `The polling clients were to ask ${Math.round(wanted)} times a second, and asked ${Math.round(made)} times: browser or server could not do more.`,
    );
  }
  if (tooShort.rates)
    notes.unshift(
      "The servers tell of their CPU once a second: a run of less than half a second is too short to measure what it took, and what happened in a second.",
    );
  const hidden = hiddenNote(hiddenMs);
  if (hidden) notes.unshift(hidden);
  notes.push(...lossNotes);
  if (cuts > 0) notes.push(`Connections were cut ${times(cuts)} for 3 s: what came meanwhile is older for it.`);
  if (losses > 0) notes.push(`Connections were lost ${times(losses)}: what came meanwhile is older for it.`);
  if (missing.length > 0) notes.push(`Nothing is known of the CPU of ${missing.join(", ")}: so neither of the total.`);
  if (!settled)
    notes.push("Not every process told of its CPU after the end: the CPU figures may lack the last seconds.");
  return notes;
}

/** @param {import("../lib/clock.js").ServerClock} clock */
function corrected({ offsetMs, uncertaintyMs }) {
  const sign = offsetMs <= -0.05 ? "−" : ""; // what is printed as 0.0 has none
  return Number.isFinite(uncertaintyMs)
    ? `${sign}${duration(Math.abs(offsetMs))} ± ${duration(uncertaintyMs)}`
    : "nothing, for it is unknown";
}
