/**
 * Paints what has changed, at most once a frame.
 *
 * The first change after a quiet frame is painted at once, so an update that comes alone waits for nothing; those that
 * follow within the same frame are painted together at its end. A hidden page has no frames: a timer stands in.
 */

/** @typedef {{ paint(): void }} Paintable */

/** A browser throttles the timers of a hidden page to one a second anyway. */
const HIDDEN_FRAME_MS = 250;

export class Painter {
  /** @type {Set<Paintable>} */
  #dirty = new Set();
  #waiting = false;
  #painting = false;

  /**
   * Have `part.paint()` called: now, or together with the others at the end of the frame.
   *
   * @param {Paintable} part
   */
  request(part) {
    this.#dirty.add(part);
    if (this.#waiting || this.#painting) return;
    this.#paintAll();
    this.#wait();
  }

  /** @param {Paintable} part */
  forget(part) {
    this.#dirty.delete(part);
  }

  #wait() {
    this.#waiting = true;
    let done = false;
    const next = () => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      this.#waiting = false;
      if (this.#dirty.size === 0) return;
      this.#paintAll();
      this.#wait();
    };
    const timer = setTimeout(next, HIDDEN_FRAME_MS);
    requestAnimationFrame(next);
  }

  #paintAll() {
    const parts = [...this.#dirty];
    this.#dirty.clear();
    this.#painting = true;
    for (const part of parts) {
      try {
        part.paint();
      } catch (error) {
        reportError(error); // one part that fails does not keep the others from being painted
      }
    }
    this.#painting = false;
  }
}
