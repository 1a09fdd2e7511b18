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
    { name: "api-1", role: "api", cpu_s: apiS, memory_bytes: 10, at_ms: atMs },
    { name: "worker-1", role: "worker", cpu_s: workerS, memory_bytes: 20, at_ms: atMs },
  ];
  return { processes, redis: { cpu_s: 0.1, memory_bytes: 5, at_ms: atMs } };
}

/**
 * @param {number} apiS
 * @param {number} workerS
 */
function baseline(apiS, workerS, workerAtMs = now()) {
  const worker = { count: 1, cpu_s: workerS, memory_bytes: 2, at_ms: workerAtMs };
  return { cpu_s: apiS, memory_bytes: 1, worker };
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
    assert.deepEqual(load.memory, { live: 35, poll: 3 });
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
      await load.settle();
    }
    assert.equal(Math.round(load.used.live.api), 200);
  });

  it("knows nothing of a service that is away", async () => {
    answers["/api/stats"] = null;
    const load = new LoadMonitor();
    await load.mark();
    assert.equal(Number.isNaN(total(load.rates.live)), true);
    assert.equal(Number.isNaN(total(load.used.live)), true);
  });
});
