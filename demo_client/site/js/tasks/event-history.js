/** The events of one task: the newest page of its history, older ones on demand, and what comes while it runs. */

import { h, setText } from "../hub/dom.js";
import { count } from "../hub/format.js";
import { API, Problem, request } from "../hub/services.js";
import { TaskStream } from "../lib/task-stream.js";
import { EventList } from "./event-list.js";
import { EventLog, MOST_LINES } from "./event-log.js";
import { socketBadge } from "./socket-badge.js";

/** @typedef {import("../lib/frames.js").TaskEvent} TaskEvent */
/** @typedef {{ epoch: string, seq: number, resumed: boolean, events: any[], next: string | null }} EventPage */
/**
 * @typedef {object} HistoryCallbacks
 * @property {(events: TaskEvent[], receivedMs: number) => void} onEvents  from the first that is shown on
 * @property {() => void} onReset  the events begin anew
 */

const FIRST_PAGE = 200;
const PAGE = 1_000;

/** Paintable. */
export class EventHistory {
  #id;
  #painter;
  #callbacks;
  #log = new EventLog();
  #list;
  #epoch = "";
  /** @type {TaskStream | null} */
  #stream = null;
  #closed = false;
  #badge = socketBadge("Stream of this task");
  #shown = h("p", { class: "small quiet number" });
  #problem = h("p", { class: "wrong small", role: "status" });
  #older = h("button", { type: "button", class: "small", hidden: true, onclick: () => this.#loadOlder() });

  /**
   * @param {string} id
   * @param {import("../hub/painter.js").Painter} painter
   * @param {HistoryCallbacks} callbacks
   */
  constructor(id, painter, callbacks) {
    this.#id = id;
    this.#painter = painter;
    this.#callbacks = callbacks;
    this.#list = new EventList(this.#log, painter);
    this.element = h(
      "section",
      { class: "card", "aria-labelledby": "events-title" },
      h("header", {}, h("h3", { id: "events-title" }, "Events"), this.#badge.element),
      h("div", { class: "row spread" }, h("div", { class: "row" }, this.#shown, this.#problem), this.#older),
      this.#list.element,
    );
  }

  /**
   * Read the newest page and follow from there. Throws Problem.
   *
   * @param {number} seq  the newest that is known; there may be newer ones
   */
  async open(seq) {
    this.tell("connecting");
    const after = Math.max(0, seq - FIRST_PAGE);
    const page = await this.#read(String(after), FIRST_PAGE);
    if (this.#closed) return;
    this.#epoch = page.epoch;
    this.#log.clear(page.resumed ? after : 0);
    this.#take(page.events, performance.now());
    if (page.next === null) this.tell("ended");
    else this.#follow(page.next);
  }

  /**
   * Show how the stream is, of which nothing can tell while there is none.
   *
   * @param {import("../lib/link.js").StreamState} state
   * @param {string} [message]
   */
  tell(state, message = "") {
    this.#badge.show(state, message);
  }

  close() {
    this.#closed = true;
    this.#stream?.close();
    this.#list.close();
    this.#painter.forget(this);
  }

  paint() {
    const { lines, after, full } = this.#log;
    const [first, last] = [lines[0], lines.at(-1)];
    const range = first && last ? `${count(after + 1)} to ${count(last.seq)}` : "No events yet";
    setText(this.#shown, full && after > 0 ? `${range}; this page keeps ${count(MOST_LINES)}` : range);
    this.#older.hidden = after === 0 || full;
    setText(this.#older, `Load ${count(Math.min(PAGE, after))} older`);
    this.#list.paint();
  }

  /** @param {string} after */
  #follow(after) {
    this.#stream = new TaskStream({
      url: `/ws/tasks/${this.#id}`,
      after,
      onEvents: (events, { receivedMs }) => this.#take(events, receivedMs),
      onGap: (gap) => this.#append([{ type: "gap", ...gap }]),
      onReset: ({ epoch }) => {
        this.#epoch = epoch;
        this.#log.clear();
        this.#callbacks.onReset();
        this.#painter.request(this);
      },
      onState: (state, { message }) => this.#badge.show(state, message),
    }).start();
  }

  /**
   * @param {any[]} items
   * @param {number} receivedMs
   */
  #take(items, receivedMs) {
    this.#append(items);
    this.#callbacks.onEvents(
      items.filter((item) => item.type !== "gap"),
      receivedMs,
    );
  }

  /** @param {any[]} items */
  #append(items) {
    this.#list.shift(-this.#log.append(items));
    this.#painter.request(this);
  }

  async #loadOlder() {
    const before = this.#log.after;
    const after = Math.max(0, before - PAGE);
    this.#older.disabled = true;
    setText(this.#problem, "");
    try {
      const items = await this.#readBetween(after, before);
      if (items && this.#log.after === before) this.#list.shift(this.#log.prepend(items, after));
      this.#painter.request(this);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setText(this.#problem, error.message);
    } finally {
      this.#older.disabled = false;
    }
  }

  /**
   * The events after `after` up to `before`; null when there is another epoch now: the stream tells that too.
   *
   * @param {number} after
   * @param {number} before
   */
  async #readBetween(after, before) {
    const items = [];
    let last = after;
    while (last < before) {
      const page = await this.#read(`${this.#epoch}.${last}`, before - last); // it may end earlier: 4 MiB
      if (!page.resumed || page.events.length === 0) return null;
      items.push(...page.events);
      const newest = items.at(-1);
      last = newest.type === "gap" ? newest.before - 1 : newest.seq;
    }
    return items;
  }

  /**
   * @param {string} after  a cursor
   * @param {number} limit
   * @returns {Promise<EventPage>}
   */
  #read(after, limit) {
    return request(`${API}/tasks/${this.#id}/events?${new URLSearchParams({ after, limit: String(limit) })}`);
  }
}
