import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ago, bytes, count, duration, NONE, rate, ratio, seconds } from "../../site/js/hub/format.js";

/**
 * @param {(value: number) => string} format
 * @param {[number, string][]} examples
 */
function gives(format, examples) {
  for (const [value, text] of examples) assert.equal(format(value), text, `of ${value}`);
}

describe("numbers for people", () => {
  it("round a duration before they choose its unit", () => {
    gives(duration, [
      [-1, "0.0 ms"],
      [9.94, "9.9 ms"],
      [9.96, "10 ms"],
      [9_999.4, "9,999 ms"],
      [9_999.7, "10.0 s"],
      [119_940, "119.9 s"],
      [119_960, "2 min 00 s"],
      [179_700, "3 min 00 s"],
      [3_599_400, "59 min 59 s"],
    ]);
    assert.equal(duration(Number.NaN), NONE);
  });

  it("round the length of a run likewise", () => {
    gives(seconds, [
      [400, "0 s"],
      [119_400, "119 s"],
      [119_600, "2 min 00 s"],
      [179_700, "3 min 00 s"],
    ]);
  });

  it("round bytes before they choose their unit", () => {
    gives(bytes, [
      [1_023, "1,023 B"],
      [1_023.6, "1.0 KiB"],
      [1_048_000, "1,023.4 KiB"],
      [1_048_575, "1.0 MiB"],
      [1_572_864, "1.5 MiB"],
    ]);
  });

  it("give a rate a tenth below ten, unless it is whole", () => {
    gives(rate, [
      [0.1, "0.1"],
      [1, "1"],
      [6.67, "6.7"],
      [9.96, "10"],
      [33.3, "33"],
    ]);
  });

  it("give a ratio two digits that count, and none without a divisor", () => {
    assert.equal(ratio(1234, 10), "123×");
    assert.equal(ratio(99.4, 10), "9.9×");
    assert.equal(ratio(5, 10), "0.50×");
    for (const [whole, part] of /** @type {[number, number][]} */ ([
      [5, 0],
      [5, Number.NaN],
      [Number.NaN, 5],
      [Number.POSITIVE_INFINITY, 5],
    ])) {
      assert.equal(ratio(whole, part), NONE);
    }
  });

  it("say how long ago, and nothing of what is unknown", () => {
    gives(ago, [
      [59_400, "59 s ago"],
      [59_600, "1 min ago"],
      [7_200_000, "2 h ago"],
    ]);
    assert.equal(count(null), NONE);
  });
});
