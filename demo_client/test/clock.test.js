import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServerClock } from "../site/js/lib/clock.js";
import { seeded } from "./fakes.js";

const START_MS = 1_763_971_200_000;

/** A page and a server whose clock is off by `offsetMs`, and drifts by `drift` ms per ms. */
class Simulation {
  pageMs = START_MS;
  /**
   * @param {number} offsetMs
   * @param {number} drift
   */
  constructor(offsetMs, drift = 0) {
    this.offsetMs = offsetMs;
    this.drift = drift;
    this.clock = new ServerClock({ pageNow: () => this.pageMs });
  }

  get serverMs() {
    return this.pageMs + this.offsetMs;
  }

  /** @param {number} ms */
  pass(ms) {
    this.pageMs += ms;
    this.offsetMs += ms * this.drift;
  }

  /**
   * A request that takes so long on its way there and back.
   *
   * @param {number} thereMs
   * @param {number} backMs
   */
  ask(thereMs, backMs) {
    const sentMs = this.pageMs;
    this.pass(thereMs);
    const { serverMs } = this;
    this.pass(backMs);
    this.clock.sample(sentMs, serverMs, this.pageMs);
  }

  get errorMs() {
    return Math.abs(this.clock.now() - this.serverMs);
  }
}

describe("the clock of a server", () => {
  it("is the page's before the first sample, and nobody knows how far off", () => {
    const { clock } = new Simulation(5_000);
    assert.deepEqual([clock.now(), clock.offsetMs, clock.uncertaintyMs], [START_MS, 0, Infinity]);
  });

  it("is exact when both ways take as long", () => {
    const world = new Simulation(-7_200_000);
    world.ask(20, 20);
    assert.equal(world.clock.offsetMs, -7_200_000);
    assert.equal(world.clock.uncertaintyMs, 20);
    assert.equal(world.clock.toServer(START_MS), START_MS - 7_200_000);
  });

  it("is known to half the round trip, whatever the two ways take", () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = seeded(seed);
      const world = new Simulation((random() - 0.5) * 1e6);
      for (let number = 0; number < 100; number += 1) {
        world.ask(random() ** 3 * 400, random() ** 3 * 400);
        assert.ok(world.errorMs <= world.clock.uncertaintyMs + 1e-3, `seed ${seed}: ${world.errorMs} ms`);
        world.pass(random() * 2_000);
      }
    }
  });

  it("is that of the shortest round trip of the last minute", () => {
    const world = new Simulation(100);
    world.ask(1, 3);
    for (let number = 0; number < 55; number += 1) {
      world.ask(100, 300);
      world.pass(600);
      assert.equal(world.clock.uncertaintyMs, 2);
    }
    world.pass(6_000);
    world.ask(30, 50);
    assert.equal(world.clock.uncertaintyMs, 40);
  });

  it("follows a drift", () => {
    const random = seeded(3);
    const world = new Simulation(0, 5e-5);
    for (let second = 0; second < 3_600; second += 1) {
      world.ask(1 + random() * 20, 1 + random() * 20);
      world.pass(1_000);
      assert.ok(world.errorMs <= world.clock.uncertaintyMs + 60_000 * 5e-5 + 1e-3, `${world.errorMs} ms`);
    }
    assert.ok(world.offsetMs > 170, "the drift was more than what is allowed for");
  });

  it("forgets what it knew when a clock was set", () => {
    for (const jumpMs of [-3_600_000, -50, 50, 3_600_000]) {
      const world = new Simulation(100);
      world.ask(2, 2);
      world.offsetMs += jumpMs;
      world.ask(10, 12);
      assert.equal(world.clock.uncertaintyMs, 11);
      assert.ok(world.errorMs <= 1);
    }
  });

  it("forgets what has drifted away", () => {
    const world = new Simulation(100, 1e-4);
    world.ask(0.1, 0.1);
    world.pass(50_000);
    world.ask(0.2, 0.2);
    assert.ok(world.errorMs <= 0.3, `${world.errorMs} ms`);
  });

  it("does not take for a jump that a browser rounds its clock", () => {
    const clock = new ServerClock({ pageNow: () => START_MS });
    clock.sample(START_MS, START_MS + 100, START_MS);
    clock.sample(START_MS + 1_000, START_MS + 1_100.9, START_MS + 1_000.1);
    assert.equal(clock.offsetMs, 100);
  });

  it("does not take a slow answer for a jump", () => {
    const world = new Simulation(100);
    world.ask(2, 2);
    world.ask(3_000, 1);
    assert.equal(world.errorMs, 0);
    assert.equal(world.clock.uncertaintyMs, 2);
  });

  it("ignores what makes no sense", () => {
    const world = new Simulation(100);
    world.ask(2, 2);
    for (const [sent, server, received] of /** @type {[number, number, number][]} */ ([
      [2, 0, 1],
      [1, NaN, 2],
      [NaN, 1, 2],
      [1, 1, Infinity],
    ])) {
      world.clock.sample(sent, server, received);
    }
    assert.equal(world.errorMs, 0);
    assert.equal(world.clock.uncertaintyMs, 2);
  });
});
