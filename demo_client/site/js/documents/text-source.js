/** Which texts the services take: at most 1,000,000 bytes of UTF-8, of characters that can be read. */

import { count } from "../hub/format.js";

export const MAX_TEXT_BYTES = 1_000_000;

/** Why a file or a text cannot be used, as a sentence that says what to do. */
export class UnusableText extends Error {}

/**
 * The text of a file. Throws UnusableText.
 *
 * @param {Pick<File, "name" | "size" | "arrayBuffer">} file
 * @returns {Promise<string>}
 */
export async function readTextFile(file) {
  if (file.size > MAX_TEXT_BYTES) throw new UnusableText(tooLarge(`“${file.name}”`, file.size));
  let content;
  try {
    content = await file.arrayBuffer();
  } catch {
    throw new UnusableText(`“${file.name}” cannot be read. Choose it again, or another file; a folder is none.`);
  }
  const text = decoded(new Uint8Array(content));
  if (text === null) {
    throw new UnusableText(`“${file.name}” is no text in UTF-8. Save it as UTF-8 text, or choose another file.`);
  }
  if (text === "") throw new UnusableText(`“${file.name}” is empty. Choose another file.`);
  return text;
}

/**
 * Why a text that was typed or pasted cannot be used, or null.
 *
 * @param {string} text
 */
export function textObjection(text) {
  if (text === "") return "Paste a text, or choose the sample.";
  const size = sizeOf(text);
  if (size > MAX_TEXT_BYTES) return tooLarge("The text", size);
  return text.includes("\0") ? "The text has NUL characters, so it is hardly one. Paste another." : null;
}

/** @param {string} text  @returns {number} bytes of UTF-8 */
export function sizeOf(text) {
  return new TextEncoder().encode(text).length;
}

/**
 * @param {string} what
 * @param {number} size
 */
function tooLarge(what, size) {
  return `${what} has ${count(size)} bytes; ${count(MAX_TEXT_BYTES)} are allowed. Choose a part of it.`;
}

/**
 * Null when it is no text: not UTF-8 throughout, or with NUL bytes, as pictures, archives and UTF-16 have.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 */
function decoded(content) {
  if (content.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(content);
  } catch {
    return null;
  }
}
