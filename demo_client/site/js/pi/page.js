/** The page that computes π: form, both sides, charts and scoreboard, and the runs between them. */

import { append, byId, h } from "../hub/dom.js";
import { lossNotes } from "../hub/follower.js";
import { duration } from "../hub/format.js";
import { LoadMonitor, total } from "../hub/load.js";
import { Painter } from "../hub/painter.js";
import { Problem } from "../hub/services.js";
import { announce, startShell } from "../hub/shell.js";
import { pollingWords, SIDE_NAMES, SIDES, sentence, several } from "../hub/words.js";
import { Charts } from "./charts.js";
import { figuresOf, meanOf, missingCpu, verdictOn } from "./figures.js";
import { RunForm } from "./form.js";
import { connectionLimit, expectedMs, searchOf, textsOf } from "./parameters.js";
import { Run } from "./run.js";
import { notesOn, Scoreboard } from "./scoreboard.js";
import { SideView } from "./side-view.js";
import { verify } from "./verification.js";

/** Beside the pauses of a task, what a busy machine may keep a client waiting. */
const SILENCE_MS = 3_000;
/** In fewer rounds of requests, what starting and ending costs decides on how many there were. */
const LEAST_ROUNDS = 10;

/** @typedef {import("./parameters.js").Parameters} Parameters */

class PiPage {
  #painter = new Painter();
  #load = new LoadMonitor(() => this.#showCpu());
  #charts = new Charts();
  #scoreboard = new Scoreboard();
  #sides;
  #form;
  /** @type {Run | null} */
  #run = null;

