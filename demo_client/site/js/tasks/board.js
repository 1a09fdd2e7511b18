/** The list of tasks with what stands around it: filters, counts, notices, and the way to older tasks. */

import { h, setText } from "../hub/dom.js";
import { clockTime } from "../hub/format.js";
import { announce } from "../hub/shell.js";
import { shortId } from "./address.js";
import { Filters } from "./filters.js";
import { FollowedTasks } from "./followed-tasks.js";
import { EVERY_MS, ListReader } from "./list-reader.js";
import { Summary } from "./summary.js";
import { TaskTable } from "./task-table.js";
import { whyNot } from "./words.js";

/** @typedef {import("../hub/services.js").Task} Task */
/** @typedef {import("./address.js").Address} Address */
/** @typedef {import("./list-reader.js").Page} Page */
/** @typedef {import("./task-record.js").TaskRecord} TaskRecord */
/**
 * @typedef {object} BoardParts
 * @property {import("../hub/painter.js").Painter} painter
 * @property {import("./cancellations.js").Cancellations} cancellations
 * @property {(address: Partial<Address>) => void} onGo  to other tasks, or into one
 */

export class Board {
  tasks;
  #parts;
  /** @type {Address | null} */
  #address = null;
  /** @type {string[]} ids */
  #listed = [];
  /** @type {string | null} */
  #next = null;
  /** Of what is shown; another address is being read if it is not that. @type {Address | null} */
  #shown = null;
  #readMs = 0;
  #reader = new ListReader({ onPage: (page) => this.#take(page), onProblem: (problem) => this.#fail(problem) });
  #filters;
  #table;
  #summary;
  #away = h("p", { class: "notice", "data-tone": "bad", role: "status", hidden: true });
  #where = h("p", { class: "small quiet" });
  #older;
  #newest;

  /** @param {BoardParts} parts */
  constructor(parts) {
    const { painter, cancellations, onGo } = parts;
    this.#parts = parts;
    this.tasks = new FollowedTasks({
      onChange: ({ id }) => this.#changed(id),
      onOwnEnd: ({ id, kind, state }) =>
        announce(`${kind} ${shortId(id)} has ${state === "cancelled" ? "been cancelled" : state}`),
      onSocket: () => painter.request(this.#summary),
    });
    this.#table = new TaskTable(painter, cancellations);
    this.#summary = new Summary(this.tasks, () => this.#records());
    this.#filters = new Filters({
      onFilter: (kind, state) => onGo({ kind, state, cursor: "" }),
      onOpen: (task) => onGo({ task }),
      listed: () => this.#listed,
    });
    this.#older = h(
      "button",
      { type: "button", disabled: true, onclick: () => this.#next && onGo({ cursor: this.#next }) },
      "Older",
    );
    this.#newest = h("button", { type: "button", disabled: true, onclick: () => onGo({ cursor: "" }) }, "Newest");
    this.element = h(
      "section",
      { class: "card board", "aria-labelledby": "board-title" },
      h("h2", { id: "board-title", tabIndex: -1 }, "Tasks"),
      this.#summary.element,
      this.#filters.element,
      this.#away,
      this.#table.element,
      h("div", { class: "row spread" }, this.#where, h("div", { class: "row" }, this.#newest, this.#older)),
    );
    this.#summary.paint();
  }

  /**
   * List what the address names.
   *
   * @param {Address} address
   */
  show(address) {
    this.#address = address;
    this.#filters.show(address);
    const known = this.#shown;
    const same =
      known !== null && known.kind === address.kind && known.state === address.state && known.cursor === address.cursor;
    this.#table.setBusy(!same);
    this.#reader.read(address);
  }

  /** @param {string[]} kinds */
  setKinds(kinds) {
    this.#filters.setKinds(kinds);
  }

  /** A task that was submitted on this page. @param {Task} task */
  submitted(task) {
    announce(`${task.kind} ${shortId(task.id)} submitted`);
    this.tasks.addOwn(task);
    this.#reader.again();
  }

  /** @param {string} id */
  changed(id) {
    this.#changed(id);
  }

  /** Give the focus to a task, or to the list when it is not there. @param {string} id */
  focus(id) {
    if (!this.#table.focus(id)) this.element.querySelector("h2")?.focus();
  }

  /**
   * @param {number} serverMs
   * @param {number} pageMs
   */
  paintTimes(serverMs, pageMs) {
    this.#table.paintTimes(serverMs, pageMs);
    this.#summary.paintRate(pageMs);
  }

  /** @param {Page} page */
  #take(page) {
    this.#away.hidden = true;
    this.#readMs = Date.now();
    const same = this.#shown === this.#address;
    const moved = page.items.length !== this.#listed.length || page.items.some(({ id }, at) => id !== this.#listed[at]);
    if (same && moved && this.#table.pointed) return; // the next reading brings them
    this.#shown = this.#address;
    this.#listed = page.items.map(({ id }) => id);
    this.#next = page.next;
    this.tasks.list(page.items);
    this.#table.show(this.#records(), this.#emptyText());
    this.#table.setBusy(false);
    this.#older.disabled = page.next === null;
    this.#newest.disabled = !this.#address?.cursor;
    setText(this.#where, this.#whereText());
    this.#parts.painter.request(this.#summary);
  }

  /** What is shown stays. @param {import("../hub/services.js").Problem} problem */
  #fail(problem) {
    const kept = this.#readMs ? `The list is as of ${clockTime(this.#readMs)}; it` : "The list";
    setText(this.#away, `${whyNot(problem)} ${kept} is read again every ${EVERY_MS / 1000} s, and goes on by itself.`);
    this.#away.hidden = false;
    if (this.#table.size > 0) return;
    this.#table.show([], "The tasks could not be read yet.");
    this.#table.setBusy(false);
  }

  /** @param {string} id */
  #changed(id) {
    this.#table.changed(id);
    this.#parts.painter.request(this.#summary);
  }

  #records() {
    return this.#listed.flatMap((id) => this.tasks.records.get(id) ?? []);
  }

  #emptyText() {
    const { kind, state, cursor } = /** @type {Address} */ (this.#address);
    if (cursor) return "There are no older tasks.";
    if (kind) return `There is no ${state} task of the kind ${kind}. Choose other filters.`.replace("  ", " ");
    if (state) return `There is no ${state} task. Choose another state.`;
    return "There is no task yet. Submit one: it appears here.";
  }

  #whereText() {
    if (this.#address?.cursor) return "Older tasks. New ones are on the first page.";
    const newest = this.#listed.length > 1 ? `The newest ${this.#listed.length}. ` : "";
    return `${newest}New tasks are looked for every ${EVERY_MS / 1000} s while this page can be seen; their updates are live.`;
  }
}
