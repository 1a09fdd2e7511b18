/** One side as it runs: its connection, how far it is, and the matches as they arrive. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { ago, count, duration, NONE } from "../hub/format.js";
import { CUT_MS, lossWords, SIDE_NAMES, several, streamState, taskState } from "../hub/words.js";
import { KeywordCounts } from "./counts.js";
import { MatchList } from "./match-list.js";

/** @typedef {import("../hub/follower.js").Follower} Follower */
/** @typedef {import("../hub/follower.js").Side} Side */
/** @typedef {import("./side-record.js").SideRecord} SideRecord */

export class SidePanel {
  #side;
  #list;
  #counts = new KeywordCounts();
  #how = h("span", { class: "small quiet" });
  #badge = h("span", { class: "badge" }, streamState("idle"));
  #state = h("span", { class: "small quiet" }, "");
  #progress;
  #matches = h("dd", { class: "number" }, NONE);
  #age = h("dd", { class: "number" }, NONE);
  #since = h("dd", { class: "number" }, NONE);
  #scanned = h("dd", { class: "number" }, NONE);
  #note = h("p", { class: "small quiet note" }, "");
  #cut;
  #stopped = false;

  /**
   * @param {Side} side
   * @param {import("../hub/painter.js").Painter} painter
   * @param {() => void} onCut
   */
  constructor(side, painter, onCut) {
    const title = SIDE_NAMES[side];
    const spoken = `${title.toLowerCase()} side`;
    setText(this.#how, side === "live" ? "over a WebSocket" : "over HTTP");
    this.#side = side;
    this.#list = new MatchList(`Matches, ${spoken}`, painter);
    this.#list.setEmpty("Matches stand here once a run has found some.");
    this.#progress = h("progress", { max: 1, value: 0, "aria-label": `Scanned, ${spoken}` });
    this.#cut = h(
      "button",
      { type: "button", class: "small", disabled: true, onclick: onCut },
      `Cut for ${CUT_MS / 1000} s`,
      h("span", { class: "spoken-only" }, `, ${spoken}`),
    );
    this.element = h(
      "section",
      { class: `card side ${side}`, "aria-label": title },
      h("header", {}, h("h2", { class: "side-title" }, title), this.#how),
      h(
        "div",
        { class: "row nowrap spread connection" },
        h("div", { class: "row nowrap" }, this.#badge, this.#state),
        this.#cut,
      ),
      this.#progress,
      h(
        "dl",
        { class: "readings" },
        reading("Matches", this.#matches),
        reading("Scanned", this.#scanned),
        reading("Age of the last", this.#age),
        reading("Last update", this.#since),
      ),
      this.#note,
      h("div", { class: "found" }, this.#list.element, this.#counts.element),
    );
  }

  /**
   * @param {string} how  how this side hears of updates
   * @param {SideRecord} record
   */
  begin(how, record) {
    this.#stopped = false;
    setText(this.#how, how);
    setText(this.#note, "");
    setText(this.#badge, streamState("connecting"));
    setAttribute(this.#badge, "data-state", "connecting");
    setText(this.#state, "");
    for (const value of [this.#matches, this.#age, this.#since, this.#scanned]) setText(value, NONE);
    this.#progress.value = 0;
    this.#list.setEmpty("No match yet.");
    this.#list.show(record.matches);
    this.#counts.show(record.counts);
  }

  /** The follower is closed, before its end. */
  stop() {
    this.#stopped = true;
    this.#cut.disabled = true;
    setText(this.#badge, streamState("stopped"));
    setAttribute(this.#badge, "data-state", "stopped");
  }

  /** The run did not come about. */
  withdraw() {
    this.stop();
    setText(this.#badge, streamState("idle"));
  }

  /**
   * @param {Follower} follower
   * @param {SideRecord} record
   */
  paint(follower, record) {
    const { view } = follower;
    setText(this.#matches, count(record.matches.length));
    const ratio = view.result ? 1 : (view.progress?.ratio ?? 0);
    if (this.#progress.value !== ratio) this.#progress.value = ratio;
    setText(this.#scanned, `${Math.floor(100 * ratio)} %`);
    this.paintState(follower, record);
    this.#list.show(record.matches);
    this.#counts.show(record.counts);
    if (view.ended && record.matches.length === 0) this.#list.setEmpty("The text has no match.");
  }

  /**
   * @param {Follower} follower
   * @param {SideRecord} record
   */
  paintState(follower, record) {
    if (this.#stopped) return;
    const { state, view } = follower;
    const failed = view.state === "failed" && follower.done;
    const shown = failed ? "failed" : state;
    setText(this.#badge, streamState(shown, this.#side));
    setAttribute(this.#badge, "data-state", shown);
    setText(this.#state, `Task: ${taskState(view.state)}`);
    const trouble = state === "waiting" || state === "failed" ? follower.message : (view.error?.message ?? "");
    setText(this.#note, trouble || cutNote(follower, record));
    this.#cut.disabled = follower.done || state === "offline";
  }

  /**
   * What changes with time alone, and how old the newest match was when it was shown.
   *
   * @param {Follower} follower
   * @param {number} serverNowMs
   */
  tick(follower, serverNowMs) {
    const { appliedAtMs, lastAgeMs } = follower;
    setText(this.#age, duration(lastAgeMs));
    setText(this.#since, appliedAtMs === null ? NONE : ago(serverNowMs - appliedAtMs));
  }
}

/**
 * What became of the last cut.
 *
 * @param {Follower} follower
 * @param {SideRecord} record
 */
function cutNote(follower, record) {
  const cut = record.cuts.at(-1);
  if (!cut) return "";
  if (cut.toMs === null) return "Cut off on purpose. The task goes on; what is emitted now comes later.";
  const lost = follower.gaps > 0 ? several(follower.gaps, "gap") : lossWords(0, "match");
  const how = follower.resets > 0 ? "Began anew" : `Resumed after ${((cut.toMs - cut.fromMs) / 1_000).toFixed(1)} s`;
  const late = several(cut.late, "match", "matches");
  return `${how}: ${late} emitted meanwhile came late, ${lost}.`;
}

/**
 * @param {string} name
 * @param {HTMLElement} value
 */
function reading(name, value) {
  return h("div", {}, h("dt", {}, name), value);
}
