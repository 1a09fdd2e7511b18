/** Draws the timeline: for each side when its matches were emitted, above when they were seen, a line from each to each. */

import { SIDE_NAMES, SIDES } from "../hub/words.js";
import { IDLE_MS } from "./side-record.js";

/** @typedef {import("./side-record.js").SideRecord} SideRecord */
/** @typedef {import("./request-log.js").RequestLog} RequestLog */
/** @typedef {{ text: string, quiet: string, line: string, idle: string, bad: string, live: string, poll: string, font: string }} Look */
/** @typedef {{ live: SideRecord, poll: SideRecord, requests: RequestLog }} Records */
/** @typedef {{ fromMs: number, toMs: number, nowMs: number }} Span */
/**
 * @typedef {object} Sheet
 * @property {CanvasRenderingContext2D} context  in CSS pixels
 * @property {number} width
 * @property {Look} look
 * @property {Span} span  ms since the start of the run
 * @property {number} left  where the plot begins, right of the names
 */

/** CSS pixels; the canvas has this height at every width. */
export const HEIGHT = 270;
const AXIS = 246;
/** Of each side: the title, the row of emissions, and the row where they were seen. */
const ROWS = { live: { title: 12, emitted: 32, seen: 88 }, poll: { title: 124, emitted: 144, seen: 200 } };
const REQUESTS = 224;
const TICK = 7;
const NARROW = 520;
/** Steps of the axis in ms; the first that leaves its labels room is taken. */
const STEPS_MS = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 3_600_000, 14_400_000];
const LABEL_ROOM = 56;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {Look} look
 * @param {Span} span
 * @param {Records | null} records
 */
export function draw(context, width, look, span, records) {
  context.clearRect(0, 0, width, HEIGHT);
  context.textBaseline = "middle";
  const left = width < NARROW ? 62 : 76;
  const sheet = { context, width, look, span, left };
  drawAxis(sheet);
  drawNames(sheet, width < NARROW);
  if (!records) return;
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left, AXIS);
  context.clip();
  for (const side of SIDES) {
    drawCuts(sheet, side, records[side]);
    drawIdle(sheet, side, records[side]);
    drawMatches(sheet, side, records[side]);
  }
  drawRequests(sheet, records.requests);
  context.restore();
}

/**
 * @param {Sheet} sheet
 * @param {number} ms
 */
function x({ span, left, width }, ms) {
  return left + ((ms - span.fromMs) / (span.toMs - span.fromMs)) * (width - left - 4);
}

/** @param {Sheet} sheet */
function drawAxis(sheet) {
  const { context, width, look, span, left } = sheet;
  const perMs = (width - left - 4) / (span.toMs - span.fromMs);
  const step = STEPS_MS.find((ms) => ms * perMs >= LABEL_ROOM) ?? 86_400_000;
  context.font = `12px ${look.font}`;
  context.textAlign = "center";
  for (let ms = Math.max(0, Math.ceil(span.fromMs / step)) * step; ms <= span.toMs; ms += step) {
    const at = Math.round(x(sheet, ms)) + 0.5;
    line(context, look.line, at, 20, at, AXIS);
    context.fillStyle = look.quiet;
    context.fillText(`${ms / 1_000} s`, Math.min(at, width - 16), AXIS + 12);
  }
  line(context, look.line, left, AXIS + 0.5, width, AXIS + 0.5);
}

/**
 * @param {Sheet} sheet
 * @param {boolean} narrow
 */
function drawNames({ context, look, left, width }, narrow) {
  context.textAlign = "left";
  context.font = `600 12px ${look.font}`;
  context.fillStyle = look.live;
  context.fillText(SIDE_NAMES.live, 0, ROWS.live.title);
  context.fillStyle = look.poll;
  context.fillText(SIDE_NAMES.poll, 0, ROWS.poll.title);
  context.font = `${narrow ? 11 : 12}px ${look.font}`;
  context.fillStyle = look.quiet;
  for (const { emitted, seen } of [ROWS.live, ROWS.poll]) {
    context.fillText("emitted", 0, emitted);
    context.fillText("seen", 0, seen);
    for (const row of [emitted, seen]) line(context, look.line, left, row + 0.5, width, row + 0.5);
  }
  context.fillText("requests", 0, REQUESTS);
}

/**
 * @param {Sheet} sheet
 * @param {import("../hub/words.js").Side} side
 * @param {SideRecord} record
 */
