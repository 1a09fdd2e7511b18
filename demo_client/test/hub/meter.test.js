import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Meter, quantiles } from "../../site/js/hub/meter.js";

describe("quantiles", () => {
  it("are of the values, and unknown without any", () => {
    assert.deepEqual(quantiles([3, 1, 2]), { count: 3, p50: 2, p95: 3, max: 3 });
    assert.deepEqual(quantiles([]), { count: 0, p50: Number.NaN, p95: Number.NaN, max: Number.NaN });
  });
});

describe("Meter", () => {
  it("has a window since the last look, and all of them", () => {
    const meter = new Meter();
    meter.record(1);
    assert.equal(meter.takeWindow().p50, 1);
    meter.record(5);
    meter.record(5);
    assert.deepEqual(meter.takeWindow(), { count: 2, p50: 5, p95: 5, max: 5 });
    assert.equal(meter.takeWindow().count, 0);
    assert.deepEqual(meter.totals(), { count: 3, p50: 5, p95: 5, max: 5 });
  });

  it("keeps a uniform sample of very many, and the oldest", () => {
    let state = 1;
    const meter = new Meter(() => {
      state = (state * 16_807) % 2_147_483_647;
      return state / 2_147_483_647;
    });
    for (let age = 0; age < 100_000; age += 1) meter.record(age);
    const { count, p50, p95, max } = meter.totals();
    assert.equal(count, 100_000);
    assert.equal(max, 99_999);
    assert.ok(Math.abs(p50 - 50_000) < 1_500, `median ${p50}`);
    assert.ok(Math.abs(p95 - 95_000) < 1_500, `p95 ${p95}`);
  });
});
