/** A clock, sockets and answers that do what a test says, and nothing by themselves. */

/** Timers on a clock that stands until the test moves it. */
export class FakeTimers {
  #nowMs = 1_000;
  #next = 1;
  /** @type {Map<number, {dueMs: number, callback: () => void}>} */
  #timers = new Map();

  now = () => this.#nowMs;

  /** @type {(callback: () => void, ms: number) => number} */
  setTimeout = (callback, ms) => {
    this.#timers.set(this.#next, { dueMs: this.#nowMs + ms, callback });
    return this.#next++;
  };

  /** @type {(timer: number) => void} */
  clearTimeout = (timer) => {
    this.#timers.delete(timer);
  };

  get pending() {
    return this.#timers.size;
  }

  /**
   * Let time pass, and all that follows from it happen.
   *
   * @param {number} ms
   */
  async advance(ms) {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const [due] = [...this.#timers].sort(([a, x], [b, y]) => x.dueMs - y.dueMs || a - b);
      if (due === undefined || due[1].dueMs > endMs) break;
      this.#timers.delete(due[0]);
      this.#nowMs = due[1].dueMs;
      due[1].callback();
      await settle();
    }
    this.#nowMs = endMs;
  }
}

/** Let everything run that waits for nothing but its turn. */
export function settle() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The sockets that were made, newest last; `Socket` is the class to hand to what is tested. */
export class FakeNetwork {
  /** @type {FakeSocket[]} */
  sockets = [];
  /** @type {new (url: string) => FakeSocket} */
  Socket;

  constructor() {
    const { sockets } = this;
    this.Socket = class extends FakeSocket {
      /** @param {string} url */
      constructor(url) {
        super(url);
        sockets.push(this);
      }
    };
  }

  /** @returns {FakeSocket} */
  get last() {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no connection was tried");
    return socket;
  }
}

/** A WebSocket whose other end is the test. As a real one it brings nothing before `open`, nor after a close. */
export class FakeSocket {
  /** @type {((event: any) => void) | null} */
  onopen = null;
  /** @type {((event: any) => void) | null} */
  onmessage = null;
  /** @type {((event: any) => void) | null} */
  onclose = null;
  /** @type {"connecting" | "open" | "closed"} */
  state = "connecting";
  /** @type {any[]} what the client sent, decoded */
  sent = [];

  /** @param {string} url */
  constructor(url) {
    this.url = url;
  }

  /** @param {string} text */
  send(text) {
    if (this.state !== "open") throw new Error("InvalidStateError");
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.state = "closed";
  }

  open() {
    this.state = "open";
    this.onopen?.({});
    return this;
  }

  /** @param {any[]} items one frame */
  frame(...items) {
    return this.raw(JSON.stringify(items));
  }

  /** @param {unknown} data */
  raw(data) {
    if (this.state === "open") this.onmessage?.({ data });
    return this;
  }

  /**
   * The server closes; 1006 is what a client sees of a lost connection.
   *
   * @param {number} code
   * @param {string} reason
   */
  closed(code = 1006, reason = "") {
    if (this.state === "closed") return;
    this.state = "closed";
    this.onclose?.({ code, reason });
  }
}

/** `fetch`, answered by the test: each call waits until `answer` or `fail`, or until it is aborted. */
export class FakeFetch {
  /** @type {{resolve: (response: Response) => void, reject: (error: unknown) => void}[]} */
  #waiting = [];
  /** @type {{url: URL, headers: Headers, cache: RequestCache | undefined}[]} */
  calls = [];
  mostAtOnce = 0;

  /** @type {(input: string, init: RequestInit) => Promise<Response>} */
  fetch = (input, init) => {
    const url = new URL(input);
    this.calls.push({ url, headers: new Headers(init.headers), cache: init.cache });
    return new Promise((resolve, reject) => {
      const call = { resolve, reject };
      this.#waiting.push(call);
      this.mostAtOnce = Math.max(this.mostAtOnce, this.#waiting.length);
      init.signal?.addEventListener("abort", () => {
        this.#waiting = this.#waiting.filter((other) => other !== call);
        reject(new DOMException("aborted", "AbortError"));
      });
    });
  };

  get waiting() {
    return this.#waiting.length;
  }

  get last() {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error("nothing was asked");
    return call;
  }

  /**
   * @param {number} status
   * @param {any} [body] as JSON, or as it is when it is a string
   * @param {Record<string, string>} [headers]
   */
  async answer(status, body, headers = {}) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    this.#take().resolve(new Response(status === 304 ? null : text, { status, headers }));
    await settle();
  }

  async fail() {
    this.#take().reject(new TypeError("fetch failed"));
    await settle();
  }

  #take() {
    const call = this.#waiting.shift();
    if (call === undefined) throw new Error("no request waits for an answer");
    return call;
  }
}

/**
 * Random numbers from 0 to 1 that are the same for the same seed (mulberry32).
 *
 * @param {number} seed
 */
export function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
