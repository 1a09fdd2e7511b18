/** The state of a connection in words. */

import { h, setAttribute, setText } from "../hub/dom.js";

/** @type {Record<string, string>} */
const WORDS = {
  idle: "No connection needed",
  connecting: "Connecting",
  live: "Live",
  waiting: "Connection lost",
  offline: "Disconnected",
  ended: "Complete",
  failed: "Refused",
};

/**
 * An element and what shows a state in it. `message` says more, where there is more to say than the state.
 *
 * @param {string} [what]  whose state it is
 */
export function socketBadge(what = "Updates") {
  const badge = h("span", { class: "badge" });
  const more = h("span", { class: "small quiet" });
  const element = h("span", { class: "socket row" }, h("span", { class: "spoken-only" }, `${what}: `), badge, more);
  return {
    element,
    /** @param {string} state  @param {string} message */
    show(state, message) {
      setAttribute(badge, "data-state", state === "idle" ? null : state);
      setText(badge, WORDS[state] ?? state);
      setText(more, state === "waiting" || state === "failed" ? `${message}.` : "");
    },
  };
}
