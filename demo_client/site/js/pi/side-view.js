/** One side as the page shows it: what it costs now, what its tasks do, and its clients. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { bytes, count, duration, NONE, rate, TOO_SHORT } from "../hub/format.js";
import { SIDE_NAMES, TASK_STATES, taskState } from "../hub/words.js";
import { ClientView } from "./client-view.js";

/** @typedef {import("../hub/follower.js").Side} Side */
/** @typedef {import("./sampler.js").SideSample} SideSample */

/** Clients of a side that get a card each; more are rows. */
const MOST_CARDS = 8;

export class SideView {
  /** @type {ClientView[]} */
  clients = [];
  #how = h("p", { class: "quiet small" });
  #span = h("p", { class: "quiet small" });
  #tasks = h("p", { class: "small number" });
  #event = h("p", { class: "event small quiet" });
  #list = h("ul", { class: "clients" });
  #figures;

  /**
   * @param {Side} side
   * @param {(client: ClientView, text: string) => void} onNote  something that matters has happened to a client
   */
  constructor(side, onNote) {
    this.side = side;
    this.onNote = onNote;
    this.#figures = {
      age: figure("Age, median"),
      cpu: figure("Server CPU"),
      messages: figure(side === "live" ? "Messages" : "Requests"),
      bytes: figure("Received"),
    };
    const heading = h("h2", { class: "side-title", id: `side-${side}` }, SIDE_NAMES[side]);
    const list = h("dl", {}, ...Object.values(this.#figures).map(({ element }) => element));
    const figures = h("div", { class: "figures" }, this.#span, list);
    this.element = h("section", { class: `card side ${side}`, "aria-labelledby": heading.id });
    this.element.append(h("header", {}, heading, this.#how), figures, this.#tasks, this.#list, this.#event);
    this.clear();
  }

  /** @param {string} text  how this side delivers */
  describe(text) {
    setText(this.#how, text);
  }

  /**
   * Make room for so many clients; they are made again only when it is another number.
   *
   * @param {number} number
   * @param {number} digits
   */
  arrange(number, digits) {
    if (this.clients.length !== number) {
      const row = number > MOST_CARDS;
      this.clients = Array.from({ length: number }, (_, at) => this.#client(at + 1, row));
      this.#list.replaceChildren(...this.clients.map(({ element }) => element));
      setAttribute(this.#list, "data-as", row ? "rows" : "cards");
      setAttribute(this.#list, "tabindex", row ? "0" : null);
      setAttribute(this.#list, "aria-label", `Clients of the ${SIDE_NAMES[this.side].toLowerCase()} side`);
    }
    for (const client of this.clients) client.reset(digits);
  }

  /** Forget the figures of a run. */
  clear() {
    this.showSample(null);
    this.tell("Not started");
    setText(this.#event, "");
  }

  /** @param {string} text  what the tasks do */
  tell(text) {
    setText(this.#tasks, text);
  }

  /** @param {{ taskId: string, view: { state: string } }[]} followers */
  tellTasks(followers) {
    this.tell(taskStates(followers));
  }

  /** @param {number} msASecond  now */
  showCpu(msASecond) {
    this.#show("cpu", msASecond, rateOfCpu);
  }

  /** @param {SideSample | null} sample  of the last second; its CPU is shown apart, without a run too */
  showSample(sample) {
    setText(this.#span, "Of the last second");
    this.#show("age", sample?.ageMs, duration);
    this.#show("messages", sample?.messages, rateOfMessages);
    this.#show("bytes", sample?.bytes, rateOfBytes);
  }

  /**
   * @param {SideSample} mean
   * @param {import("./figures.js").TooShort} tooShort
   */
  showRun({ ageMs, cpu, messages, bytes: received }, { ages, rates }) {
    const unmeasured = rates ? TOO_SHORT : NONE;
    setText(this.#span, "Of the whole run");
    this.#show("age", ageMs, duration, ages ? TOO_SHORT : NONE);
    this.#show("cpu", cpu, rateOfCpu, unmeasured);
    this.#show("messages", messages, rateOfMessages, unmeasured);
    this.#show("bytes", received, rateOfBytes, unmeasured);
  }

  /**
   * @param {"age" | "cpu" | "messages" | "bytes"} which
   * @param {number | undefined} value
   * @param {(value: number) => string} format
   * @param {string} [unknown]  what stands for a value that there is none of
   */
  #show(which, value, format, unknown = NONE) {
    const { value: place } = this.#figures[which];
    const text = value === undefined || Number.isNaN(value) ? unknown : format(value);
    setText(place, text);
    setAttribute(place, "class", text === TOO_SHORT ? "words" : "number");
  }

  /**
   * @param {number} number
   * @param {boolean} row
   */
  #client(number, row) {
    const client = new ClientView({
      side: this.side,
      number,
      row,
      onNote: (text, matters) => this.#noted(client, text, matters),
    });
    return client;
  }

  /**
   * @param {ClientView} client
   * @param {string} text
   * @param {boolean} matters
   */
  #noted(client, text, matters) {
    setText(this.#event, `Client ${client.number}: ${text}`);
    if (matters) this.onNote(client, text);
  }
}

const rateOfCpu = (/** @type {number} */ msASecond) => `${count(msASecond)} ms/s`;
const rateOfMessages = (/** @type {number} */ aSecond) => `${rate(aSecond)}/s`;
const rateOfBytes = (/** @type {number} */ aSecond) => `${bytes(aSecond)}/s`;

/** @param {string} name */
function figure(name) {
  const value = h("dd", { class: "number" }, NONE);
  return { value, element: h("div", {}, h("dt", {}, name), value) };
}

/**
 * What the tasks that are followed do, in words.
 *
 * @param {{ taskId: string, view: { state: string } }[]} followers
 */
function taskStates(followers) {
  const order = /** @type {readonly string[]} */ (TASK_STATES);
  /** @type {Map<string, string>} the furthest that any follower has seen, by task */
  const states = new Map();
  for (const { taskId, view } of followers) {
    const known = states.get(taskId) ?? "queued";
    states.set(taskId, order.indexOf(view.state) > order.indexOf(known) ? view.state : known);
  }
  const all = [...states.values()];
  if (all.length === 1) return `Task: ${taskState(all[0] ?? "")}`;
  const told = order
    .map((state) => ({ state, number: all.filter((one) => one === state).length }))
    .filter(({ number }) => number > 0)
    .map(({ state, number }) => `${number} ${taskState(state)}`);
  return `${all.length} tasks: ${told.join(", ")}`;
}
