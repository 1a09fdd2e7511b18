import assert from "node:assert/strict";
import { test } from "node:test";
import { Throughput } from "../../site/js/tasks/throughput.js";

/**
 * @param {number} perSecond
 * @param {number} fromMs
 * @param {number} toMs
 * @param {Throughput} [throughput]
 */
function fed(perSecond, fromMs, toMs, throughput = new Throughput()) {
  for (let ms = fromMs; ms < toMs; ms += 10) throughput.add(perSecond / 100, ms);
  return throughput;
}

test("nothing is 0 a second", () => {
  assert.equal(new Throughput().perSecond(5_000), 0);
});

test("a steady rate is told, whenever it is asked for", () => {
  for (const at of [20_000, 20_130, 20_240, 20_999]) {
    const found = fed(2_000, 10_000, at).perSecond(at);
    assert.ok(Math.abs(found - 2_000) < 20, `${found}`);
  }
});

test("the first updates are not divided by time before them, nor by less than a second", () => {
  assert.ok(Math.abs(fed(100, 50_000, 51_500).perSecond(51_500) - 100) < 5);
  const once = new Throughput();
  once.add(5, 50_000);
  assert.equal(once.perSecond(50_001), 5);
});

test("what is older than the window is forgotten, also after a long pause", () => {
  const throughput = fed(1_000, 0, 2_000);
  assert.equal(throughput.perSecond(5_100), 0);
  fed(400, 100_000, 104_000, throughput);
  assert.ok(Math.abs(throughput.perSecond(104_000) - 400) < 10);
});
