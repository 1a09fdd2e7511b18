/** Run and Stop. What is under way can be stopped, be it that it only starts. */

import { h, setText } from "./dom.js";

/** @typedef {"idle" | "starting" | "running" | "ending"} Phase  ending: the last figures are awaited */

export class RunButtons {
  run = h("button", { class: "primary", type: "submit" }, "Run");
  stop;
  #focusLost = false;

  /** @param {() => void} onStop */
  constructor(onStop) {
    this.stop = h("button", { type: "button", disabled: true, onclick: onStop }, "Stop");
  }

  /** @param {Phase} phase */
  show(phase) {
    const { activeElement } = document;
    const wasFocused = activeElement === this.run || activeElement === this.stop || this.#focusLost;
    this.run.disabled = phase !== "idle";
    this.stop.disabled = phase !== "starting" && phase !== "running";
    setText(this.run, phase === "starting" ? "Starting …" : "Run");
    const next = [this.run, this.stop].find((button) => !button.disabled);
    // a button that is disabled loses the focus, and with it the place on the page: the other one takes over
    this.#focusLost = wasFocused && !next;
    const elsewhere = document.activeElement !== document.body && document.activeElement !== activeElement;
    if (wasFocused && next && !elsewhere) next.focus();
  }
}
