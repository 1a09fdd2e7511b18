/** What a run is made of: as it is typed, as it stands in the address of the page, and as the services take it. */

import { LIMITS, notWhole, paceEnds, readPace, shortened, unknownNames, wholeNumber } from "../hub/parameters.js";

/** @typedef {"sample" | "text" | "file"} SourceChoice */
/** @typedef {import("../hub/words.js").Strategy} Strategy */
/** @typedef {"source" | "keywords" | "pace" | "seed" | "interval" | "strategy"} FieldName */
/** @typedef {Partial<Record<FieldName, string>>} Wrong  a sentence for each field that cannot be used as it is */
/**
 * @typedef {object} Draft  as typed: numbers are text, which may be none
 * @property {SourceChoice} source
 * @property {string[]} keywords
 * @property {[string, string]} pace
 * @property {string} seed
 * @property {string} interval
 * @property {Strategy} strategy
 */
/**
 * @typedef {object} Parameters
 * @property {string[]} keywords
 * @property {[number, number]} paceMs
 * @property {number} seed
 * @property {number} intervalMs
 * @property {Strategy} strategy
 */

export const MAX_KEYWORDS = 50;
const MAX_KEYWORD_CHARACTERS = 100;
/** @type {import("../hub/parameters.js").Limits} */
const SEEDS = [0, 2 ** 32 - 1];
const NAMES = ["keyword", "pace", "seed", "interval", "strategy", "source"];

/** @type {SourceChoice[]} */
const SOURCES = ["sample", "text", "file"];
/** @type {Strategy[]} */
const STRATEGIES = ["plain", "delta", "long"];

/** In the sample these make 80 matches, and six idle stretches of 1 to 4 s at the pace given. */
const SAMPLE_KEYWORDS = ["storm", "signal", "slats", "logbook"];

/** @returns {Draft} */
export function defaults() {
  return {
    source: "sample",
    keywords: [...SAMPLE_KEYWORDS],
    pace: ["100", "500"],
    seed: "0",
    interval: "150",
    strategy: "plain",
  };
}

/**
 * The draft that a query names; what it does not name is as by default.
 *
 * @param {URLSearchParams} query
 * @returns {{ draft: Draft, wrong: Wrong, unknown: string | null }}  unknown: a sentence about names that are no parameter
 */
export function fromQuery(query) {
  const draft = defaults();
  /** @type {Wrong} */
  const asked = {};
  const keywords = query.getAll("keyword").map(tidy).filter(Boolean);
  if (query.has("keyword")) draft.keywords = keywords;
  const pace = query.get("pace");
  if (pace !== null) draft.pace = paceEnds(pace);
  draft.seed = query.get("seed") ?? draft.seed;
  draft.interval = query.get("interval") ?? draft.interval;
  draft.source = choice("source", SOURCES, draft.source);
  draft.strategy = choice("strategy", STRATEGIES, draft.strategy);
  return { draft, wrong: { ...check(draft).wrong, ...asked }, unknown: unknownNames(query, NAMES) };

  /**
   * @template {string} Value
   * @param {"source" | "strategy"} name
   * @param {Value[]} values
   * @param {Value} otherwise
   */
  function choice(name, values, otherwise) {
    const given = query.get(name);
    const known = values.find((value) => value === given);
    if (given === null || known) return known ?? otherwise;
    asked[name] = `The address names “${shortened(given)}”, which is no ${name}; “${otherwise}” is chosen.`;
    return otherwise;
  }
}

/**
 * @param {Draft} draft
 * @returns {URLSearchParams}
 */
export function toQuery(draft) {
  const query = new URLSearchParams();
  for (const keyword of draft.keywords) query.append("keyword", keyword);
  query.set("pace", draft.pace.join("-"));
  query.set("seed", draft.seed);
  query.set("interval", draft.interval);
  query.set("strategy", draft.strategy);
  query.set("source", draft.source);
  return query;
}

/**
 * The parameters of a draft, or what is wrong with it. The services have the last word on keywords.
 *
 * @param {Draft} draft
 * @returns {{ parameters: Parameters | null, wrong: Wrong }}
 */
export function check(draft) {
  /** @type {Wrong} */
  const wrong = {};
  const seed = wholeNumber(draft.seed, SEEDS);
  if (Number.isNaN(seed)) wrong.seed = notWhole(draft.seed, SEEDS);
  const intervalMs = wholeNumber(draft.interval, LIMITS.interval);
  if (Number.isNaN(intervalMs)) wrong.interval = notWhole(draft.interval, LIMITS.interval);
  const pace = readPace(draft.pace);
  if (pace.wrong) wrong.pace = pace.wrong;
  const objection = keywordsObjection(draft.keywords);
  if (objection) wrong.keywords = objection;
  if (Object.keys(wrong).length > 0) return { parameters: null, wrong };
  const { keywords, strategy } = draft;
  return { parameters: { keywords, paceMs: pace.paceMs, seed, intervalMs, strategy }, wrong };
}

/**
 * A keyword as the services take it: in NFC, without white space around.
 *
 * @param {string} typed
 */
export function tidy(typed) {
  return typed.normalize("NFC").trim();
}

/**
 * Why `term` cannot be added to `others`, or null.
 *
 * @param {string} term  tidied
 * @param {string[]} others
 */
export function keywordObjection(term, others) {
  if (Array.from(term).length > MAX_KEYWORD_CHARACTERS) {
    return `“${shortened(term)}” is longer than ${MAX_KEYWORD_CHARACTERS} characters.`;
  }
  if (/^\p{M}/u.test(term)) return `“${term}” begins with a combining mark; begin with a letter.`;
  const same = others.find((other) => other.toLowerCase() === term.toLowerCase());
  return same === undefined ? null : `“${shortened(same)}” is there already; upper and lower case are the same here.`;
}

/**
 * The field that an error of the services belongs to; null for what this form has no field for.
 *
 * @param {string} path  as `params.keywords.3`
 * @returns {FieldName | null}
 */
export function fieldOf(path) {
  const name = path.split(".")[1];
  if (name === "pace_ms") return "pace";
  return name === "source" || name === "keywords" || name === "seed" ? name : null;
}

/** @param {string[]} keywords */
function keywordsObjection(keywords) {
  if (keywords.length === 0) return "Give at least one keyword.";
  if (keywords.length > MAX_KEYWORDS) return `There are ${keywords.length} keywords; ${MAX_KEYWORDS} are allowed.`;
  for (const [index, term] of keywords.entries()) {
    const objection = keywordObjection(term, keywords.slice(0, index));
    if (objection) return objection;
  }
  return null;
}
