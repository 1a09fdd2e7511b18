import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Continuity } from "../../site/js/pi/continuity.js";
import { allDigits, lastDigits, newestDigits, plain } from "../../site/js/pi/digits.js";
import { verify } from "../../site/js/pi/verification.js";

const PI = [..."3141592653589793"];

describe("digits", () => {
  it("have a point and groups of ten", () => {
    assert.equal(allDigits([]), "");
    assert.equal(allDigits(["3"]), "3");
    assert.equal(allDigits(["3", "1"]), "3.1");
    assert.equal(allDigits(PI), "3.1415926535 89793");
    assert.equal(plain(PI), "3.141592653589793");
  });

  it("keep to the newest, at the same place while they grow", () => {
    const many = Array.from({ length: 1_000 }, (_, at) => String(at % 10));
    assert.equal(newestDigits(many.slice(0, 201)).startsWith("0.1"), true);
    const [before, after] = [newestDigits(many.slice(0, 250)), newestDigits(many.slice(0, 251))];
    assert.equal(after.startsWith(before), true);
    assert.equal(before.startsWith("… "), true);
    for (let length = 0; length <= many.length; length += 1) {
      const shown = newestDigits(many.slice(0, length));
      assert.equal(shown.endsWith(many[length - 1] ?? ""), true);
      assert.ok(shown.length < 230);
    }
  });

  it("fit a line", () => {
    assert.equal(lastDigits(PI.slice(0, 5), 8), "3.1415");
    assert.equal(lastDigits(PI, 8), "…3589793");
  });
});

/**
 * @param {number} index
 * @param {number} [attempt]
 * @returns {import("../../site/js/lib/task-stream.js").TaskEvent}
 */
function chunk(index, attempt = 1) {
  return { task: "t", seq: index + 1, attempt, ts: 0, type: "chunk", data: { index, data: "1" } };
}

describe("Continuity", () => {
  it("says where a connection resumed, once", () => {
    const seen = new Continuity();
    seen.take([chunk(0), chunk(1)]);
    assert.equal(seen.takeResumption(), null);
    seen.cut();
    seen.take([chunk(2)]);
    assert.equal(seen.takeResumption(), "Resumed after digit 2, nothing lost");
    assert.equal(seen.takeResumption(), null);
    assert.equal(seen.cuts, 1);
  });

  it("counts what is missing and what comes twice", () => {
    const seen = new Continuity();
    seen.take([chunk(0)]);
    seen.cut();
    seen.take([chunk(3), chunk(3)]);
    assert.equal(seen.faults, 3);
    assert.equal(seen.takeResumption(), "Resumed after digit 1, 3 digits lost or repeated");
  });

  it("begins anew with an attempt", () => {
    const seen = new Continuity();
    seen.take([chunk(0), chunk(1), chunk(0, 2), chunk(1, 2)]);
    assert.equal(seen.faults, 0);
    assert.equal(seen.digits, 2);
  });

  it("counts a loss once, however many tries fail", () => {
    const seen = new Continuity();
    seen.lose();
    assert.equal(seen.losses, 0);
    seen.take([chunk(0)]);
    seen.lose();
    seen.lose();
    assert.equal(seen.losses, 1);
    seen.take([chunk(1)]);
    assert.equal(seen.takeResumption(), "Resumed after digit 1, nothing lost");
  });
});

describe("verify", () => {
  const result = { digits: 3, pi: "3.14" };
  const good = { side: /** @type {const} */ ("live"), view: { chunks: ["3", "1", "4"], result } };
  const polled = { ...good, side: /** @type {const} */ ("poll") };

  it("finds all the same", () => {
    assert.deepEqual(verify([good, polled]), {
      good: true,
      sentence:
        "Compared: all 2 clients (1 event-driven, 1 polling) have the same 3 digits, and they are those of the results on both sides.",
    });
  });

  it("finds a client with other digits, and results that differ", () => {
    assert.equal(verify([good, { ...polled, view: { chunks: ["3", "1"], result } }]).good, false);
    const other = { ...polled, view: { chunks: ["3", "1", "5"], result: { digits: 3, pi: "3.15" } } };
    assert.equal(verify([good, other]).good, false);
  });

  it("compares what there is of a run that was stopped", () => {
    const begun = { ...polled, view: { chunks: ["3", "1"], result: null } };
    assert.equal(verify([good, begun]).good, true);
    assert.equal(verify([good, { ...polled, view: { chunks: ["3", "2"], result: null } }]).good, false);
    assert.equal(verify([{ ...polled, view: { chunks: [], result: null } }]).good, false);
  });
});
