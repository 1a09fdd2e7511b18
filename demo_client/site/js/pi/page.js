/** The page that computes π: form, both sides, charts and scoreboard, and the runs between them. */

import { append, byId, h } from "../hub/dom.js";
import { count, seconds } from "../hub/format.js";
import { LoadMonitor, total } from "../hub/load.js";
import { Painter } from "../hub/painter.js";
import { Problem } from "../hub/services.js";
import { announce, startShell } from "../hub/shell.js";
import { Charts } from "./charts.js";
import { figuresOf, verdictOn } from "./figures.js";
import { RunForm } from "./form.js";
import { BROWSER_CONNECTIONS, expectedMs, searchOf, textsOf } from "./parameters.js";
import { Run } from "./run.js";
import { notesOn, Scoreboard } from "./scoreboard.js";
import { SideView } from "./side-view.js";
import { verify } from "./verification.js";

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
    window.addEventListener("popstate", () => this.#open());
    this.#open();
    void this.#load.start();
  }

  /** Fill the form from the address. */
  #open() {
    const { texts, unknown } = textsOf(location.search);
    this.#form.fill(texts);
    const names = unknown.map((name) => `“${name}”`).join(", ");
    this.#form.showProblem(unknown.length ? `This page has no parameter ${names}; the address names it.` : "");
  }

  /**
   * Show what a run with these parameters will be, unless one is there to be seen.
   *
   * @param {Parameters} parameters
   */
  #arrange(parameters) {
    if (this.#run) return;
    const { clients, digits, strategy, intervalMs } = parameters;
    for (const side of [this.#sides.live, this.#sides.poll]) side.arrange(clients, digits);
    const how = strategy === "long" ? "long polling" : `${strategy}, every ${count(intervalMs)} ms`;
    this.#sides.live.describe("Redis Streams, WebSocket");
    this.#sides.poll.describe(`SQLite, HTTP: ${how}`);
  }

  /** @param {Parameters} parameters */
  async #start(parameters) {
    this.#run = null;
    this.#form.showProblem("");
    this.#form.showPhase("starting");
    history.replaceState(null, "", `${location.pathname}${searchOf(this.#form.texts)}`);
    for (const side of [this.#sides.live, this.#sides.poll]) side.clear();
    this.#arrange(parameters);
    this.#charts.clear(expectedMs(parameters));
    this.#scoreboard.clear();
    const run = this.#newRun(parameters);
    this.#run = run;
    try {
      await run.start();
      this.#form.showPhase("running");
      announce(`The run has started, with ${parameters.clients} clients on each side.`);
    } catch (error) {
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
    if (!run || run.endedMs) return;
    this.#form.showPhase("stopping");
    const left = await run.stop();
    for (const { clients } of Object.values(this.#sides)) for (const client of clients) client.stop();
    if (left > 0) {
      this.#form.showProblem(
        `${left} of the tasks could not be cancelled; they go on to their end, which nobody follows.`,
      );
    }
    await this.#finish("Stopped");
  }

  /** @param {"Ended" | "Stopped"} how */
  async #finish(how) {
    const run = this.#run;
    if (!run) return;
    if (how === "Stopped") for (const side of Object.values(this.#sides)) side.tell("Stopped");
    else this.#showTasks();
    this.#scoreboard.wait();
    const settled = await this.#load.settle();
    const figures = figuresOf({ live: this.#measured(run, "live"), poll: this.#measured(run, "poll") });
    const { clocks } = this.#load;
    const uncertaintyMs = Math.max(clocks.live.uncertaintyMs, clocks.poll.uncertaintyMs);
    const verdict = verdictOn(figures, run.parameters, uncertaintyMs);
    const interruptions = this.#interruptions();
    this.#scoreboard.show({
      figures,
      verdict: how === "Stopped" ? `Stopped early. ${verdict}` : verdict,
      ending: `${how} after ${seconds(run.duration)}. Less is better in every row; the lesser figure is bold. Ratio: polling to event-driven.`,
      verification: verify(run.all),
      notes: notesOn({ clocks, settled, ...interruptions, ...this.#requests(run, interruptions) }),
    });
    this.#charts.tell();
    this.#form.showPhase("idle");
    announce(how === "Stopped" ? "The run was stopped." : `The run has ended. ${verdict}`);
  }

  /**
   * @param {Run} run
   * @param {"live" | "poll"} side
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
    const steady = strategy !== "long" && tasks === "shared" && cuts + losses === 0;
    const made = run.traffic("poll").messages / (run.duration / 1000);
    return { made, wanted: steady ? (clients * 1000) / intervalMs : null };
  }

  /** Of connections, in this run. */
  #interruptions() {
    const clients = Object.values(this.#sides).flatMap((side) => side.clients);
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
  }

  #showTasks() {
    const run = this.#run;
    if (!run) return;
    this.#sides.live.tellTasks(run.followers.live);
    this.#sides.poll.tellTasks(run.followers.poll);
  }

  #showCpu() {
    this.#sides.live.showCpu(total(this.#load.rates.live));
    this.#sides.poll.showCpu(total(this.#load.rates.poll));
  }

  /**
   * @param {import("./client-view.js").ClientView} client
   * @param {string} text
   */
  #noted(client, text) {
    announce(`${client.side === "live" ? "Event-driven" : "Polling"} client ${client.number}: ${text}`);
  }

  /** @param {unknown} error */
  #refused(error) {
    if (!(error instanceof Problem)) {
      this.#form.showProblem("The run could not start, for a fault of this page. Load it again.");
      throw error;
    }
    /** @type {Record<string, import("./parameters.js").Name>} */
    const names = { "params.digits": "digits", "params.pace_ms": "pace_max" };
    /** @type {import("./parameters.js").Errors} */
    const errors = {};
    for (const { field, message } of error.errors) {
      const name = names[field.split(".").slice(0, 2).join(".")];
      if (name) errors[name] = `${message}.`;
    }
    this.#form.showErrors(errors);
    this.#form.showProblem(`${error.message} No run was started; your parameters are kept.`);
  }
}

/** How many connections this browser opens to the host of the page at most. */
function connectionLimit() {
  const [navigation] = performance.getEntriesByType("navigation");
  const protocol = /** @type {PerformanceNavigationTiming | undefined} */ (navigation)?.nextHopProtocol ?? "";
  // over HTTP/2 and 3 requests share a connection
  return /^h[23]/.test(protocol) ? Number.POSITIVE_INFINITY : BROWSER_CONNECTIONS;
}

startShell();
new PiPage(byId("app", HTMLElement));
