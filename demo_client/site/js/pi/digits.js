/** π as it is printed: the 3, a point, and the decimals in groups of ten. Chunks hold one digit each. */

const GROUP = 10;
/** A long field begins at a multiple of this, and goes on for up to twice as much: its lines stand still meanwhile. */
const BLOCK = 100;

/**
 * Everything.
 *
 * @param {string[]} chunks
 */
export function allDigits(chunks) {
  return printed(chunks, 0);
}

/**
 * The newest 100 to 200 digits, or all of fewer.
 *
 * @param {string[]} chunks
 */
export function newestDigits(chunks) {
  return printed(chunks, Math.max(0, Math.floor((chunks.length - 2) / BLOCK) - 1) * BLOCK);
}

/**
 * The last few, for a single line.
 *
 * @param {string[]} chunks
 * @param {number} most  characters
 */
export function lastDigits(chunks, most) {
  if (chunks.length < most) return plain(chunks);
  return `…${chunks.slice(1 - most).join("")}`;
}

/**
 * Without groups, as the result of a task has it.
 *
 * @param {string[]} chunks
 */
export function plain(chunks) {
  return chunks.length > 1 ? `${chunks[0]}.${chunks.slice(1).join("")}` : chunks.join("");
}

/**
 * @param {string[]} chunks
 * @param {number} from  decimals that are left out
 */
function printed(chunks, from) {
  if (chunks.length === 0) return "";
  const decimals = chunks.slice(1 + from).join("");
  const groups = decimals.match(new RegExp(`.{1,${GROUP}}`, "g")) ?? [];
  const start = from > 0 ? "… " : `${chunks[0]}${decimals ? "." : ""}`;
  return start + groups.join(" ");
}
