/** One task in the list: a row of the table, a card on a narrow screen. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { ago, dateTime, NONE } from "../hub/format.js";
import { taskState } from "../hub/words.js";
import { formatAddress, NEWEST, shortId } from "./address.js";
import { progressOf, rate, remarkOf, shortTime } from "./words.js";

/** @typedef {import("./task-record.js").TaskRecord} TaskRecord */

/** Paintable: what an update changes. What the passing of time changes is `paintTimes`. */
export class TaskRow {
  #record;
  #cancellations;
  #badge = h("span", { class: "badge" });
  #bar;
  #percent = h("span", { class: "number percent" });
  #remark = h("span", { class: "remark small quiet" });
  #rate = cell("Updates/s", "number");
  #age = cell("Last update", "number");
  #cancel;
  #link;

  /**
   * @param {TaskRecord} record
   * @param {import("./cancellations.js").Cancellations} cancellations
   */
  constructor(record, cancellations) {
    const { id, kind, createdMs } = record;
    this.#record = record;
    this.#cancellations = cancellations;
    const name = `${kind} ${shortId(id)}`;
    this.#bar = h("progress", { max: 1, "aria-label": `Progress of ${name}` });
    this.#link = h("a", { href: formatAddress({ ...NEWEST, task: id }), "data-task": id, title: id }, kind);
    this.#cancel = h("button", { type: "button", class: "small", onclick: () => cancellations.ask(id) }, "Cancel");
    setAttribute(this.#cancel, "aria-label", `Cancel ${name}`);
    const created = h(
      "time",
      { dateTime: new Date(createdMs).toISOString(), title: dateTime(createdMs) },
      shortTime(createdMs),
    );
    this.element = h(
      "tr",
      { role: "row" },
      h(
        "th",
        { scope: "row", role: "rowheader", class: "task" },
        this.#link,
        h("span", { class: "mono id quiet" }, shortId(id)),
      ),
      cell("State", "state", this.#badge),
      cell("Progress", "far", h("div", { class: "bar" }, this.#bar, this.#percent), this.#remark),
      this.#rate,
      this.#age,
      cell("Created", "number", created),
      cell("Cancel", "act", this.#cancel),
    );
  }

  focus() {
    this.#link.focus();
  }

  paint() {
    const record = this.#record;
    setText(this.#badge, taskState(record.state));
    setAttribute(this.#badge, "data-state", record.state);
    const { ratio, percent, steps } = progressOf(record);
    if (this.#bar.value !== (ratio ?? 0)) this.#bar.value = ratio ?? 0;
    setText(this.#percent, percent);
    const { busy, problem } = this.#cancellations.of(record.id);
    const refused = problem !== "" && !record.ended;
    const remark = refused ? problem : [steps, remarkOf(record)].filter(Boolean).join(" · ");
    setText(this.#remark, remark || NONE);
    setAttribute(this.#remark, "title", remark.length > 24 ? remark : null);
    this.#remark.classList.toggle("refused", refused);
    this.#paintCancel(busy);
  }

  /**
   * @param {number} serverMs  Unix ms by the server's clock
   * @param {number} pageMs  by the clock that events are received at
   */
  paintTimes(serverMs, pageMs) {
    const { ended, throughput, lastMs } = this.#record;
    setText(this.#rate, ended ? NONE : rate(throughput.perSecond(pageMs)));
    setText(this.#age, ago(serverMs - lastMs));
  }

  /** @param {boolean} busy */
  #paintCancel(busy) {
    const { ended } = this.#record;
    // a button that is disabled or goes would take the focus along
    if ((ended || busy) && document.activeElement === this.#cancel) this.focus();
    this.#cancel.hidden = ended;
    this.#cancel.disabled = busy;
    setText(this.#cancel, busy ? "Cancelling…" : "Cancel");
  }
}

/**
 * @param {string} label  shown where the table has no head
 * @param {string} name
 * @param {...import("../hub/dom.js").Child} children
 */
function cell(label, name, ...children) {
  return h("td", { role: "cell", class: name, "data-label": label }, ...children);
}
