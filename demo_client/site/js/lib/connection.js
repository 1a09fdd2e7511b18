import { asksToComeBack, DONE, isFinal, sentenceOf } from "./close-codes.js";
import { environmentOf, report } from "./environment.js";
import { frameBytes, InvalidFrame, parseFrame } from "./frames.js";
import { Link } from "./link.js";

/**
 * @typedef {object} StreamCounters totals since the stream was made
 * @property {number} connects connections that opened
 * @property {number} resumes streams that went on after a cursor
 * @property {number} messages frames from the server
 * @property {number} bytes of these on the wire, headers of WebSocket included; without handshake and control frames
 * @property {number} events handed to onEvents
 * @property {number} duplicates events that came again, and were dropped
 * @property {number} gaps
 * @property {number} resets
 *
 * @typedef {object} SocketLike what is used of a WebSocket
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {(text: string) => void} send
 * @property {() => void} close
 *
 * @typedef {import("./environment.js").EnvironmentOptions & {WebSocket?: new (url: string) => SocketLike}}
 *   ConnectionOptions
 */

/** A server that has not answered by then is given up; the next try may meet another one. */
const ANSWER_MS = 10_000;

/** @returns {StreamCounters} */
export function newCounters() {
  return { connects: 0, resumes: 0, messages: 0, bytes: 0, events: 0, duplicates: 0, gaps: 0, resets: 0 };
}

/**
 * A WebSocket that is made again whenever it is lost, and the frames it brings.
 *
 * A connection that says nothing is left alone: a page cannot ping, and the server does; when its pings are not
 * answered it closes with 4012, and the browser finds out when it next has something to send or loses the network.
 */
export class Connection {
  #environment;
  #WebSocket;
  #owner;
  #link;
  #counters;
  /** @type {SocketLike | null} */
  #socket = null;
  #opened = false;
  #cancelLimit = () => {};
  #limited = false;

  /**
   * @param {object} owner
   * @param {() => string} owner.address where to connect to, asked before each try
   * @param {() => boolean} owner.isDone whether a close with 1000 is the end
   * @param {() => void} owner.onOpen
   * @param {(items: import("./frames.js").Item[], receivedMs: number) => void} owner.onFrame may throw InvalidFrame
   * @param {((state: import("./link.js").StreamState, detail: import("./link.js").StateDetail) => void) | undefined}
   *   owner.onState
   * @param {StreamCounters} counters
   * @param {ConnectionOptions} options
   */
  constructor(owner, counters, options) {
    this.#owner = owner;
    this.#counters = counters;
    this.#environment = environmentOf(options);
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#link = new Link({
      environment: this.#environment,
      connect: () => this.#connect(),
      disconnect: () => this.#disconnect(),
      onState: owner.onState,
    });
  }

  get state() {
    return this.#link.state;
  }

  get closed() {
    return this.#link.closed;
  }

  get environment() {
    return this.#environment;
  }

  start() {
    this.#link.start();
  }

  close() {
    this.#link.close();
  }

  /** @param {number} ms */
  cut(ms) {
    this.#link.cut(ms);
  }

  /** @param {string} message */
  end(message) {
    this.#link.finish("ended", { message, code: DONE });
  }

  /**
   * Send, if there is a connection; whether there was.
   *
   * @param {string} text
   */
  send(text) {
    if (this.#socket === null || !this.#opened) return false;
    this.#socket.send(text);
    return true;
  }

  /** Give the connection up unless `heard` is called in time. */
  expectAnswer() {
    if (this.#limited || this.#socket === null) return;
    this.#limited = true;
    this.#cancelLimit = this.#environment.later(() => {
      this.#drop("The server does not answer; trying again");
    }, ANSWER_MS);
  }

  /** The server has answered what was asked of it. */
  heard() {
    this.#stopLimit();
    this.#link.up();
  }

  #connect() {
    /** @type {SocketLike} */
    let socket;
    try {
      socket = new this.#WebSocket(this.#owner.address());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#link.finish("failed", { message: "This page cannot connect to that address", reason });
      return;
    }
    this.#socket = socket;
    socket.onopen = () => {
      this.#opened = true;
      this.#counters.connects += 1;
      this.#owner.onOpen();
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    // an error event tells nothing, and is followed by this one
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
    this.expectAnswer();
  }

  /** @param {unknown} data */
  #receive(data) {
    const receivedMs = this.#environment.now();
    this.#counters.messages += 1;
    if (typeof data === "string") this.#counters.bytes += frameBytes(data);
    try {
      this.#owner.onFrame(parseFrame(data), receivedMs);
    } catch (error) {
      if (!(error instanceof InvalidFrame)) report(error);
      const reason = error instanceof Error ? error.message : String(error);
      this.#drop("The server sent something unintelligible; reconnecting", reason);
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #closed(code, reason) {
    const opened = this.#opened;
    this.#disconnect();
    if (code === DONE && this.#owner.isDone()) {
      this.end("The task has ended");
    } else if (isFinal(code)) {
      this.#link.finish("failed", { message: sentenceOf(code, reason), code, reason });
    } else {
      const message = opened ? sentenceOf(code, reason) : "The server cannot be reached; trying again";
      this.#link.lost({ message, code, reason, soon: asksToComeBack(code) });
    }
  }

  /**
   * @param {string} message
   * @param {string} reason
   */
  #drop(message, reason = "") {
    this.#disconnect();
    this.#link.lost({ message, reason });
  }

  /** Of a socket that was let go nothing is heard any more, whatever is still on its way. */
  #disconnect() {
    this.#stopLimit();
    const socket = this.#socket;
    if (socket === null) return;
    this.#socket = null;
    this.#opened = false;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #stopLimit() {
    this.#cancelLimit();
    this.#limited = false;
  }
}
