/** The form: what is searched, for what, how fast, and how the polling side asks. Its values stand in the address. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { Field } from "./field.js";
import { KeywordField } from "./keyword-field.js";
import { check, fieldOf, fromQuery, toQuery } from "./parameters.js";
import { SourceField } from "./source-field.js";

/** @typedef {import("./parameters.js").Draft} Draft */
/** @typedef {import("./parameters.js").FieldName} FieldName */
/** @typedef {import("./parameters.js").Parameters} Parameters */
/** @typedef {import("./parameters.js").Strategy} Strategy */
/** @typedef {import("./parameters.js").Wrong} Wrong */
/** @typedef {{ parameters: Parameters, source: import("./source-field.js").Source }} Order */

const PRESETS_MS = [150, 500];

/** @type {Record<Strategy, { name: string, hint: string }>} */
const STRATEGIES = {
  plain: { name: "plain", hint: "The whole state each time: all matches so far, over and over." },
  delta: { name: "delta", hint: "Only what is new since the last answer; when nothing is, a 304 without a body." },
  long: { name: "long", hint: "As delta, but the server holds each request until there is news, for 25 s at most." },
};

export class RunForm {
  #source = new SourceField(() => this.#changed());
  #keywords = new KeywordField(() => this.#changed());
  #shortest = this.#number("Shortest pause in ms");
  #longest = this.#number("Longest pause in ms");
  #seed = this.#number();
  #interval = this.#number();
  #strategy = h(
    "select",
    { onchange: () => this.#changed() },
    ...Object.entries(STRATEGIES).map(([value, { name }]) => h("option", { value }, name)),
  );
  #presets = PRESETS_MS.map((ms) =>
    h("button", { type: "button", class: "small", onclick: () => this.#preset(ms) }, `${ms} ms`),
  );
  #notice = h("p", { class: "notice", "data-tone": "bad", role: "alert", hidden: true });
  /** @type {Record<FieldName, Field>} */
  #fields;
  #run = h("button", { type: "submit", class: "primary" }, "Run");
  #stop;
  #status = h("span", { class: "small quiet" });

  /**
   * @param {object} handlers
   * @param {(order: Order) => void} handlers.onRun
   * @param {() => void} handlers.onStop
   */
  constructor({ onRun, onStop }) {
    this.#stop = h("button", { type: "button", disabled: true, onclick: onStop }, "Stop");
    this.#fields = this.#makeFields();
    this.actions = h("div", { class: "row actions" }, this.#run, this.#stop, this.#status);
    const submitted = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const order = this.#read();
      if (order) onRun(order);
    };
    const { keywords, pace, seed, interval, strategy } = this.#fields;
    this.element = h(
      "form",
      { class: "card", noValidate: true, "aria-label": "What to search", onsubmit: submitted },
      h("div", { class: "columns" }, this.#source.element, keywords.element),
      h("div", { class: "fields" }, pace.element, seed.element, strategy.element, interval.element),
      this.#notice,
      this.actions,
    );
    const { draft, wrong } = fromQuery(new URLSearchParams(location.search));
    this.#fill(draft);
    this.#showWrong(wrong);
  }

  /** @param {boolean} running */
  setRunning(running) {
    const [left, entered] = running ? [this.#run, this.#stop] : [this.#stop, this.#run];
    const focused = document.activeElement === left;
    entered.disabled = false;
    left.disabled = true;
    if (focused) entered.focus();
  }

  /** @param {string} text */
  setStatus(text) {
    setText(this.#status, text);
  }

  /** A sentence above the buttons; null takes it away. @param {string | null} sentence */
  setNotice(sentence) {
    setText(this.#notice, sentence ?? "");
    this.#notice.hidden = sentence === null;
  }

  /**
   * Show what the services refused, each at the field it belongs to.
   *
   * @param {import("../hub/services.js").Problem} problem
   */
  refuse(problem) {
    /** @type {Wrong} */
    const wrong = {};
    const others = [];
    for (const { field, message } of problem.errors) {
      const name = fieldOf(field);
      const place = name === "keywords" ? this.#keywordAt(field) : "";
      if (name) wrong[name] ??= `${place}${message}.`;
      else others.push(`${field}: ${message}`);
    }
    this.#showWrong(wrong);
    const rest = problem.errors.length > 0 ? others.join("; ") : problem.message;
    this.setNotice(rest || null);
    this.#focusWrong(wrong);
  }

  /** The order that the form makes; null when something is wrong, which then is told and has the focus. */
  #read() {
    this.#keywords.commit();
    const unfinished = this.#keywords.field.isWrong;
    this.setNotice(null);
    const { parameters, wrong } = check(this.#draft());
    if (!unfinished) this.#keywords.field.setWrong(null);
    this.#source.clearWrong();
    this.#showWrong(wrong, unfinished);
    const source = this.#source.read();
    if (parameters && source && !unfinished) return { parameters, source };
    if (!source) this.#source.field.focus();
    else this.#focusWrong(unfinished ? { keywords: "" } : wrong);
    return null;
  }

  /** @returns {Draft} */
  #draft() {
    return {
      source: this.#source.choice,
      keywords: this.#keywords.terms,
      pace: [this.#shortest.value, this.#longest.value],
      seed: this.#seed.value,
      interval: this.#interval.value,
      strategy: /** @type {Strategy} */ (this.#strategy.value),
    };
  }

  /** @param {Draft} draft */
  #fill({ source, keywords, pace, seed, interval, strategy }) {
    this.#source.choice = source;
    this.#keywords.terms = keywords;
    [this.#shortest.value, this.#longest.value] = pace;
    this.#seed.value = seed;
    this.#interval.value = interval;
    this.#strategy.value = strategy;
    this.#follow();
  }

  #changed() {
    const draft = this.#draft();
    const { wrong } = check(draft);
    for (const name of /** @type {FieldName[]} */ (["pace", "seed", "interval", "strategy"])) {
      if (!wrong[name]) this.#fields[name].setWrong(null); // a sentence goes when it is no longer true
    }
    history.replaceState(null, "", `?${toQuery(draft)}`);
    this.#follow();
  }

  /** What depends on other fields. */
  #follow() {
    const strategy = /** @type {Strategy} */ (this.#strategy.value);
    this.#fields.strategy.setHint(STRATEGIES[strategy].hint);
    const long = strategy === "long";
    this.#interval.disabled = long;
    for (const [index, button] of this.#presets.entries()) {
      button.disabled = long;
      setAttribute(button, "aria-pressed", String(Number(this.#interval.value) === PRESETS_MS[index]));
    }
    this.#fields.interval.setHint(long ? "Long polling asks again at once." : "50 to 10,000 ms between two requests.");
  }

  /** @param {number} ms */
  #preset(ms) {
    this.#interval.value = String(ms);
    this.#changed();
  }

  /**
   * @param {Wrong} wrong
   * @param {boolean} [keepKeywords]
   */
  #showWrong(wrong, keepKeywords = false) {
    for (const [name, field] of Object.entries(this.#fields)) {
      if (name === "keywords" && keepKeywords) continue;
      const sentence = wrong[/** @type {FieldName} */ (name)] ?? null;
      const place = name === "source" && sentence ? this.#source.field : field;
      place.setWrong(sentence);
    }
  }

  /** @param {Wrong} wrong */
  #focusWrong(wrong) {
    const first = /** @type {FieldName[]} */ (Object.keys(this.#fields)).find((name) => wrong[name] !== undefined);
    if (first === "source") this.#source.field.focus();
    else if (first) this.#fields[first].focus();
  }

  /**
   * @param {string} path  as `params.keywords.3`
   */
  #keywordAt(path) {
    const term = this.#keywords.terms[Number(path.split(".")[2] ?? Number.NaN)];
    return term === undefined ? "" : `“${term}”: `;
  }

  /** @returns {Record<FieldName, Field>} */
  #makeFields() {
    const pace = h(
      "div",
      { class: "row nowrap" },
      this.#shortest,
      h("span", { "aria-hidden": "true" }, "–"),
      this.#longest,
    );
    return {
      source: this.#source.choiceField,
      keywords: this.#keywords.field,
      pace: new Field({
        label: "Pace, ms per match",
        controls: [this.#shortest, this.#longest],
        content: pace,
        hint: "Each pause is drawn between the two; 0 – 0 is as fast as it goes.",
      }),
      seed: new Field({
        label: "Seed",
        controls: [this.#seed],
        hint: "The same seed draws the same pauses, on both sides.",
      }),
      strategy: new Field({ label: "Polling strategy", controls: [this.#strategy] }),
      interval: new Field({
        label: "Polling interval, ms",
        controls: [this.#interval],
        content: h("div", { class: "row nowrap interval" }, this.#interval, ...this.#presets),
      }),
    };
  }

  /** @param {string} [label]  when it is one of several in a field */
  #number(label) {
    const input = h("input", {
      type: "text",
      inputMode: "numeric",
      autocomplete: "off",
      oninput: () => this.#changed(),
    });
    if (label) input.setAttribute("aria-label", label);
    return input;
  }
}
