import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { LoadMonitor, total } from "../../site/js/hub/load.js";

/** What the services answer. @type {Record<"/api/stats" | "/baseline/stats", any>} */
let answers;
const realFetch = globalThis.fetch;

/** Of the page, and of the servers: Unix ms. */
const now = () => performance.timeOrigin + performance.now();

beforeEach(() => {
  answers = { "/api/stats": api(1, 0.5), "/baseline/stats": baseline(1, 0.5) };
  globalThis.fetch = /** @type {any} */ (
    async (/** @type {"/api/stats" | "/baseline/stats"} */ url) => {
      const answer = answers[url];
      if (answer === null) throw new TypeError("away");
      return new Response(JSON.stringify({ ...answer, now_ms: now() }));
    }
  );
});

afterEach(() => {
  globalThis.fetch = realFetch;
});

/**
 * @param {number} apiS
 * @param {number} workerS
 */
function api(apiS, workerS, atMs = now()) {
  const processes = [
    { name: "api-1", role: "api", cpu_s: apiS, at_ms: atMs },
    { name: "worker-1", role: "worker", cpu_s: workerS, at_ms: atMs },
  ];
  const nodes = [{ name: "a1b2c3d4", cpu_s: 0.1, at_ms: atMs }];
  return { processes, redis_nodes: nodes, missing: { reports: false, redis_nodes: 0 } };
}

/**
 * @param {number} apiS
 * @param {number} workerS
 */
function baseline(apiS, workerS, workerAtMs = now()) {
  const worker = { count: 1, cpu_s: workerS, at_ms: workerAtMs };
  return { cpu_s: apiS, worker };
}

/** @param {LoadMonitor} load */
async function read(load) {
  await load.start();
  load.stop();
}

