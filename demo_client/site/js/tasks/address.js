/**
 * What the address of the page says: which tasks to list, and which one to open.
 *
 * @typedef {object} Address
 * @property {string} kind  "": all
 * @property {string} state  "": all
 * @property {string} cursor  the page of older tasks that begins after this id; "": the newest
 * @property {string} task  the id of the task to open as it was given, also when it cannot be one; "": none
 */

import { TASK_STATES } from "../hub/words.js";

/** @type {readonly string[]} */
const STATES = TASK_STATES;

const PATH = "/tasks";
const KIND = /^[a-z][a-z0-9_]{0,62}$/;
const TASK_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @type {Readonly<Address>} */
export const NEWEST = Object.freeze({ kind: "", state: "", cursor: "", task: "" });

/**
 * The address, without the values that cannot be; a sentence for each of these.
 *
 * @param {string} search  as location.search
 * @returns {{ address: Address, problems: string[] }}
 */
export function parseAddress(search) {
  const query = new URLSearchParams(search);
  const address = { ...NEWEST, task: (query.get("task") ?? "").trim().toLowerCase() };
  const problems = [];
  const kind = query.get("kind") ?? "";
  if (kind === "" || KIND.test(kind)) address.kind = kind;
  else problems.push(`The address asks for the kind ${quoted(kind)}, which cannot be one: all kinds are listed.`);
  const state = query.get("state") ?? "";
  if (state === "" || STATES.includes(state)) address.state = state;
  else problems.push(`The address asks for the state ${quoted(state)}, which does not exist: all states are listed.`);
  const cursor = (query.get("cursor") ?? "").toLowerCase();
  if (cursor === "" || isTaskId(cursor)) address.cursor = cursor;
  else problems.push("The address names a page that cannot be one: the newest tasks are listed.");
  return { address, problems };
}

/** @param {Address} address */
export function formatAddress({ kind, state, cursor, task }) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ kind, state, cursor, task })) if (value) query.set(name, value);
  return query.size ? `${PATH}?${query}` : PATH;
}

/** @param {string} text */
export function isTaskId(text) {
  return TASK_ID.test(text);
}

/**
 * What tells one id from another in a few characters: its end. Ids begin with the time, so those of a minute look alike.
 *
 * @param {string} id
 */
export function shortId(id) {
  return `…${id.slice(-8)}`;
}

/**
 * A value of the address in a sentence, cut.
 *
 * @param {string} text
 */
export function quoted(text) {
  return `“${text.length > 60 ? `${text.slice(0, 60)}…` : text}”`;
}
