/** The list of tasks. */

import { h, setText } from "../hub/dom.js";
import { TaskRow } from "./task-row.js";

/** @typedef {import("./task-record.js").TaskRecord} TaskRecord */

const HEADS = ["Task", "State", "Progress", "Updates/s", "Last update", "Created", ""];
/** What moves under a pointer is clicked by mistake: so long after its last movement, new rows may come. */
const STILL_MS = 1_500;

export class TaskTable {
  #painter;
  #cancellations;
  /** @type {Map<string, TaskRow>} */
  #rows = new Map();
  #body = h("tbody", { role: "rowgroup" });
  #empty = h("p", { class: "empty" }, "Reading the tasks…");
  #scroll;
  #movedMs = Number.NEGATIVE_INFINITY;

  /**
   * @param {import("../hub/painter.js").Painter} painter
   * @param {import("./cancellations.js").Cancellations} cancellations
   */
  constructor(painter, cancellations) {
    this.#painter = painter;
    this.#cancellations = cancellations;
    this.#body.addEventListener("pointermove", () => {
      this.#movedMs = performance.now();
    });
    const heads = HEADS.map((text, at) =>
      h(
        "th",
        { scope: "col", role: "columnheader", class: at > 2 && at < 6 ? "number" : null },
        text || h("span", { class: "spoken-only" }, "Cancel"),
      ),
    );
    const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads));
    this.#scroll = h(
      "div",
      { class: "scroll", hidden: true },
      h("table", { role: "table", class: "tasks", "aria-label": "Tasks" }, head, this.#body),
    );
    this.element = h("div", { class: "list" }, this.#empty, this.#scroll);
  }

  /** Whether the visitor points at a row right now. */
  get pointed() {
    return performance.now() - this.#movedMs < STILL_MS && this.#body.matches(":hover");
  }

  get size() {
    return this.#rows.size;
  }

  /**
   * Show these tasks, in this order.
   *
   * @param {TaskRecord[]} records
   * @param {string} emptyText  shown when there are none
   */
  show(records, emptyText) {
    const ids = new Set(records.map((record) => record.id));
    for (const [id, row] of this.#rows) if (!ids.has(id)) this.#remove(id, row);
    let place = this.#body.firstElementChild;
    for (const record of records) {
      const row = this.#rows.get(record.id) ?? this.#add(record);
      if (row.element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(row.element, place);
    }
    this.#scroll.hidden = records.length === 0;
    this.#empty.hidden = records.length > 0;
    setText(this.#empty, emptyText);
  }

  /** @param {boolean} busy  what is shown is about to be replaced */
  setBusy(busy) {
    this.element.classList.toggle("busy", busy);
    this.element.setAttribute("aria-busy", String(busy));
  }

  /** @param {string} id */
  changed(id) {
    const row = this.#rows.get(id);
    if (row) this.#painter.request(row);
  }

  /** @param {string} id  whether the task is listed, and now has the focus */
  focus(id) {
    const row = this.#rows.get(id);
    row?.focus();
    return row !== undefined;
  }

  /**
   * @param {number} serverMs
   * @param {number} pageMs
   */
  paintTimes(serverMs, pageMs) {
    for (const row of this.#rows.values()) row.paintTimes(serverMs, pageMs);
  }

  /** @param {TaskRecord} record */
  #add(record) {
    const row = new TaskRow(record, this.#cancellations);
    this.#rows.set(record.id, row);
    row.paint();
    return row;
  }

  /**
   * @param {string} id
   * @param {TaskRow} row
   */
  #remove(id, row) {
    this.#painter.forget(row);
    row.element.remove();
    this.#rows.delete(id);
  }
}