describe("LoadMonitor", () => {
  it("counts what was used since the mark", async () => {
    const load = new LoadMonitor();
    await load.mark();
    answers = { "/api/stats": api(1.2, 0.6, now() + 1_000), "/baseline/stats": baseline(1.5, 0.5, now() + 1_000) };
    assert.equal(await load.settle(), true);
    assert.equal(Math.round(load.used.live.api), 200);
    assert.equal(Math.round(load.used.live.worker), 100);
    assert.equal(Math.round(load.used.live.store), 0);
    assert.equal(Math.round(total(load.used.poll)), 500);
  });

  it("waits for a process that has not told of the end yet", async () => {
    const old = now() - 500;
    answers["/baseline/stats"] = baseline(1, 0.5, old);
    const load = new LoadMonitor();
    await load.mark();
    answers = { "/api/stats": api(1, 0.5, now() + 1_000), "/baseline/stats": baseline(1, 0.5, old) };
    let readings = 0;
    load.onReading = () => {
      readings += 1;
      if (readings === 2) answers["/baseline/stats"] = baseline(1, 0.7, now() + 2_000);
    };
    assert.equal(await load.settle(), true);
    assert.equal(readings, 3);
    assert.equal(Math.round(load.used.poll.worker), 200);
  });

  it("does not count twice when an answer overtakes another", async () => {
    const load = new LoadMonitor();
    await load.mark();
    const start = now();
    answers["/baseline/stats"] = baseline(1, 0.5, start + 10_000);
    for (const [cpuS = 0, laterMs = 0] of [
      [2, 20_000],
      [1.5, 10_000],
      [2, 20_000],
    ]) {
      answers["/api/stats"] = api(cpuS, 0.5, start + laterMs);
      await load.settle();
    }
    assert.equal(Math.round(load.used.live.api), 1_000);
  });

  it("counts a process that was started again from its next reading on", async () => {
    const load = new LoadMonitor();
    await load.mark();
    const start = now();
    for (const [cpuS = 0, laterMs = 0] of [
      [0.1, 10_000],
      [0.3, 20_000],
    ]) {
      answers = { "/api/stats": api(cpuS, 0.5, start + laterMs), "/baseline/stats": baseline(1, 0.5, start + laterMs) };
      await read(load);
    }
    assert.equal(Math.round(load.used.live.api), 200);
  });

  it("does not count what a process uses after the end, while another has not told of it yet", async () => {
    const start = now();
    answers["/baseline/stats"] = baseline(1, 0.5, start - 500);
    const load = new LoadMonitor();
    await load.mark();
    answers = { "/api/stats": api(1.1, 0.5, start + 1_000), "/baseline/stats": baseline(1, 0.5, start - 500) };
    load.onReading = () => {
      answers = { "/api/stats": api(1.9, 0.9, start + 2_000), "/baseline/stats": baseline(1, 0.6, start + 2_000) };
    };
    assert.equal(await load.settle(), true);
    await read(load);
    assert.equal(Math.round(load.used.live.api), 100);
    assert.equal(Math.round(load.used.live.worker), 0);
    assert.equal(Math.round(load.used.poll.worker), 100);
  });

  it("knows no rate at the mark, and afterwards none of before", async () => {
    const load = new LoadMonitor();
    const start = now();
    for (const [workerS = 0, atMs = 0] of [
      [0.5, start - 1_000],
      [0.6, start],
    ]) {
      answers["/api/stats"] = api(workerS, workerS, atMs);
      await read(load);
    }
    assert.equal(Math.round(load.rates.live.worker), 100);
    await load.mark();
    assert.ok(Number.isNaN(load.rates.live.worker));
    await read(load); // the same report again
    assert.ok(Number.isNaN(load.rates.live.worker));
    answers["/api/stats"] = api(0.6, 0.8, start + 1_000);
    await read(load);
    assert.equal(Math.round(load.rates.live.worker), 200);
  });

  it("knows nothing of a service that is away", async () => {
    answers["/api/stats"] = null;
    const load = new LoadMonitor();
    await load.mark();
    assert.equal(Number.isNaN(total(load.rates.live)), true);
    assert.equal(Number.isNaN(total(load.used.live)), true);
  });

  it("forgets the rate of a process that is listed still, but tells nothing any more", async () => {
    const load = new LoadMonitor();
    const start = now();
    answers["/api/stats"] = api(1, 0.5, start - 4_000);
    await read(load);
    answers["/api/stats"] = api(1.1, 0.6, start - 3_000); // both have used 100 ms in this second, and die
    await read(load);
    assert.ok(Number.isNaN(load.rates.live.api));
    const living = api(1, 0.5, start);
    answers["/api/stats"] = { ...living, processes: living.processes.map((one) => ({ ...one, name: `${one.name}b` })) };
    await read(load);
    const next = api(1.2, 0.5, start + 1_000);
    const dead = { name: "api-1", role: "api", cpu_s: 1.1, at_ms: start - 3_000 };
    answers["/api/stats"] = {
      ...next,
      processes: [dead, ...next.processes.map((one) => ({ ...one, name: `${one.name}b` }))],
    };
    await read(load);
    assert.equal(Math.round(load.rates.live.api), 200);
  });

  it("does not give a part for the whole", async () => {
    const load = new LoadMonitor();
    const missing = { reports: false, redis_nodes: 1 };
    answers["/api/stats"] = { ...api(1, 0.5), missing };
    await load.mark();
    answers["/api/stats"] = { ...api(1.2, 0.6, now() + 1_000), missing };
    answers["/baseline/stats"] = { ...baseline(1.5, 0), worker: { count: 0, cpu_s: 0, at_ms: null } };
    await load.settle();
    assert.equal(Math.round(load.used.live.api), 200);
    assert.ok(Number.isNaN(total(load.used.live)));
    assert.ok(Number.isNaN(total(load.rates.live)));
    assert.ok(Number.isNaN(total(load.used.poll)));
  });

  it("does not give the replica that answers for all when the reports of the others are away", async () => {
    const load = new LoadMonitor();
    await load.mark();
    answers["/api/stats"] = { ...api(1.2, 0.6, now() + 1_000), missing: { reports: true, redis_nodes: 0 } };
    await read(load);
    assert.ok(Number.isNaN(load.rates.live.api));
    assert.ok(Number.isNaN(load.rates.live.worker));
    assert.equal(load.rates.live.store, 0);
  });

  it("goes on when the clock of a server was set back", async () => {
    const load = new LoadMonitor();
    const start = now();
    answers["/api/stats"] = api(1, 0.5, start + 3_600_000);
    await load.mark();
    for (const [cpuS = 0, atMs = 0] of [
      [1.2, start],
      [1.5, start + 1_000],
    ]) {
      answers["/api/stats"] = api(cpuS, 0.5, atMs);
      await read(load);
    }
    assert.equal(Math.round(load.rates.live.api), 300);
  });
});
