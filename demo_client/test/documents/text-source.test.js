import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_TEXT_BYTES, readTextFile, textObjection } from "../../site/js/documents/text-source.js";

/** @param {string | Uint8Array<ArrayBuffer>} content */
function file(content) {
  return new File([content], "notes.txt");
}

test("a text file is read, without its byte order mark", async () => {
  assert.equal(await readTextFile(file("\ufeffDer Sturm 😀\r\n")), "Der Sturm 😀\r\n");
});

test("what is no text is refused, in words", async () => {
  await assert.rejects(readTextFile(file(Uint8Array.of(0x50, 0x4b, 0, 3))), /no text in UTF-8/);
  await assert.rejects(readTextFile(file(Uint8Array.of(0x53, 0xdf))), /no text in UTF-8/);
  await assert.rejects(readTextFile(file("")), /is empty/);
});

test("a million bytes are taken, and one more is not", async () => {
  assert.equal((await readTextFile(file("a".repeat(MAX_TEXT_BYTES)))).length, MAX_TEXT_BYTES);
  await assert.rejects(readTextFile(file("a".repeat(MAX_TEXT_BYTES + 1))), /1,000,001 bytes; 1,000,000 are allowed/);
});

test("a pasted text counts in bytes of UTF-8", () => {
  assert.equal(textObjection("ä".repeat(MAX_TEXT_BYTES / 2)), null);
  assert.match(textObjection("ä".repeat(MAX_TEXT_BYTES / 2 + 1)) ?? "", /1,000,002 bytes/);
  assert.match(textObjection("") ?? "", /Paste a text/);
  assert.match(textObjection("a\0b") ?? "", /NUL/);
});
