import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAddress, isTaskId, NEWEST, parseAddress, shortId } from "../../site/js/tasks/address.js";

const ID = "0198c5a3-7b1e-7c42-9d10-3f5a6b7c8d9e";

test("an address comes back as it was formatted", () => {
  const address = { kind: "compute_pi", state: "failed", cursor: ID, task: ID };
  assert.deepEqual(parseAddress(formatAddress(address).replace("/tasks", "")), { address, problems: [] });
  assert.equal(formatAddress(NEWEST), "/tasks");
});

test("values that cannot be are left out, each with a sentence", () => {
  const { address, problems } = parseAddress("?kind=No%20kind&state=lost&cursor=7");
  assert.deepEqual(address, NEWEST);
  assert.equal(problems.length, 3);
  assert.match(problems[1] ?? "", /“lost”/);
});

test("an id that cannot be one is kept: the page tells about it", () => {
  const { address, problems } = parseAddress("?task=%3Cb%3EX");
  assert.equal(address.task, "<b>x");
  assert.deepEqual(problems, []);
  assert.ok(!isTaskId(address.task));
});

test("ids are taken in upper case too, and are told apart by their end", () => {
  assert.equal(parseAddress(`?task=${ID.toUpperCase()}`).address.task, ID);
  assert.equal(shortId(ID), "…6b7c8d9e");
});
