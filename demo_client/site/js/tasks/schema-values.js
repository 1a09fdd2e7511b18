/**
 * From what is typed into a field to a value of its shape, or to a sentence about what is wrong with it; and the limits
 * of a shape in words. Pure. What a schema cannot say, the server checks.
 *
 * @typedef {import("./schema-shape.js").Shape} Shape
 * @typedef {import("./schema-shape.js").NumberShape} NumberShape
 * @typedef {import("./schema-shape.js").TextShape} TextShape
 * @typedef {import("./schema-shape.js").LinesShape} LinesShape
 *
 * @typedef {{ path: (string | number)[], message: string }} Problem  path: from the value down
 * @typedef {{ value: unknown, problems: Problem[] }} Reading  value undefined: left out
 */

import { count } from "../hub/format.js";

/**
 * Nothing was given.
 *
 * @param {Shape} shape
 * @returns {Reading}
 */
export function readNothing(shape) {
  if (shape.empty === "null") return { value: null, problems: [] };
  return shape.empty === "omit" ? { value: undefined, problems: [] } : wrong("Please fill this in.");
}

/**
 * @param {string} typed
 * @param {NumberShape} shape
 * @returns {Reading}
 */
export function readNumber(typed, shape) {
  const trimmed = typed.trim();
  if (trimmed === "") return readNothing(shape);
  const value = Number(trimmed);
  if (!Number.isFinite(value)) return wrong("A number is expected.");
  if (shape.whole && !Number.isInteger(value)) return wrong("A whole number is expected.");
  if (shape.whole && !Number.isSafeInteger(value))
    return wrong("A page cannot tell numbers as large as this one apart.");
  const problem = limitProblem(value, shape);
  return problem ? wrong(problem) : right(value);
}

/**
 * @param {number} value
 * @param {NumberShape} shape
 */
function limitProblem(value, { least, above, most, below, step }) {
  if (least !== null && value < least) return `At least ${amount(least)}.`;
  if (above !== null && value <= above) return `More than ${amount(above)}.`;
  if (most !== null && value > most) return `At most ${amount(most)}.`;
  if (below !== null && value >= below) return `Less than ${amount(below)}.`;
  if (step !== null && Math.abs(value / step - Math.round(value / step)) > 1e-9)
    return `A multiple of ${amount(step)}.`;
  return "";
}

/**
 * Characters are code points, as the server counts them.
 *
 * @param {string} typed
 * @param {TextShape} shape
 * @returns {Reading}
 */
export function readText(typed, shape) {
  const { shortest, longest, pattern, empty } = shape;
  if (typed === "" && (empty !== "wrong" || shortest > 0)) {
    const asGiven = empty === "omit" && shape.initial !== undefined && shortest === 0;
    return asGiven ? right("") : readNothing(shape);
  }
  if (typed.length < shortest * 2 && [...typed].length < shortest) return wrong(`At least ${characters(shortest)}.`);
  if (longest !== null && typed.length > longest && [...typed].length > longest)
    return wrong(`At most ${characters(longest)}.`);
  if (pattern !== null && matches(typed, pattern) === false) return wrong(`It does not match ${pattern}.`);
  return right(typed);
}

/**
 * One item a line; lines of nothing but white space do not count.
 *
 * @param {string} typed
 * @param {LinesShape} shape
 * @returns {Reading}
 */
export function readLines(typed, shape) {
  const lines = typed.split(/\r?\n/).filter((line) => line.trim() !== "");
  const { fewest, most, item } = shape;
  if (lines.length === 0 && (shape.empty === "null" || (shape.empty === "omit" && fewest > 0)))
    return readNothing(shape);
  if (lines.length < fewest) return wrong(fewest === 1 ? "At least one line." : `At least ${count(fewest)} lines.`);
  if (most !== null && lines.length > most) return wrong(`At most ${count(most)} lines.`);
  const readings = lines.map((line) => (item.kind === "number" ? readNumber(line, item) : readText(line, item)));
  const problems = readings.flatMap((reading, at) => reading.problems.map(({ message }) => ({ path: [at], message })));
  return { value: readings.map((reading) => reading.value), problems };
}

