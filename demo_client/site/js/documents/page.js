/** The page /documents: a text is searched on both sides at once. */

import { Clocks } from "../hub/clocks.js";
import { byId, h } from "../hub/dom.js";
import { duration } from "../hub/format.js";
import { Painter } from "../hub/painter.js";
import { Problem } from "../hub/services.js";
import { announce, startShell } from "../hub/shell.js";
import { CUT_MS, pollingWords, SIDE_NAMES, SIDES } from "../hub/words.js";
import { FiguresTable } from "./figures.js";
import { RunForm } from "./form.js";
import { OutcomeCard } from "./outcome-card.js";
import { Run } from "./run.js";
import { SidePanel } from "./side-panel.js";
import { Timeline } from "./timeline.js";

/** @typedef {import("../hub/follower.js").Side} Side */

const FIGURES_EVERY_MS = 500;

class Page {
  /** What is painted when updates come. */
  #painter = new Painter();
  /** What moves with time: apart, so that no update waits for its frames. */
  #movement = new Painter();
  #clocks = new Clocks();
  #form = new RunForm({ onRun: (order) => this.#begin(order), onStop: () => this.#stop() });
  #panels = { live: this.#panel("live"), poll: this.#panel("poll") };
  #timeline = new Timeline();
  #figures = new FiguresTable();
  #outcome = new OutcomeCard();
  /** @type {Run | null} */
  #run = null;
  #figuresDueMs = 0;
  #sides = h("div", { class: "columns" }, this.#panels.live.element, this.#panels.poll.element);

  /** @param {HTMLElement} place */
  show(place) {
    const times = h(
      "section",
      { class: "card", "aria-label": "Timeline" },
      h("h2", {}, "Emitted and seen"),
      h("div", { class: "beside" }, this.#timeline.element, this.#figures.element),
    );
    place.classList.add("documents");
    place.append(this.#form.element, this.#sides, times, this.#outcome.element);
    void this.#clocks.probe();
  }

  /** The movement's painter calls it, in each frame of a run. */
  paint() {
    const run = this.#run;
    if (!run || run.ended) return;
    const nowMs = performance.now();
    this.#timeline.tick();
    this.#tickPanels(run);
    if (nowMs >= this.#figuresDueMs) {
      this.#figuresDueMs = nowMs + FIGURES_EVERY_MS;
      this.#figures.show(run.figures());
      this.#form.setStatus(`Running for ${Math.floor(run.elapsedMs / 1000)} s`);
    }
    this.#movement.request(this);
  }

  /** @param {Run} run */
  #tickPanels(run) {
    for (const side of SIDES) {
      const follower = run.follower(side);
      if (follower) this.#panels[side].tick(follower, run.serverNowMs(side));
    }
  }

  /** @param {Side} side */
  #panel(side) {
    return new SidePanel(side, this.#painter, () => {
      this.#run?.cut(side, CUT_MS);
      announce(`${SIDE_NAMES[side]} side cut off for ${CUT_MS / 1000} seconds`);
    });
  }

  /** @param {import("./form.js").Order} order */
  async #begin(order) {
    const run = new Run(order, this.#painter, this.#clocks, {
      onPaint: (side, follower) => this.#panels[side].paint(follower, run.records[side]),
      onState: (side, follower) => this.#panels[side].paintState(follower, run.records[side]),
      onResume: (side) => announce(`${SIDE_NAMES[side]} side resumed`),
      onEnd: () => this.#finish(run),
    });
    this.#run = run;
    this.#form.showPhase("starting");
    this.#form.setStatus("");
    this.#outcome.begin();
    this.#panels.live.begin("over a WebSocket", run.records.live);
    this.#panels.poll.begin(`over HTTP, ${pollingWords(order.parameters)}`, run.records.poll);
    this.#timeline.begin({ ...run.records, requests: run.requests }, () => run.elapsedMs);
    try {
      await run.start();
    } catch (error) {
      if (run.stopped) return; // which tells of itself
      this.#refused(error instanceof Problem ? error : new Problem(String(error)));
      return;
    }
    if (run.ended) return; // it was stopped meanwhile
    this.#form.showPhase("running");
    announce("The run has started");
    this.#bringIntoView();
    this.#movement.request(this);
  }

  /** @param {Problem} problem */
  #refused(problem) {
    this.#withdraw(`The run did not start. ${problem.message}`);
    this.#form.setStatus("");
    this.#form.refuse(problem);
  }

  /**
   * Nothing came of the run.
   *
   * @param {string} told
   */
  #withdraw(told) {
    this.#run = null;
    for (const side of SIDES) this.#panels[side].withdraw();
    this.#outcome.withdraw();
    this.#form.showPhase("idle");
    announce(told);
  }

  async #stop() {
    const run = this.#run;
    if (!run || run.ended) return;
    this.#form.showPhase("ending");
    const stopped = run.stop();
    for (const side of SIDES) this.#panels[side].stop();
    const left = await stopped;
    this.#form.setNotice(left);
    if (run.begun) {
      this.#conclude(run, "Stopped");
    } else {
      this.#form.setStatus("Stopped before it began");
      this.#withdraw("The run was stopped before it began.");
    }
  }

  /** @param {Run} run */
  #finish(run) {
    if (this.#run === run) this.#conclude(run, "Ended");
  }

  /**
   * @param {Run} run
   * @param {string} how
   */
  #conclude(run, how) {
    const figures = run.figures();
    this.#tickPanels(run);
    this.#figures.show(figures);
    this.#timeline.end();
    this.#timeline.describe(figures);
    const told = this.#outcome.show(run.endings(), figures, {
      strategy: run.parameters.strategy,
      agesCount: run.agesCount,
      notes: run.notes(),
    });
    this.#form.showPhase("idle");
    this.#form.setStatus(`${how} after ${duration(run.elapsedMs)}`);
    announce(`${how}. ${told}`);
  }

  /** The buttons go to the top, and with them what runs comes into view, unless it is there already. */
  #bringIntoView() {
    if (this.#sides.getBoundingClientRect().top < innerHeight * 0.6) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#form.actions.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  }
}

startShell();
new Page().show(byId("app", HTMLElement));
