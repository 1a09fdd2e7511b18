import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { Painter } from "../../site/js/hub/painter.js";

/** @type {(() => void)[]} */
let frames;

beforeEach(() => {
  frames = [];
  globalThis.requestAnimationFrame = (callback) => frames.push(() => callback(0));
});

afterEach(() => {
  endFrame(); // and with it the timer that stands in
  endFrame();
});

function endFrame() {
  for (const frame of frames.splice(0)) frame();
}

function part() {
  return {
    painted: 0,
    paint() {
      this.painted += 1;
    },
  };
}

describe("Painter", () => {
  it("paints each part at once the first time in a frame, and at its end what came since", () => {
    const painter = new Painter();
    const [one, other] = [part(), part()];
    for (let at = 0; at < 5; at += 1) painter.request(one);
    painter.request(other);
    assert.deepEqual([one.painted, other.painted], [1, 1]);
    endFrame();
    assert.deepEqual([one.painted, other.painted], [2, 1]);
  });

  it("counts what the end of a frame paints for the next one", () => {
    const painter = new Painter();
    const one = part();
    painter.request(one);
    painter.request(one);
    endFrame();
    painter.request(one);
    assert.equal(one.painted, 2);
    endFrame();
    assert.equal(one.painted, 3);
    endFrame();
    assert.equal(one.painted, 3);
  });

  it("defers what painting itself asks for", () => {
    const painter = new Painter();
    const other = part();
    painter.request({ paint: () => painter.request(other) });
    assert.equal(other.painted, 0);
    endFrame();
    assert.equal(other.painted, 1);
  });

  it("forgets", () => {
    const painter = new Painter();
    const one = part();
    painter.request(one);
    painter.request(one);
    painter.forget(one);
    endFrame();
    assert.equal(one.painted, 1);
  });

  it("paints the others when one fails", (context) => {
    const report = context.mock.fn();
    Reflect.set(globalThis, "reportError", report);
    const painter = new Painter();
    const one = part();
    painter.request({
      paint() {
        throw new Error("broken");
      },
    });
    painter.request(one);
    assert.equal(one.painted, 1);
    assert.equal(report.mock.callCount(), 1);
  });
});
