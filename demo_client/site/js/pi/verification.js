/** Whether all clients of both sides have the same digits, and those of the results. */

import { several } from "../hub/words.js";
import { plain } from "./digits.js";

/** @typedef {{ side: import("../hub/words.js").Side, view: { chunks: string[], result: any } }} Seen */

/**
 * @param {Seen[]} clients
 * @returns {{ good: boolean, sentence: string }}
 */
export function verify(clients) {
  const told = clients.filter(({ view }) => typeof view.result?.pi === "string");
  if (told.length < clients.length) return verifyPart(clients, told.length);
  const results = new Set(clients.map(({ view }) => view.result.pi));
  if (results.size > 1) return { good: false, sentence: "The results of the tasks differ from each other." };
  const [result = ""] = results;
  const wrong = clients.filter(({ view }) => plain(view.chunks) !== result).length;
  if (wrong > 0)
    return { good: false, sentence: `${wrong} of ${clients.length} clients have other digits than the result.` };
  const same = `have the same ${several(result.replace(".", "").length, "digit")}, and they are those of the results on both sides`;
  return { good: true, sentence: `Compared: ${who(clients)} ${same}.` };
}

/**
 * Of a run without all results: the digits of each client must be the beginning of those of the one that has most.
 *
 * @param {Seen[]} clients
 * @param {number} told  how many have a result
 */
function verifyPart(clients, told) {
  const seen = clients.map(({ view }) => view.chunks.join("")).sort((a, b) => b.length - a.length);
  const [most = ""] = seen;
  const wrong = seen.filter((one) => !most.startsWith(one)).length;
  const results = `${told === 0 ? "None" : `Only ${told}`} of ${clients.length} clients got to the result.`;
  if (wrong > 0) return { good: false, sentence: `${results} ${wrong} of them have other digits than the rest.` };
  if (most === "") return { good: false, sentence: `${results} There were no digits to compare.` };
  return {
    good: true,
    sentence: `${results} Up to there, the ${several(most.length, "digit")} that they have are the same.`,
  };
}

/** @param {Seen[]} clients */
function who(clients) {
  const live = clients.filter(({ side }) => side === "live").length;
  return `all ${clients.length} clients (${live} event-driven, ${clients.length - live} polling)`;
}
