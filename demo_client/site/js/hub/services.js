/**
 * Calls to the two services behind the hub: the api under /api, the polling baseline under /baseline.
 *
 * What fails is a Problem with a sentence for people; RFC 9457 answers keep their members, `errors` names the fields.
 */

import { sentence } from "./words.js";

export const API = "/api";
export const BASELINE = "/baseline";

const TIMEOUT_MS = 10_000;

/** @typedef {{ field: string, message: string, type: string }} FieldError */
/** @typedef {{ name: string, summary: string, params: Record<string, any>, max_attempts: number, time_limit_s: number }} Kind */
/**
 * @typedef {{ id: string, kind: string, params: Record<string, any>, state: string, attempt: number, seq: number,
 *   progress: { current: number, total: number | null, ratio: number | null, message: string | null,
 *     metrics: Record<string, unknown> | null } | null,
 *   error: { type: string, message: string } | null, created_at: string, started_at: string | null,
 *   updated_at: string, finished_at: string | null }} Task
 */

export class Problem extends Error {
  /**
   * @param {string} message
   * @param {{ status?: number, errors?: FieldError[], retryAfterMs?: number | null }} [about]
   */
  constructor(message, { status = 0, errors = [], retryAfterMs = null } = {}) {
    super(message);
    this.name = "Problem";
    /** 0: there was no answer at all. */
    this.status = status;
    this.errors = errors;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * The JSON that `url` answers with. Throws Problem.
 *
 * @param {string} url
 * @param {{ method?: string, body?: unknown, headers?: Record<string, string>, timeoutMs?: number }} [options]
 * @returns {Promise<any>}
 */
export async function request(url, { method = "GET", body, headers = {}, timeoutMs = TIMEOUT_MS } = {}) {
  /** @type {RequestInit} */
  const init = { method, headers: { Accept: "application/json", ...headers }, cache: "no-store" };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  let response;
  let text;
  try {
    response = await fetch(url, { ...init, signal: AbortSignal.timeout(timeoutMs) });
    text = await response.text();
  } catch (error) {
    throw new Problem(unreachable(url, error));
  }
  const json = parsed(text);
  if (response.ok && json !== undefined) return json;
  throw refused(url, response, json);
}

/** @returns {Promise<Kind[]>} */
export async function listKinds() {
  return (await request(`${API}/kinds`)).items;
}

/**
 * Submit a task. With a key, the same submission that is sent again (the answer was lost) is the same task.
 *
 * @param {string} base  API or BASELINE
 * @param {string} kind
 * @param {Record<string, unknown>} params
 * @param {string} [idempotencyKey]  which the baseline does not look at
 * @returns {Promise<Task>}
 */
export function submitTask(base, kind, params, idempotencyKey) {
  const headers = idempotencyKey ? { "Idempotency-Key": idempotencyKey } : {};
  return request(`${base}/tasks`, { method: "POST", body: { kind, params }, headers });
}

/**
 * @param {string} id
 * @returns {Promise<Task>}
 */
export function readTask(id) {
  return request(`${API}/tasks/${encodeURIComponent(id)}`);
}

/**
 * @param {string} id
 * @returns {Promise<Task>}
 */
export function cancelTask(id) {
  return request(`${API}/tasks/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/**
 * Of the baseline.
 *
 * @param {string} id
 */
export function cancelPolled(id) {
  return request(`${BASELINE}/tasks/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/**
 * @param {string} url
 * @param {unknown} error
 */
function unreachable(url, error) {
  const who = url.startsWith(BASELINE) ? "The baseline" : "The api";
  const late = error instanceof DOMException && error.name === "TimeoutError";
  return late
    ? `${who} did not answer in time. Try again.`
    : `${who} cannot be reached. Check that it runs, then try again.`;
}

/**
 * @param {string} url
 * @param {Response} response
 * @param {any} json
 */
function refused(url, response, json) {
  const retryAfter = Number(response.headers.get("Retry-After"));
  const about = {
    status: response.status,
    errors: Array.isArray(json?.errors) ? json.errors : [],
    retryAfterMs: retryAfter > 0 ? retryAfter * 1000 : null,
  };
  if (response.status >= 500 && !json?.detail) return new Problem(unreachable(url, null), about);
  return new Problem(sentence(json?.detail ?? `${response.status} ${response.statusText}`), about);
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no JSON: the answer of something in between
  }
}
