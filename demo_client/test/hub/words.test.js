import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { unknownNames } from "../../site/js/hub/parameters.js";
import { lossWords, pollingWords, sentence, several, streamState, taskState, times } from "../../site/js/hub/words.js";

describe("words", () => {
  it("name the states of a stream and of a task", () => {
    assert.equal(streamState("live"), "Live");
    assert.equal(streamState("live", "poll"), "Polling");
    assert.equal(streamState("waiting", "poll"), "Reconnecting");
    assert.equal(taskState("succeeded"), "Succeeded");
  });

  it("count one thing as one", () => {
    assert.equal(several(1, "gap"), "1 gap");
    assert.equal(several(1_000, "match", "matches"), "1,000 matches");
    assert.equal(times(1), "once");
    assert.equal(lossWords(0, "digit"), "nothing lost");
    assert.equal(lossWords(1, "digit"), "1 digit lost or repeated");
  });

  it("make sentences", () => {
    assert.equal(sentence("try again"), "Try again.");
    assert.equal(sentence("Why?"), "Why?");
    assert.equal(pollingWords({ strategy: "long", intervalMs: 150 }), "long polling");
    assert.equal(pollingWords({ strategy: "delta", intervalMs: 1_500 }), "delta polling every 1,500 ms");
  });

  it("tell of names in an address that are none", () => {
    const of = (/** @type {string} */ query) => unknownNames(new URLSearchParams(query), ["pace"]);
    assert.equal(of("pace=1"), null);
    assert.equal(of("pace=1&colour=2&colour=3"), "This page has no parameter “colour”; the address names it.");
    assert.equal(of("a=1&b=2"), "This page has no parameter “a”, “b”; the address names them.");
  });
});
