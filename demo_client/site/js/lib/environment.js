/**
 * What a stream takes from the page it runs in, each part to be replaced in a test.
 *
 * @typedef {object} EnvironmentOptions
 * @property {() => number} [random] as Math.random
 * @property {() => number} [now] milliseconds of a clock that never goes back; performance.now() unless given
 * @property {(callback: () => void, ms: number) => any} [setTimeout]
 * @property {(timer: any) => void} [clearTimeout]
 */

/**
 * @typedef {object} Environment
 * @property {() => number} random
 * @property {() => number} now
 * @property {(callback: () => void, ms: number) => () => void} later calls back after `ms`; returns what cancels it
 */

/** Of a timer: beyond it a browser takes the number for 0. It is 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * @param {EnvironmentOptions} options
 * @returns {Environment}
 */
export function environmentOf({
  random = Math.random,
  now = () => performance.now(),
  setTimeout = globalThis.setTimeout,
  clearTimeout = globalThis.clearTimeout,
}) {
  return {
    random,
    now,
    later(callback, ms) {
      const timer = setTimeout(callback, Math.min(ms, LONGEST_MS));
      return () => clearTimeout(timer);
    },
  };
}

/**
 * `callback`, made safe to call from the handler of a socket: what it throws is reported as an error of the page and
 * disturbs nobody, and once `isOff` says so it is not called.
 *
 * @template {unknown[]} A
 * @param {((...args: A) => void) | undefined} callback
 * @param {() => boolean} isOff
 * @returns {(...args: A) => void}
 */
export function guarded(callback, isOff) {
  return (...args) => {
    if (callback === undefined || isOff()) return;
    try {
      callback(...args);
    } catch (error) {
      report(error);
    }
  };
}

/**
 * Report an error as one that nobody caught, without throwing it here.
 *
 * @param {unknown} error
 */
export function report(error) {
  if (typeof globalThis.reportError === "function") {
    globalThis.reportError(error);
    return;
  }
  queueMicrotask(() => {
    throw error;
  });
}
