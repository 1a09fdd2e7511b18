/** What every page has: whether the services answer, light or dark, and a place to say things to screen readers. */

import { h, setAttribute, setText } from "./dom.js";
import { API, BASELINE } from "./services.js";
import { sentence } from "./words.js";

const CHECK_MS = 5_000;
const CHECK_TIMEOUT_MS = 4_000;
/** Until then a text that was taken away has been noticed to be gone. */
const SAY_AFTER_MS = 100;
const THEME_KEY = "theme";

/** @typedef {"light" | "dark"} Theme */

/** Fill the header of the page. Call once. */
export function startShell() {
  const place = document.getElementById("services");
  if (!place) return;
  place.append(serviceLight("Api", `${API}/readyz`), serviceLight("Baseline", `${BASELINE}/readyz`), themeButton());
  document.body.append(spoken);
}

const spoken = h("div", { class: "spoken-only", role: "status", "aria-live": "polite" });
/** What waits to be said. @type {string[]} */
const unsaid = [];
/** @type {ReturnType<typeof setTimeout> | undefined} */
let saying;

/**
 * Have a screen reader say `text` when it is done with what it says. For what matters: not for every update.
 *
 * A text that stands there already would not be said again: it is taken away first. What comes meanwhile is said with it.
 *
 * @param {string} text
 */
export function announce(text) {
  unsaid.push(sentence(text));
  if (saying !== undefined) return;
  setText(spoken, "");
  saying = setTimeout(() => {
    saying = undefined;
    setText(spoken, unsaid.splice(0).join(" "));
  }, SAY_AFTER_MS);
}

/**
 * A light that tells whether a service is ready, asked every few seconds while the page can be seen.
 *
 * @param {string} name
 * @param {string} url
 */
function serviceLight(name, url) {
  const light = h("span", { class: "light", title: `${name}: not asked yet` }, name);
  const told = h("span", { class: "spoken-only" });
  light.append(told);
  const check = async () => {
    if (!document.hidden) {
      const problem = await readiness(url);
      setAttribute(light, "data-state", problem ? "away" : "ok");
      setAttribute(light, "title", `${name}: ${problem ?? "ready"}`);
      setText(told, problem ? ` is not ready: ${problem}` : " is ready");
    }
    setTimeout(check, CHECK_MS);
  };
  check();
  return light;
}

/**
 * What is wrong with a service, or null.
 *
 * @param {string} url
 */
async function readiness(url) {
  try {
    const response = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(CHECK_TIMEOUT_MS) });
    if (response.ok) return null;
    const { checks = {}, detail } = await response.json();
    const failing = Object.entries(checks).filter(([, state]) => state !== "ok");
    return failing.map(([part, state]) => `${part}: ${state}`).join("; ") || detail || `answers ${response.status}`;
  } catch {
    return "cannot be reached";
  }
}

function themeButton() {
  const button = h("button", { type: "button", class: "small", onclick: () => show(opposite(current())) });
  const show = (/** @type {Theme} */ theme) => {
    document.documentElement.dataset.theme = theme;
    keep(THEME_KEY, theme);
    setText(button, opposite(theme) === "dark" ? "Dark" : "Light");
    setAttribute(button, "aria-label", `Switch to ${opposite(theme)} colours`);
    document.dispatchEvent(new Event("themechange"));
  };
  setText(button, opposite(current()) === "dark" ? "Dark" : "Light");
  setAttribute(button, "aria-label", `Switch to ${opposite(current())} colours`);
  return button;
}

/** @returns {Theme} */
function current() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/**
 * @param {Theme} theme
 * @returns {Theme}
 */
function opposite(theme) {
  return theme === "dark" ? "light" : "dark";
}

/**
 * Keep a text for the next page. A browser that blocks the data of sites forgets it.
 *
 * @param {string} key
 * @param {string} text
 */
function keep(key, text) {
  try {
    localStorage.setItem(key, text);
  } catch {
    // SecurityError, or no room: this page has it nevertheless
  }
}
