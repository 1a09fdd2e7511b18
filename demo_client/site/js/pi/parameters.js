/**
 * The parameters of a run: read from texts (of the form, of the address), checked, and written to the address.
 *
 * What is wrong is told in a sentence at the parameter; nothing is replaced by something else.
 */

import { LIMITS as COMMON, notWhole, paceEnds, readPace, unknownNames, wholeNumber } from "../hub/parameters.js";

/** What a browser opens to one host at most, over HTTP/1.1. */
export const BROWSER_CONNECTIONS = 6;
/** Long polls that leave two of these connections to the rest of the page. */
const LONG_POLLS = BROWSER_CONNECTIONS - 2;
/** Tasks of one kind that a worker of either side runs at the same time, by default. */
export const TASKS_AT_ONCE = 6;

/** As texts. */
export const DEFAULTS = Object.freeze({
  digits: "100",
  pace: "100-500",
  clients: "5",
  interval: "150",
  strategy: "plain",
  tasks: "shared",
});

/** @type {Record<"digits" | "clients" | "interval", import("../hub/parameters.js").Limits>} */
export const LIMITS = { digits: [1, 10_000], clients: [1, 50], interval: COMMON.interval };

const CHOICES = {
  strategy: /** @type {const} */ (["plain", "delta", "long"]),
  tasks: /** @type {const} */ (["shared", "each"]),
};

/** @typedef {keyof typeof DEFAULTS} Name */
/** @typedef {{ [Key in Name]: string }} Texts */
/** @typedef {Partial<Texts>} Errors  a sentence for each parameter that is wrong */
/** @typedef {import("../hub/words.js").Strategy} Strategy */
/**
 * @typedef {object} Parameters
 * @property {number} digits
 * @property {[number, number]} paceMs
 * @property {number} clients  of each side
 * @property {number} intervalMs
 * @property {Strategy} strategy
 * @property {"shared" | "each"} tasks  one for each side, or one for each client
 */

/**
 * @param {Texts} texts
 * @param {{ connections: number }} browser  connections to one host that the browser opens at most
 * @returns {{ parameters: Parameters | null, errors: Errors }}
 */
export function readParameters(texts, { connections }) {
  /** @type {Errors} */
  const errors = {};
  const whole = (/** @type {keyof typeof LIMITS} */ name) => {
    const value = wholeNumber(texts[name], LIMITS[name]);
    if (Number.isNaN(value)) errors[name] = notWhole(texts[name], LIMITS[name]);
    return value;
  };
  const { paceMs, wrong } = readPace(paceEnds(texts.pace));
  if (wrong) errors.pace = wrong;
  const parameters = {
    digits: whole("digits"),
    paceMs,
    clients: whole("clients"),
    intervalMs: whole("interval"),
    strategy: choice("strategy", texts.strategy, errors),
    tasks: choice("tasks", texts.tasks, errors),
  };
  if (parameters.strategy === "long" && connections <= BROWSER_CONNECTIONS && parameters.clients > LONG_POLLS) {
    errors.clients ??= `With long polling, at most ${LONG_POLLS}: a browser opens ${connections} connections to a host over HTTP/1.1, and each long poll holds one. Choose fewer clients or another strategy.`;
  }
  return { parameters: Object.keys(errors).length === 0 ? parameters : null, errors };
}

/**
 * The texts that an address asks for, those that it does not name being the defaults.
 *
 * @param {string} search  as location.search
 * @returns {{ texts: Texts, unknown: string | null }}  unknown: a sentence about names that are no parameter
 */
export function textsOf(search) {
  const query = new URLSearchParams(search);
  const names = /** @type {Name[]} */ (Object.keys(DEFAULTS));
  const texts = names.map((name) => [name, (query.get(name) ?? DEFAULTS[name]).trim().slice(0, 40)]);
  return { texts: Object.fromEntries(texts), unknown: unknownNames(query, names) };
}

/**
 * The query, with its question mark, of what is not the default; "" when everything is.
 *
 * @param {Texts} texts
 */
export function searchOf(texts) {
  const query = new URLSearchParams();
  for (const [name, text] of Object.entries(texts)) {
    if (text !== DEFAULTS[/** @type {Name} */ (name)]) query.set(name, text);
  }
  return query.size ? `?${query}` : "";
}

/**
 * How long a run takes, in ms: the pauses, without what starting costs.
 *
 * @param {Parameters} parameters
 */
export function expectedMs({ digits, paceMs: [shortest, longest], clients, tasks }) {
  const rounds = tasks === "each" ? Math.ceil(clients / TASKS_AT_ONCE) : 1;
  return (rounds * digits * (shortest + longest)) / 2;
}

/** How many connections this browser opens to the host of the page at most. */
export function connectionLimit() {
  const [navigation] = performance.getEntriesByType("navigation");
  const protocol = /** @type {PerformanceNavigationTiming | undefined} */ (navigation)?.nextHopProtocol ?? "";
  // over HTTP/2 and 3 requests share a connection
  return /^h[23]/.test(protocol) ? Number.POSITIVE_INFINITY : BROWSER_CONNECTIONS;
}

/**
 * @template {keyof typeof CHOICES} Key
 * @param {Key} name
 * @param {string} text
 * @param {Errors} errors
 * @returns {(typeof CHOICES)[Key][number]}
 */
function choice(name, text, errors) {
  const choices = /** @type {readonly string[]} */ (CHOICES[name]);
  if (!choices.includes(text)) {
    const given = text === "" ? "" : ` “${text}” is not one of them.`;
    errors[name] = `Choose one: ${choices.join(", ")}.${given}`;
  }
  return /** @type {any} */ (text);
}
