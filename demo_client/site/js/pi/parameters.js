/**
 * The parameters of a run: read from texts (of the form, of the address), checked, and written to the address.
 *
 * What is wrong is told in a sentence at the parameter; nothing is replaced by something else.
 */

/** What a browser opens to one host at most, over HTTP/1.1. */
export const BROWSER_CONNECTIONS = 6;
/** Long polls that leave two of these connections to the rest of the page. */
const LONG_POLLS = BROWSER_CONNECTIONS - 2;
/** Tasks that the workers of either side run at the same time. */
export const WORKER_PLACES = 8;

/** As texts. */
export const DEFAULTS = Object.freeze({
  digits: "100",
  pace_min: "100",
  pace_max: "500",
  clients: "5",
  interval: "150",
  strategy: "plain",
  tasks: "shared",
});

/** @type {Record<"digits" | "pace_min" | "pace_max" | "clients" | "interval", readonly [number, number]>} */
export const LIMITS = {
  digits: [1, 10_000],
  pace_min: [0, 60_000],
  pace_max: [0, 60_000],
  clients: [1, 50],
  interval: [50, 10_000],
};

const CHOICES = {
  strategy: /** @type {const} */ (["plain", "delta", "long"]),
  tasks: /** @type {const} */ (["shared", "each"]),
};

const NUMBER = new Intl.NumberFormat("en");

/** @typedef {keyof typeof DEFAULTS} Name */
/** @typedef {{ [Key in Name]: string }} Texts */
/** @typedef {Partial<Texts>} Errors  a sentence for each parameter that is wrong */
/** @typedef {import("../hub/follower.js").Strategy} Strategy */
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
  const whole = (/** @type {keyof typeof LIMITS} */ name) => wholeNumber(name, texts[name], errors);
  const parameters = {
    digits: whole("digits"),
    paceMs: /** @type {[number, number]} */ ([whole("pace_min"), whole("pace_max")]),
    clients: whole("clients"),
    intervalMs: whole("interval"),
    strategy: choice("strategy", texts.strategy, errors),
    tasks: choice("tasks", texts.tasks, errors),
  };
  const [shortest, longest] = parameters.paceMs;
  if (shortest > longest) errors.pace_max ??= `The longest pause must be ${NUMBER.format(shortest)} ms or more.`;
  if (parameters.strategy === "long" && connections <= BROWSER_CONNECTIONS && parameters.clients > LONG_POLLS) {
    errors.clients ??= `With long polling, at most ${LONG_POLLS}: a browser opens ${connections} connections to a host over HTTP/1.1, and each long poll holds one. Choose fewer clients or another strategy.`;
  }
  return { parameters: Object.keys(errors).length === 0 ? parameters : null, errors };
}

/**
 * The texts that an address asks for, those that it does not name being the defaults.
 *
 * @param {string} search  as location.search
 * @returns {{ texts: Texts, unknown: string[] }}  unknown: names that are no parameter
 */
export function textsOf(search) {
  /** @type {Texts} */
  const texts = { ...DEFAULTS };
  const unknown = [];
  for (const [name, text] of new URLSearchParams(search)) {
    if (Object.hasOwn(DEFAULTS, name)) texts[/** @type {Name} */ (name)] = text.trim().slice(0, 40);
    else unknown.push(name.slice(0, 40));
  }
  return { texts, unknown };
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
  const rounds = tasks === "each" ? Math.ceil(clients / WORKER_PLACES) : 1;
  return (rounds * digits * (shortest + longest)) / 2;
}

/**
 * @param {keyof typeof LIMITS} name
 * @param {string} text
 * @param {Errors} errors
 */
function wholeNumber(name, text, errors) {
  const [least, most] = LIMITS[name];
  const value = /^\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const given = text.trim() === "" ? "" : ` “${text.trim()}” is not.`;
  errors[name] = `A whole number from ${NUMBER.format(least)} to ${NUMBER.format(most)}, please.${given}`;
  return Number.NaN;
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
