/** One side as the page shows it: what it costs now, what its tasks do, and its clients. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { bytes, count, duration, NONE } from "../hub/format.js";
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
    const figures = h("dl", { class: "figures" }, ...Object.values(this.#figures).map(({ element }) => element));
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

  /** @param {number} msASecond */
  showCpu(msASecond) {
    setText(this.#figures.cpu.value, Number.isNaN(msASecond) ? NONE : `${count(msASecond)} ms/s`);
  }

  /** @param {SideSample | null} sample */
  showSample(sample) {
    const { age, messages, bytes: received } = this.#figures;
    setText(age.value, duration(sample?.ageMs));
    setText(messages.value, sample ? `${count(sample.messages)}/s` : NONE);
    setText(received.value, sample ? `${bytes(sample.bytes)}/s` : NONE);
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
