import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { HiddenTime, hiddenNote } from "../../site/js/hub/hidden-time.js";

let nowMs = 0;
/** @type {any} */
let page;
const realNow = performance.now;

beforeEach(() => {
  nowMs = 0;
  page = Object.assign(new EventTarget(), { hidden: false });
  Object.defineProperty(globalThis, "document", { configurable: true, value: page });
  performance.now = () => nowMs;
});

afterEach(() => {
  performance.now = realNow;
  Reflect.deleteProperty(globalThis, "document");
});

/**
 * @param {number} atMs
 * @param {boolean} hidden
 */
function turns(atMs, hidden) {
  nowMs = atMs;
  page.hidden = hidden;
  page.dispatchEvent(new Event("visibilitychange"));
}

describe("HiddenTime", () => {
  it("adds up the times in which the page was hidden", () => {
    const hidden = new HiddenTime().start();
    turns(1_000, true);
    turns(3_000, false);
    turns(5_000, true);
    nowMs = 6_500;
    assert.equal(hidden.ms, 3_500);
  });

  it("counts from the start, of a page that is hidden then, to the stop", () => {
    page.hidden = true;
    const hidden = new HiddenTime().start();
    nowMs = 400;
    hidden.stop();
    turns(900, false);
    turns(1_000, true);
    nowMs = 5_000;
    assert.equal(hidden.ms, 400);
  });

  it("is told, if there was any", () => {
    assert.equal(hiddenNote(0), null);
    assert.match(hiddenNote(400) ?? "", /hidden for less than a second:/);
    assert.match(hiddenNote(3_500) ?? "", /hidden for 4 s: its timers are slowed then/);
  });
});