  /** @param {HTMLElement} place */
  constructor(place) {
    const noted = (/** @type {import("./client-view.js").ClientView} */ client, /** @type {string} */ text) =>
      this.#noted(client, text);
    this.#sides = { live: new SideView("live", noted), poll: new SideView("poll", noted) };
    this.#form = new RunForm({
      connections: connectionLimit(),
      onRun: (parameters) => void this.#start(parameters),
      onStop: () => void this.#stop(),
      onChange: (parameters) => this.#arrange(parameters),
    });
    const sides = h("div", { class: "columns" }, this.#sides.live.element, this.#sides.poll.element);
    append(place, [this.#form.element, sides, this.#charts.element, this.#scoreboard.element]);
    this.#open();
    void this.#load.start();
  }

  get #both() {
    return Object.values(this.#sides);
  }

  /** Fill the form from the address. */
  #open() {
    const { texts, unknown } = textsOf(location.search);
    this.#form.fill(texts);
    this.#form.showProblem(unknown);
  }

  /**
   * Show what a run with these parameters will be, unless one is there to be seen.
   *
   * @param {Parameters} parameters
   */
  #arrange(parameters) {
    if (this.#run) return;
    const { clients, digits } = parameters;
    for (const side of this.#both) side.arrange(clients, digits);
    this.#sides.live.describe("Redis Streams, WebSocket");
    this.#sides.poll.describe(`SQLite, HTTP: ${pollingWords(parameters)}`);
  }

  /** @param {Parameters} parameters */
  async #start(parameters) {
    this.#run = null;
    this.#form.showProblem(null);
    this.#form.showPhase("starting");
    history.replaceState(null, "", `${location.pathname}${searchOf(this.#form.texts)}`);
    for (const side of this.#both) side.clear();
    this.#arrange(parameters);
    this.#charts.clear(expectedMs(parameters));
    this.#scoreboard.clear();
    const run = this.#newRun(parameters);
    this.#run = run;
    try {
      await run.start();
      if (run.ended) return;
      this.#form.showPhase("running");
      this.#showTasks();
      announce(`The run has started, with ${several(parameters.clients, "client")} on each side.`);
    } catch (error) {
      if (run.ended) return; // it was stopped meanwhile, which tells of itself
      this.#run = null;
      this.#form.showPhase("idle");
      this.#refused(error);
    }
  }

  /** @param {Parameters} parameters */
  #newRun(parameters) {
    return new Run({
      parameters,
      views: { live: this.#sides.live.clients, poll: this.#sides.poll.clients },
      painter: this.#painter,
      load: this.#load,
      onSample: (sample) => this.#showSample(sample),
      onDone: () => void this.#finish("Ended"),
    });
  }

  async #stop() {
    const run = this.#run;
    if (!run || run.ended) return;
    this.#form.showPhase("ending");
    const stopped = run.stop();
    for (const side of this.#both) {
      side.tell("Stopped");
      for (const client of side.clients) client.stop();
    }
    const left = await stopped;
    this.#form.showProblem(left);
    if (run.begun) await this.#finish("Stopped");
    else this.#withdraw("The run was stopped before it began.");
  }

  /**
   * Nothing came of the run.
   *
   * @param {string} told
   */
  #withdraw(told) {
    this.#run = null;
    this.#form.showPhase("idle");
    announce(told);
  }

  /** @param {"Ended" | "Stopped"} how */
  async #finish(how) {
    const run = this.#run;
    if (!run) return;
    this.#form.showPhase("ending");
    if (how === "Ended") this.#showTasks();
    this.#scoreboard.wait();
    const settled = await this.#load.settle();
    const measured = { live: this.#measured(run, "live"), poll: this.#measured(run, "poll") };
    const figures = figuresOf(measured, run.tooShort);
    const length = `${how} after ${duration(run.duration)}`;
    const verdict = verdictOn(figures, run.parameters, this.#uncertaintyOf(run));
    this.#scoreboard.show({
      figures,
      verdict: how === "Stopped" ? `Stopped early. ${verdict}` : verdict,
      ending: `${length}. Less is better in every row; the lesser figure is bold. Ratio: polling to event-driven.`,
      verification: verify(run.all),
      notes: this.#notes(run, settled, missingCpu(measured)),
    });
    this.#showMeans(run, measured);
    this.#form.showPhase("idle");
    this.#form.showEnding(length, "#scoreboard");
    announce(how === "Stopped" ? "The run was stopped." : `The run has ended. ${verdict}`);
  }

  /**
   * From now on the run's own figures are shown, and not those of the idle seconds after it.
   *
   * @param {Run} run
   * @param {Record<import("../hub/words.js").Side, import("./figures.js").Measured>} measured
   */
  #showMeans(run, measured) {
    const means = { live: meanOf(measured.live, run.duration), poll: meanOf(measured.poll, run.duration) };
    for (const side of SIDES) this.#sides[side].showRun(means[side], run.tooShort);
    this.#charts.end(means, run.tooShort);
  }

  /**
   * How far off the ages may be; null when polling was slowed, so that they say nothing.
   *
   * @param {Run} run
   */
  #uncertaintyOf(run) {
    const { live, poll } = this.#load.clocks;
    return run.hiddenMs > 0 ? null : Math.max(live.uncertaintyMs, poll.uncertaintyMs);
  }

  /**
   * @param {Run} run
   * @param {boolean} settled
   * @param {string[]} missing
   */
  #notes(run, settled, missing) {
    const interruptions = this.#interruptions();
    return notesOn({
      clocks: this.#load.clocks,
      hiddenMs: run.hiddenMs,
      lossNotes: lossNotes(run.all),
      missing,
      settled,
      tooShort: run.tooShort,
      ...interruptions,
      ...this.#requests(run, interruptions),
    });
  }

  /**
   * @param {Run} run
   * @param {import("../hub/words.js").Side} side
   */
  #measured(run, side) {
    return { ages: run.meters[side].totals(), cpu: this.#load.used[side], traffic: run.traffic(side) };
  }

  /**
   * Requests a second that were made and wanted. What was wanted is known only when all clients poll all the time.
   *
   * @param {Run} run
   * @param {{ cuts: number, losses: number }} interruptions
   */
  #requests(run, { cuts, losses }) {
    const { strategy, clients, intervalMs, tasks } = run.parameters;
    const followedMs = run.followedMs("poll");
    const long = followedMs >= LEAST_ROUNDS * intervalMs;
    const steady = long && strategy !== "long" && tasks === "shared" && cuts + losses === 0;
    const made = run.traffic("poll").messages / (followedMs / 1000);
    return { made, wanted: steady ? (clients * 1000) / intervalMs : null };
  }

  /** Of connections, in this run. */
  #interruptions() {
    const clients = this.#both.flatMap((side) => side.clients);
    const sum = (/** @type {"cuts" | "losses"} */ of) =>
      clients.reduce((all, { continuity }) => all + continuity[of], 0);
    return { cuts: sum("cuts"), losses: sum("losses") };
  }

  /** @param {import("./sampler.js").Sample} sample */
  #showSample(sample) {
    this.#charts.append(sample);
    this.#form.showElapsed(sample.atS * 1000);
    this.#sides.live.showSample(sample.live);
    this.#sides.poll.showSample(sample.poll);
    this.#showTasks();
    this.#watchClients();
  }

  /** Two digits may lie as far apart as the longest pause, in which both sides say nothing. */
  #watchClients() {
    const patienceMs = SILENCE_MS + 2 * (this.#run?.parameters.paceMs[1] ?? 0);
    for (const side of SIDES) {
      const nowMs = this.#load.clocks[side].now();
      for (const client of this.#sides[side].clients) client.watch(nowMs, patienceMs);
    }
  }

  #showTasks() {
    const run = this.#run;
    if (!run) return;
    this.#sides.live.tellTasks(run.followers.live);
    this.#sides.poll.tellTasks(run.followers.poll);
  }

  /** As it is now, unless a run that has ended is there to be seen. */
  #showCpu() {
    if (this.#run?.ended) return;
    this.#sides.live.showCpu(total(this.#load.rates.live));
    this.#sides.poll.showCpu(total(this.#load.rates.poll));
  }

  /**
   * @param {import("./client-view.js").ClientView} client
   * @param {string} text
   */
  #noted(client, text) {
    announce(`${SIDE_NAMES[client.side]} client ${client.number}: ${text}`);
  }

  /** @param {unknown} error */
  #refused(error) {
    if (!(error instanceof Problem)) {
      this.#form.showProblem("The run could not start, for a fault of this page. Load it again.");
      throw error;
    }
    /** @type {Record<string, import("./parameters.js").Name>} */
    const names = { "params.digits": "digits", "params.pace_ms": "pace" };
    /** @type {import("./parameters.js").Errors} */
    const errors = {};
    for (const { field, message } of error.errors) {
      const name = names[field.split(".").slice(0, 2).join(".")];
      if (name) errors[name] = sentence(message);
    }
    this.#form.showErrors(errors);
    this.#form.showProblem(`${error.message} Your parameters are kept.`);
  }
}

startShell();
new PiPage(byId("app", HTMLElement));
