/**
 * Paints what has changed: each part at once the first time in a frame, and what it came to since at the frame's end.
 *
 * An update that comes alone waits for nothing, however many clients it comes to; a part that changes all the time is
 * painted twice a frame at the most. A hidden page has no frames: a timer stands in.
 */

/** @typedef {{ paint(): void }} Paintable */

/** A browser throttles the timers of a hidden page to one a second anyway. */
const HIDDEN_FRAME_MS = 250;

export class Painter {
  /** @type {Set<Paintable>} */
  #dirty = new Set();
  /** In this frame. @type {Set<Paintable>} */
  #painted = new Set();
  #waiting = false;
  #painting = false;

  /**
   * Have `part.paint()` called: now, or at the end of the frame when it was called in this frame already.
   *
   * @param {Paintable} part
   */
  request(part) {
    this.#dirty.add(part);
    if (this.#painting || this.#painted.has(part)) return;
    this.#paint([part]);
    if (!this.#waiting) this.#wait();
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
      this.#painted.clear();
      if (this.#dirty.size === 0) return;
      this.#paint([...this.#dirty]);
      this.#wait();
    };
    const timer = setTimeout(next, HIDDEN_FRAME_MS);
    requestAnimationFrame(next);
  }

  /** @param {Paintable[]} parts */
  #paint(parts) {
    this.#painting = true;
    for (const part of parts) {
      this.#dirty.delete(part);
      this.#painted.add(part);
      try {
        part.paint();
      } catch (error) {
        reportError(error); // one part that fails does not keep the others from being painted
      }
    }
    this.#painting = false;
  }
}
