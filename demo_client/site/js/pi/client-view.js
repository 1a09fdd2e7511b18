/** One client as the page shows it: a card, or among many a row, of the same parts. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { count, duration, NONE, seconds } from "../hub/format.js";
import { CUT_MS, SIDE_NAMES, several, streamState } from "../hub/words.js";
import { Continuity } from "./continuity.js";
import { allDigits, lastDigits, newestDigits } from "./digits.js";

/** @typedef {import("../hub/follower.js").Follower} Follower */
/** @typedef {import("../hub/follower.js").Side} Side */
/** @typedef {import("../lib/task-stream.js").TaskEvent} TaskEvent */

/** Characters of a row's digits. */
const ROW_DIGITS = 12;

export class ClientView {
  continuity = new Continuity();
  /** @type {Follower | null} */
  #follower = null;
  #badge = h("span", { class: "badge" });
  #digits = h("span", {});
  #field = h("div", { class: "digits mono" }, this.#digits);
  #bar = h("progress", { max: 1, value: 0 });
  #done = h("span", { class: "done number" });
  #age = h("span", { class: "age number" });
  #traffic = h("span", { class: "traffic number quiet" });
  #note = h("span", { class: "note" });
  #cut;

  /**
   * @param {{ side: Side, number: number, row: boolean, onNote: (text: string, matters: boolean) => void }} options
   *   `onNote`: what has happened to the client, for people; `matters`: worth being told aloud
   */
  constructor({ side, number, row, onNote }) {
    this.side = side;
    this.number = number;
    this.row = row;
    this.onNote = onNote;
    const name = `client ${number}, ${SIDE_NAMES[side].toLowerCase()}`;
    this.#cut = h(
      "button",
      { class: "small", type: "button", onclick: () => this.#cutNow() },
      row ? "Cut" : `Cut for ${CUT_MS / 1000} s`,
    );
    setAttribute(this.#cut, "aria-label", `Cut for ${CUT_MS / 1000} s: ${name}`);
    setAttribute(this.#bar, "aria-label", `Progress of ${name}`);
    setAttribute(this.#field, "role", "group");
    setAttribute(this.#field, "aria-label", `Digits of ${name}`);
    const who = h("span", { class: "who" }, row ? String(number) : `Client ${number}`);
    const age = h("span", { class: "aged" }, h("span", { class: "quiet" }, "age "), this.#age);
    const said = h("div", { class: "said" }, this.#traffic, this.#note);
    const parts = [who, this.#badge, age, this.#cut, this.#field, this.#bar, this.#done, said];
    this.element = h("li", { class: "client" }, ...parts);
    this.reset(0);
  }

  /**
   * Show that nothing has begun.
   *
   * @param {number} total  digits that a run computes
   */
  reset(total) {
    this.#follower = null;
    this.continuity = new Continuity();
    this.#state("idle");
    setText(this.#digits, "");
    this.#bar.value = 0;
    setText(this.#done, this.#share(0, total));
    setText(this.#age, NONE);
    setText(this.#traffic, "");
    this.#warn("");
    this.#field.removeAttribute("tabindex");
    this.#cut.disabled = true;
  }

  /** @param {Follower} follower */
  attach(follower) {
    this.#follower = follower;
    this.#cut.disabled = false;
    this.#state(follower.state);
  }

  /**
   * Show what a follower has come to. Writes to the document, each part once at the most.
   *
   * @param {Follower} follower
   * @param {TaskEvent[]} news  just folded into its view
   */
  show(follower, news) {
    const { view, side } = follower;
    this.continuity.take(news);
    if (news.length) this.#showProgress(follower);
    if (view.chunks.length === 0 && !follower.done) setText(this.#digits, this.#whileEmpty(follower));
    setText(this.#age, duration(follower.lastAgeMs));
    if (!this.row) {
      const { messages, empty } = follower.traffic;
      const sent =
        side === "live"
          ? several(messages, "message")
          : `${several(messages, "request")}, ${count(empty)} with nothing new`;
      setText(this.#traffic, `${several(follower.counters.events, "update")}, ${sent}`);
    }
    if (news.length && (follower.state === "live" || follower.done)) this.#noteResumption();
    this.#showState(follower);
  }

  /**
   * Say for how long nothing has come, when that is longer than it should: the last age alone would look healthy, and a
   * server that stands still does not close its connections.
   *
   * @param {number} nowMs  by the clock of the side's service
   * @param {number} patienceMs
   */
  watch(nowMs, patienceMs) {
    const { done = true, state = "", appliedAtMs = null } = this.#follower ?? {};
    if (done || state !== "live" || appliedAtMs === null) return;
    const silentMs = nowMs - appliedAtMs;
    if (silentMs > patienceMs) setText(this.#age, `none for ${seconds(silentMs)}`);
  }

  /** Nothing more is shown: the run was stopped. */
  stop() {
    if (this.#follower && !this.#follower.view.ended) this.#state("stopped");
    this.#cut.disabled = true;
  }

  /** @param {string} text */
  note(text) {
    setText(this.#note, text);
    setAttribute(this.#note, "data-tone", "good");
    setAttribute(this.#badge, "title", text);
    this.onNote(text, true);
  }

  #cutNow() {
    if (!this.#follower || this.#follower.done) return;
    this.continuity.cut();
    setAttribute(this.#note, "data-tone", null);
    setText(this.#note, `Cut off after digit ${this.continuity.digits}`);
    this.#follower.cut(CUT_MS);
  }

  #noteResumption() {
    const text = this.continuity.takeResumption();
    if (text) this.note(text);
  }

  /** @param {Follower} follower */
  #showProgress({ view, done }) {
    const reached = view.chunks.length;
    const total = view.progress?.total ?? 0;
    setText(this.#digits, this.row ? lastDigits(view.chunks, ROW_DIGITS) : newestDigits(view.chunks));
    if (view.ended && !this.row) this.#showAll(view.chunks);
    if (total > 0) {
      this.#bar.value = reached / total;
      setText(this.#done, this.#share(reached, total));
    }
    if (done) this.#cut.disabled = true;
  }

  /**
   * @param {number} reached
   * @param {number} total
   */
  #share(reached, total) {
    if (this.row && total >= 1_000) return `${Math.floor((100 * reached) / total)} %`;
    return total ? `${count(reached)} / ${count(total)}` : NONE;
  }

  /** @param {string[]} chunks */
  #showAll(chunks) {
    setText(this.#digits, allDigits(chunks));
    if (this.#field.scrollHeight > this.#field.clientHeight) setAttribute(this.#field, "tabindex", "0");
  }

  /** @param {Follower} follower */
  #whileEmpty({ state, view }) {
    if (state === "failed") return "";
    return view.state === "queued" ? "waits for a worker" : "";
  }

  /** @param {Follower} follower */
  #showState({ state, view, message }) {
    if (state === "failed" || state === "waiting") this.#warn(message);
    if (state === "waiting") this.continuity.lose();
    if (state === "live" && !this.continuity.faults && this.#note.getAttribute("data-tone") === "bad") this.#warn("");
    if (view.state === "failed" && view.error) this.#warn(`The task failed: ${view.error.message}`);
    if (state === "ended" && view.state !== "succeeded") this.#state(view.state === "failed" ? "failed" : "stopped");
    else this.#state(state);
    if (state === "ended" || state === "failed") this.#cut.disabled = true;
  }

  /** @param {string} text */
  #warn(text) {
    if (text && this.#note.textContent !== text) this.onNote(text, false);
    setText(this.#note, text);
    setAttribute(this.#note, "data-tone", text ? "bad" : null);
    setAttribute(this.#badge, "title", text || null);
  }

  /** @param {string} state */
  #state(state) {
    setText(this.#badge, streamState(state, this.side));
    setAttribute(this.#badge, "data-state", state);
  }
}
