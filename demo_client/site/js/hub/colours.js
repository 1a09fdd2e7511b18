/** Colours of the style sheet for what is drawn on a canvas, which knows no `var()` and no `light-dark()`. */

import { h } from "./dom.js";

/**
 * A colour as it is in the present theme.
 *
 * @param {string} name  in the style sheet, without its dashes
 */
export function colourOf(name) {
  const probe = h("span", { hidden: true });
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
