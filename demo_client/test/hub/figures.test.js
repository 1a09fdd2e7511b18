import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Meter } from "../../site/js/hub/meter.js";
import { figuresOf, meanOf, missingCpu, verdictOn } from "../../site/js/pi/figures.js";
import { Sampler } from "../../site/js/pi/sampler.js";

/** @type {import("../../site/js/pi/parameters.js").Parameters} */
const PARAMETERS = { digits: 100, paceMs: [100, 500], clients: 5, intervalMs: 150, strategy: "plain", tasks: "shared" };

const LONG = { ages: false, rates: false };

/**
 * @param {{ age?: number, cpu?: number, messages?: number, bytes?: number }} [of]
 * @returns {import("../../site/js/pi/figures.js").Measured}
 */
function measured({ age = 10, cpu = 1_000, messages = 100, bytes = 1_000 } = {}) {
  return {
    ages: { count: 100, p50: age, p95: 2 * age, max: 3 * age },
    cpu: { api: cpu, worker: 0, store: 0 },
    traffic: { messages, empty: 0, bytes },
  };
}

/**
 * @param {Parameters<typeof measured>[0]} live
 * @param {Parameters<typeof measured>[0]} poll
 */
function verdict(live, poll, /** @type {number | null} */ uncertaintyMs = 1) {
  return verdictOn(figuresOf({ live: measured(live), poll: measured(poll) }, LONG), PARAMETERS, uncertaintyMs);
}

/**
 * What stands in a row of the table.
 *
 * @param {string} key
 * @param {import("../../site/js/pi/figures.js").TooShort} tooShort
 * @param {{ live?: Parameters<typeof measured>[0], poll?: Parameters<typeof measured>[0] }} [of]
 */
function told(key, tooShort, { live, poll } = {}) {
  const figures = figuresOf({ live: measured(live), poll: measured(poll) }, tooShort);
  return figures.find((figure) => figure.key === key)?.told;
}

describe("figuresOf", () => {
  it("says in words what was too short to measure", () => {
    const short = { ages: true, rates: true };
    const none = { age: Number.NaN };
    assert.deepEqual(told("age", short, { live: none }), { live: "too short to measure", poll: "10 ms" });
    assert.deepEqual(told("age", LONG, { live: none }), { live: "–", poll: "10 ms" });
    assert.deepEqual(told("cpu", short), { live: "too short to measure", poll: "too short to measure" });
    assert.deepEqual(told("cpu", short, { live: { cpu: Number.NaN } })?.live, "–");
    assert.deepEqual(told("bytes", short), { live: "1,000 B", poll: "1,000 B" });
    const figures = figuresOf({ live: measured(), poll: measured() }, short);
    assert.doesNotMatch(verdictOn(figures, PARAMETERS, 1), /CPU/);
  });

  it("does not give a CPU below the steps of the kernel as nothing", () => {
    assert.equal(told("worker", LONG)?.live, "under 10 ms");
    assert.equal(told("store", LONG)?.poll, "–");
  });
});

describe("meanOf", () => {
  it("is of the whole run", () => {
    const { live, poll } = { live: measured({ cpu: 100 }), poll: measured({ cpu: Number.NaN }) };
    assert.deepEqual(meanOf(live, 2_000), { ageMs: 10, cpu: 50, messages: 50, bytes: 500 });
    assert.deepEqual(meanOf(poll, 2_000), { ageMs: 10, cpu: Number.NaN, messages: 50, bytes: 500 });
  });

  it("tells nothing a second of a run that is far shorter", () => {
    const nothing = Number.NaN;
    assert.deepEqual(meanOf(measured(), 100), { ageMs: 10, cpu: nothing, messages: nothing, bytes: nothing });
  });
});

describe("missingCpu", () => {
  it("names the parts that are not known", () => {
    const live = measured();
    live.cpu.store = Number.NaN;
    assert.deepEqual(missingCpu({ live, poll: measured() }), ["Redis (event-driven)"]);
    assert.deepEqual(missingCpu({ live: measured(), poll: measured() }), []);
  });
});

describe("verdictOn", () => {
  it("says what polling took more of", () => {
    assert.equal(
      verdict({}, { age: 80, cpu: 2_000, messages: 500, bytes: 9_000 }),
      "With 5 clients a side, one task of 100 digits at 100–500 ms, and plain polling every 150 ms, an update that was polled was 8.0× as old as one that was pushed (80 ms against 10 ms in the median), and polling took 5.0× the messages, 9.0× the bytes and 2.0× the server CPU.",
    );
  });

  it("says what polling took less of, and what is the same", () => {
    const text = verdict({}, { age: 10.5, cpu: 500, messages: 100, bytes: 2_000 });
    assert.match(text, /updates were about as old polled as pushed/);
    assert.match(text, /polling took about the same messages and 2\.0× the bytes, but only 0\.50× the server CPU\.$/);
  });

  it("can favour polling altogether", () => {
    const text = verdict({ age: 100 }, { age: 50, cpu: 500, messages: 50, bytes: 500 });
    assert.match(text, /was only 0\.50× as old/);
    assert.match(text, /polling took only 0\.50× the messages, 0\.50× the bytes and 0\.50× the server CPU\.$/);
  });

  it("does not believe an age beyond the clocks", () => {
    assert.match(verdict({ age: 0.5 }, { age: 80 }, 4), /was at least 20× as old/);
    assert.match(verdict({ age: 0.5 }, { age: 2 }, 4), /about as old/);
  });

  it("does not compare ages that say nothing", () => {
    const text = verdict({}, { age: 80, messages: 500 }, null);
    assert.doesNotMatch(text, /old/);
    assert.match(text, /polling took 5\.0× the messages/);
  });

  it("does not compare the CPU of a side of which a part is unknown", () => {
    const live = measured();
    live.cpu.store = Number.NaN;
    assert.doesNotMatch(verdictOn(figuresOf({ live, poll: measured() }, LONG), PARAMETERS, 1), /CPU/);
  });

  it("leaves out what was not measured", () => {
    assert.doesNotMatch(verdict({ cpu: 20 }, { cpu: 40 }), /CPU/);
    const nothing = { age: Number.NaN, cpu: Number.NaN, messages: 0, bytes: 0 };
    assert.match(verdict(nothing, nothing), /too little was measured/);
  });
});

describe("Sampler", () => {
  it("takes rates and medians since the last sample", () => {
    const meters = { live: new Meter(), poll: new Meter() };
    const client = { traffic: { messages: 0, empty: 0, bytes: 0 } };
    const rates = { live: { api: 5, worker: 2, store: 1 }, poll: unknown() };
    const sampler = new Sampler(meters, { live: [client, client], poll: [] }, { rates }, 1_000);
    client.traffic = { messages: 10, empty: 0, bytes: 200 };
    for (const age of [1, 2, 9]) meters.live.record(age);
    const { atS, live, poll } = sampler.take(3_000);
    assert.equal(atS, 2);
    assert.deepEqual(live, { ageMs: 2, cpu: 8, messages: 10, bytes: 200 });
    assert.deepEqual(poll, { ageMs: Number.NaN, cpu: Number.NaN, messages: 0, bytes: 0 });
    assert.deepEqual(sampler.take(4_000).live, { ageMs: Number.NaN, cpu: 8, messages: 0, bytes: 0 });
  });
});

function unknown() {
  return { api: Number.NaN, worker: Number.NaN, store: Number.NaN };
}
