/** The form: what is searched, for what, how fast, and how the polling side asks. Its values stand in the address. */

import { h, setText } from "../hub/dom.js";
import { Field, IntervalField, numberInput, PaceField, StrategyField } from "../hub/fields.js";
import { RunButtons } from "../hub/run-buttons.js";
import { sentence } from "../hub/words.js";
import { KeywordField } from "./keyword-field.js";
import { check, fieldOf, fromQuery, toQuery } from "./parameters.js";
import { SourceField } from "./source-field.js";

/** @typedef {import("./parameters.js").Draft} Draft */
/** @typedef {import("./parameters.js").FieldName} FieldName */
/** @typedef {import("./parameters.js").Parameters} Parameters */
/** @typedef {import("./parameters.js").Wrong} Wrong */
/** @typedef {{ parameters: Parameters, source: import("./source-field.js").Source }} Order */

export class RunForm {
  #source = new SourceField(() => this.#changed());
  #keywords = new KeywordField(() => this.#changed());
  #pace = new PaceField("Pace, ms per match", () => this.#changed());
  #seed = numberInput(() => this.#changed());
  #strategy = new StrategyField(() => this.#changed());
  #interval = new IntervalField(() => this.#changed());
  #notice = h("p", { class: "notice", "data-tone": "bad", role: "alert", hidden: true });
  /** In the order in which they stand. @type {Record<FieldName, Field>} */
  #fields = {
    source: this.#source.choiceField,
    keywords: this.#keywords.field,
    pace: this.#pace.field,
    seed: new Field({
      label: "Seed",
      controls: [this.#seed],
      hint: "The same seed draws the same pauses, on both sides.",
    }),
    strategy: this.#strategy.field,
    interval: this.#interval.field,
  };
  #buttons;
  #status = h("span", { class: "small quiet" });

  /**
   * @param {object} handlers
   * @param {(order: Order) => void} handlers.onRun
   * @param {() => void} handlers.onStop
   */
  constructor({ onRun, onStop }) {
    this.#buttons = new RunButtons(onStop);
    this.actions = h("div", { class: "row actions" }, this.#buttons.run, this.#buttons.stop, this.#status);
    const submitted = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      if (this.#buttons.run.disabled) return;
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
    const { draft, wrong, unknown } = fromQuery(new URLSearchParams(location.search));
    this.#fill(draft);
    this.#showWrong(wrong);
    this.#follow();
    this.setNotice(unknown);
  }

  /** @param {import("../hub/run-buttons.js").Phase} phase */
  showPhase(phase) {
    this.#buttons.show(phase);
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
      if (name) wrong[name] ??= sentence(`${place}${message}`);
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
      pace: this.#pace.ends,
      seed: this.#seed.value.trim(),
      interval: this.#interval.text,
      strategy: this.#strategy.value,
    };
  }

  /** @param {Draft} draft */
  #fill({ source, keywords, pace, seed, interval, strategy }) {
    this.#source.choice = source;
    this.#keywords.terms = keywords;
    this.#pace.ends = pace;
    this.#seed.value = seed;
    this.#interval.text = interval;
    this.#strategy.value = strategy;
  }

  #changed() {
    const draft = this.#draft();
    const { wrong } = check(draft);
    for (const name of /** @type {FieldName[]} */ (["pace", "seed", "interval", "strategy"])) {
      this.#fields[name].setWrong(wrong[name] ?? null);
    }
    history.replaceState(null, "", `?${toQuery(draft)}`);
    this.#follow();
  }

  /** What depends on other fields. */
  #follow() {
    this.#strategy.show();
    this.#interval.show(this.#strategy.value);
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
}
