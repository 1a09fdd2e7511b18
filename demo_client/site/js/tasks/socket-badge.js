/** The state of a connection in words. */

import { h, setAttribute, setText } from "../hub/dom.js";
import { streamState } from "../hub/words.js";

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
      setText(badge, state === "idle" ? "No connection needed" : streamState(state));
      setText(more, state === "waiting" || state === "failed" ? `${message}.` : "");
    },
  };
}
