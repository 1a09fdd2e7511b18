/**
 * Elements without markup: every text that a page shows is set as text, so that what a task says is never read as HTML.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element with its properties and children.
 *
 * A property that begins with `on` is a listener (`onclick`), `class` and `data-…`, `aria-…`, `role`, `for` and the like
 * are attributes, and everything else is set on the element as it is (`value`, `disabled`, `hidden`).
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  append(element, children);
  return element;
}

/**
 * @param {Element} parent
 * @param {Child[]} children
 */
export function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Set the text of an element, when it is another one: an assignment costs a layout even if nothing changes.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Set an attribute, when it is another one; null removes it.
 *
 * @param {Element} element
 * @param {string} name
 * @param {string | null} value
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/**
 * The element with this id, of this class. Throws when the page has none: a mistake in its HTML.
 *
 * @template {Element} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {unknown} value
 */
function set(element, name, value) {
  if (value === undefined || value === null) return;
  if (typeof value === "function" && name.startsWith("on")) {
    element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
  } else if (name === "class" || name.includes("-") || !(name in element) || name === "list" || name === "form") {
    if (value !== false) element.setAttribute(name === "htmlFor" ? "for" : name, value === true ? "" : String(value));
  } else {
    Reflect.set(element, name, value);
  }
}