function drawMatches(sheet, side, { emitted, seen }) {
  const { context, look, span } = sheet;
  const rows = ROWS[side];
  // what is seen within the span was emitted before it, if at all elsewhere
  const first = seen.firstFrom(span.fromMs);
  const last = emitted.firstFrom(span.toMs);
  const ticks = new Path2D();
  const lines = new Path2D();
  const arrivals = new Path2D();
  let drawnFrom = Number.NaN;
  let drawnTo = Number.NaN;
  for (let index = first; index < last; index += 1) {
    const from = Math.round(x(sheet, emitted.at(index))) + 0.5;
    const to = Math.round(x(sheet, seen.at(index))) + 0.5;
    if (from === drawnFrom && to === drawnTo) continue; // thousands may share a pixel
    stroke(lines, from, rows.emitted, to, rows.seen);
    if (from !== drawnFrom) stroke(ticks, from, rows.emitted - TICK, from, rows.emitted);
    if (to !== drawnTo) stroke(arrivals, to, rows.seen, to, rows.seen + TICK);
    drawnFrom = from;
    drawnTo = to;
  }
  context.lineWidth = 1;
  context.globalAlpha = 0.55;
  context.strokeStyle = look[side];
  context.stroke(lines);
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.stroke(arrivals);
  context.strokeStyle = look.text;
  context.stroke(ticks);
}

/**
 * @param {Sheet} sheet
 * @param {import("../hub/words.js").Side} side
 * @param {SideRecord} record
 */
function drawIdle(sheet, side, { emitted }) {
  const { context, look, span } = sheet;
  const { emitted: row } = ROWS[side];
  const last = Math.min(emitted.firstFrom(span.toMs), emitted.length - 1);
  context.font = `11px ${look.font}`;
  context.textAlign = "center";
  for (let index = Math.max(1, emitted.firstFrom(span.fromMs)); index <= last; index += 1) {
    const gap = emitted.at(index) - emitted.at(index - 1);
    if (gap <= IDLE_MS) continue;
    const from = x(sheet, emitted.at(index - 1)) + 2;
    const to = x(sheet, emitted.at(index)) - 2;
    context.fillStyle = look.idle;
    context.fillRect(from, row - TICK, to - from, TICK);
    context.fillStyle = look.quiet;
    const told = `idle ${(gap / 1_000).toFixed(1)} s`;
    if (to - from > 66)
      context.fillText(told, (Math.max(from, sheet.left) + Math.min(to, sheet.width)) / 2, row - TICK - 6);
  }
}

/**
 * @param {Sheet} sheet
 * @param {import("../hub/words.js").Side} side
 * @param {SideRecord} record
 */
function drawCuts(sheet, side, { cuts }) {
  const { context, look } = sheet;
  const { emitted, seen } = ROWS[side];
  context.font = `600 11px ${look.font}`;
  context.textAlign = "left";
  for (const cut of cuts) {
    const from = x(sheet, cut.fromMs);
    const to = x(sheet, cut.toMs ?? sheet.span.nowMs);
    context.globalAlpha = 0.14;
    context.fillStyle = look.bad;
    context.fillRect(from, emitted + 1, to - from, seen - emitted);
    context.globalAlpha = 1;
    if (to - from > 24) context.fillText("cut", Math.max(from, sheet.left) + 4, seen - 8);
  }
}

/**
 * Each request as a tick where it was answered, and a line since it was sent; lower and paler when it brought nothing.
 *
 * @param {Sheet} sheet
 * @param {RequestLog} requests
 */
function drawRequests(sheet, requests) {
  const { context, look, span } = sheet;
  const news = new Path2D();
  const empty = new Path2D();
  const lost = new Path2D();
  let drawn = Number.NaN;
  for (let index = requests.done.firstFrom(span.fromMs); index < requests.sent.length; index += 1) {
    const sentMs = requests.sent.at(index);
    if (sentMs > span.toMs) break;
    const doneMs = requests.done.at(index);
    const to = x(sheet, Number.isNaN(doneMs) ? span.nowMs : doneMs);
    const outcome = requests.outcomeOf(index);
    const at = Math.round(to * 2) / 2;
    if (at === drawn && outcome === "empty") continue;
    drawn = at;
    const path = outcome === "news" ? news : outcome === "lost" ? lost : empty;
    stroke(path, x(sheet, sentMs), REQUESTS, to, REQUESTS);
    if (!Number.isNaN(doneMs))
      stroke(path, at, REQUESTS - (outcome === "empty" ? 3 : TICK), at, REQUESTS + (outcome === "empty" ? 3 : TICK));
  }
  context.lineWidth = 1.5;
  context.strokeStyle = look.poll;
  context.stroke(news);
  context.globalAlpha = 0.42;
  context.stroke(empty);
  context.globalAlpha = 1;
  context.strokeStyle = look.bad;
  context.stroke(lost);
}

/** @type {(path: Path2D, x1: number, y1: number, x2: number, y2: number) => void} */
function stroke(path, x1, y1, x2, y2) {
  path.moveTo(x1, y1);
  path.lineTo(x2, y2);
}

/** @type {(context: CanvasRenderingContext2D, colour: string, x1: number, y1: number, x2: number, y2: number) => void} */
function line(context, colour, x1, y1, x2, y2) {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}
