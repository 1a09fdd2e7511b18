import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { TaskPair } from "../../site/js/hub/pair.js";
import { Problem } from "../../site/js/hub/services.js";

const realFetch = globalThis.fetch;
/** What was asked, in order. @type {{ path: string, key: string | null }[]} */
let asked;
/** @type {(path: string, time: number) => Response | Promise<Response>} */
let answer;

const submitted = (/** @type {string} */ id) => new Response(JSON.stringify({ id }), { status: 201 });
const refused = (/** @type {number} */ status) => new Response(JSON.stringify({ detail: "no" }), { status });

beforeEach(() => {
  asked = [];
  globalThis.fetch = /** @type {any} */ (
    async (/** @type {string} */ path, /** @type {RequestInit} */ init) => {
      asked.push({ path, key: new Headers(init.headers).get("Idempotency-Key") });
      return answer(path, asked.filter((one) => one.path === path).length);
    }
  );
  answer = (path, time) => submitted(`${path.split("/")[1]}-${time}`);
});

afterEach(() => {
  globalThis.fetch = realFetch;
});

const paths = () => asked.map(({ path }) => path);

describe("TaskPair", () => {
  it("submits as many on either side, by turns, each with a key of its own", async () => {
    const pair = new TaskPair();
    await pair.submit("compute_pi", {}, 2);
    assert.deepEqual(pair.tasks, { live: ["api-1", "api-2"], poll: ["baseline-1", "baseline-2"] });
    assert.deepEqual(paths(), ["/api/tasks", "/baseline/tasks", "/api/tasks", "/baseline/tasks"]);
    assert.equal(new Set(asked.map(({ key }) => key)).size, 4);
  });

  it("submits again with the same key when the answer of the api was lost", async () => {
    answer = (path, time) => {
      if (path === "/api/tasks" && time === 1) throw new TypeError("lost");
      return submitted("t");
    };
    const pair = new TaskPair();
    await pair.submit("compute_pi", {});
    const keys = asked.filter(({ path }) => path === "/api/tasks").map(({ key }) => key);
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
    assert.deepEqual(pair.tasks.live, ["t"]);
  });

  it("cancels what one side has accepted when the other refuses", async () => {
    answer = (path) => (path === "/baseline/tasks" ? refused(422) : submitted("t"));
    await assert.rejects(new TaskPair().submit("compute_pi", {}), (error) => {
      assert.ok(error instanceof Problem);
      assert.equal(error.message, "No.");
      return true;
    });
    assert.deepEqual(paths(), ["/api/tasks", "/baseline/tasks", "/api/tasks/t/cancel"]);
  });

  it("tells of tasks that could not be cancelled; one that has ended needs no cancel", async () => {
    const pair = new TaskPair();
    await pair.submit("compute_pi", {});
    answer = () => refused(409);
    assert.equal(await pair.cancel(), null);
    answer = (path) => refused(path.startsWith("/api") ? 500 : 409);
    assert.match((await pair.cancel()) ?? "", /^1 task could not be cancelled, and it goes on .*: No\.$/);
    answer = () => refused(500);
    assert.match((await pair.cancel()) ?? "", /^2 tasks could not be cancelled, and they go on/);
  });

  it("cancels the tasks whose submission is under way", async () => {
    /** @type {(response: Response) => void} */
    let arrive = () => {};
    answer = (path) => {
      if (path !== "/api/tasks") return submitted("t");
      return new Promise((resolve) => {
        arrive = resolve;
      });
    };
    const pair = new TaskPair();
    const submitting = pair.submit("compute_pi", {});
    const cancelling = pair.cancel();
    await new Promise((resolve) => setImmediate(resolve));
    arrive(submitted("late"));
    await submitting;
    assert.equal(await cancelling, null);
    assert.ok(paths().includes("/api/tasks/late/cancel"));
  });
});
