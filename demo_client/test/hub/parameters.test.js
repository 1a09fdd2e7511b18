import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULTS, expectedMs, readParameters, searchOf, textsOf } from "../../site/js/pi/parameters.js";

const HTTP1 = { connections: 6 };

/** @param {Partial<import("../../site/js/pi/parameters.js").Texts>} texts */
function read(texts, browser = HTTP1) {
  return readParameters({ ...DEFAULTS, ...texts }, browser);
}

describe("readParameters", () => {
  it("takes the defaults", () => {
    assert.deepEqual(read({}), {
      parameters: { digits: 100, paceMs: [100, 500], clients: 5, intervalMs: 150, strategy: "plain", tasks: "shared" },
      errors: {},
    });
  });

  for (const [name, texts] of /** @type {[keyof typeof DEFAULTS, string[]][]} */ ([
    ["digits", ["0", "10001", "", "ten", "1.5", "-3", "1e3", "0x10", "99999999999999999999"]],
    ["clients", ["0", "51", "NaN"]],
    ["interval", ["49", "10001", " "]],
    ["pace", ["-1", "0-60001", "600-500", "1-2-3", "", "a-b"]],
    ["strategy", ["", "Plain", "__proto__"]],
    ["tasks", ["", "many"]],
  ])) {
    for (const text of texts) {
      it(`says what is wrong with ${name}=${JSON.stringify(text)}`, () => {
        const { parameters, errors } = read({ [name]: text });
        assert.equal(parameters, null);
        assert.match(errors[name] ?? "", /\.$/);
      });
    }
  }

  it("takes the limits themselves", () => {
    const ends = { digits: "10000", pace: "0-60000", clients: "50", interval: "10000" };
    assert.deepEqual(read(ends).errors, {});
    assert.deepEqual(read({ digits: "1", pace: "100", clients: "1", interval: "50" }).errors, {});
  });

  it("wants the pace in order", () => {
    assert.match(read({ pace: "600-500" }).errors.pace ?? "", /longer than the longest/);
    assert.deepEqual(read({ pace: "200" }).parameters?.paceMs, [200, 200]);
  });

  it("allows as many long polls as leave connections to the page", () => {
    assert.deepEqual(read({ strategy: "long", clients: "4" }).errors, {});
    assert.match(read({ strategy: "long", clients: "5" }).errors.clients ?? "", /at most 4/);
    assert.deepEqual(read({ strategy: "long", clients: "50" }, { connections: Number.POSITIVE_INFINITY }).errors, {});
  });
});

describe("the address", () => {
  it("names what is not the default, and is read back", () => {
    const texts = { ...DEFAULTS, clients: "50", interval: "500" };
    assert.equal(searchOf(texts), "?clients=50&interval=500");
    assert.deepEqual(textsOf(searchOf(texts)), { texts, unknown: null });
    assert.equal(searchOf(DEFAULTS), "");
  });

  it("hands on what is wrong, and tells of names that are none", () => {
    const { texts, unknown } = textsOf("?clients=many&client=3&__proto__=1");
    assert.equal(texts.clients, "many");
    assert.match(unknown ?? "", /no parameter “client”, “__proto__”/);
  });
});

describe("expectedMs", () => {
  it("counts the rounds that the workers need", () => {
    const { parameters } = read({ clients: "7", tasks: "each" });
    assert.ok(parameters);
    assert.equal(expectedMs(parameters), 60_000);
    assert.equal(expectedMs({ ...parameters, tasks: "shared" }), 30_000);
  });
});