/**
 * @param {string} typed
 * @param {Shape} shape
 * @returns {Reading}
 */
export function readJson(typed, shape) {
  if (typed.trim() === "") return readNothing(shape);
  try {
    return right(JSON.parse(typed));
  } catch (error) {
    return wrong(`This is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * Limits for the hint of a field; "" when there are none.
 *
 * @param {Shape} shape
 */
export function limitsOf(shape) {
  if (shape.kind === "number") return numberLimits(shape);
  if (shape.kind === "lines") return linesLimits(shape);
  if (shape.kind !== "text") return "";
  const { shortest, longest } = shape;
  if (longest !== null)
    return shortest > 1 ? `${count(shortest)} to ${characters(longest)}` : `at most ${characters(longest)}`;
  return shortest > 1 ? `at least ${characters(shortest)}` : "";
}

/** @param {NumberShape} shape */
function numberLimits({ least, above, most, below, step }) {
  const parts = [];
  if (least !== null && most !== null) parts.push(`${amount(least)} to ${amount(most)}`);
  else if (least !== null) parts.push(`at least ${amount(least)}`);
  else if (most !== null) parts.push(`at most ${amount(most)}`);
  if (above !== null) parts.push(`more than ${amount(above)}`);
  if (below !== null) parts.push(`less than ${amount(below)}`);
  if (step !== null) parts.push(`a multiple of ${amount(step)}`);
  return parts.join(", ");
}

/** @param {LinesShape} shape */
function linesLimits({ fewest, most }) {
  if (most === null) return fewest > 0 ? `one a line, at least ${count(fewest)}` : "one a line";
  return fewest > 0 ? `one a line, ${count(fewest)} to ${count(most)}` : `one a line, at most ${count(most)}`;
}

/**
 * A value as the text of a field.
 *
 * @param {unknown} value
 * @param {Shape} shape
 */
export function typedFor(value, shape) {
  if (value === undefined || value === null) return "";
  if (shape.kind === "lines") return Array.isArray(value) ? value.join("\n") : "";
  if (shape.kind === "json") return JSON.stringify(value, null, 2);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/**
 * Whether a value could be of this shape: enough to choose the branch of a union.
 *
 * @param {unknown} value
 * @param {Shape} shape
 * @returns {boolean}
 */
export function fits(value, shape) {
  switch (shape.kind) {
    case "number":
      return typeof value === "number" && (!shape.whole || Number.isInteger(value));
    case "text":
      return typeof value === "string";
    case "flag":
      return typeof value === "boolean";
    case "const":
      return value === shape.value;
    case "choice":
      return shape.options.some((option) => option.value === value);
    case "lines":
    case "tuple":
      return Array.isArray(value);
    case "object":
      if (typeof value !== "object" || value === null) return false;
      return shape.properties.every(
        (property) => property.shape.kind !== "const" || fits(Reflect.get(value, property.name), property.shape),
      );
    default:
      return value !== undefined;
  }
}

/**
 * Null when the pattern is none in this language; the server's is another one.
 *
 * @param {string} text
 * @param {string} pattern
 */
function matches(text, pattern) {
  try {
    return new RegExp(pattern, "u").test(text);
  } catch {
    return null;
  }
}

/** @param {number} value */
function amount(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 10 });
}

/** @param {number} number */
function characters(number) {
  return number === 1 ? "1 character" : `${count(number)} characters`;
}

/**
 * @param {unknown} value
 * @returns {Reading}
 */
function right(value) {
  return { value, problems: [] };
}

/**
 * @param {string} message
 * @returns {Reading}
 */
function wrong(message) {
  return { value: undefined, problems: [{ path: [], message }] };
}
