/** A JSON value for people: indented, and cut when it is long, until somebody asks for all of it. */

import { h, setText } from "../hub/dom.js";
import { bytes } from "../hub/format.js";

const CUT = 4_000;

/**
 * @param {unknown} value
 * @param {string} label  what it is, for screen readers
 */
export function jsonBlock(value, label) {
  const text = JSON.stringify(value, null, 2) ?? "";
  const block = h("pre", { class: "json", tabIndex: 0, role: "group", "aria-label": label });
  if (text.length <= CUT) {
    setText(block, text);
    return block;
  }
  setText(block, `${text.slice(0, CUT)}…`);
  const size = bytes(new TextEncoder().encode(text).length);
  const button = h("button", { type: "button", class: "small" }, `Show all (${size})`);
  button.addEventListener("click", () => {
    setText(block, text);
    button.remove();
    block.focus({ preventScroll: true });
  });
  return h("div", { class: "stack" }, block, h("div", {}, button));
}
