/**
 * Where a scrolling list stands: it sticks to its end while the viewer is there, and otherwise what the viewer looks at
 * stays where it is, whatever is added above or below. Owns the scroll position and nothing else.
 */

/** So close to the end counts as being there, in pixels. */
const END_SLACK = 40;

export class Scroll {
  /** Whether the viewer is at the end. */
  stuck;

  #scroller;
  #content;
  #anchor = null;
  #held = null;
  #observer = new ResizeObserver(() => this.settle());

  /** @param {boolean} stuck whether to begin at the end */
  constructor(scroller, content, stuck) {
    this.#scroller = scroller;
    this.#content = content;
    this.stuck = stuck;
    this.#observer.observe(scroller);
    this.#observer.observe(content);
    this.settle();
  }

  stop() {
    this.#observer.disconnect();
  }

  /** Before the content changes: the browser's own anchoring gives up at the very top and is missing elsewhere. */
  remember() {
    if (this.#held?.isConnected) return;
    this.#anchor = null;
    if (this.stuck) return;
    const top = this.#scroller.getBoundingClientRect().top;
    const rows = this.#content.querySelectorAll("[data-row]");
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom > top) high = middle;
      else low = middle + 1;
    }
    const row = rows[low];
    if (row) this.#anchor = { row, top: row.getBoundingClientRect().top };
  }

  /** After the content changed. */
  settle() {
    if (this.stuck) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
    } else if (this.#anchor?.row.isConnected) {
      const moved = this.#anchor.row.getBoundingClientRect().top - this.#anchor.top;
      if (moved) this.#scroller.scrollTop += moved;
    }
  }

  /** The viewer has scrolled. */
  moved() {
    if (this.#held?.isConnected) return;
    this.stuck = this.below < END_SLACK;
    this.remember();
  }

  /**
   * Keep an element where it is in view, also where the viewer is at the end.
   *
   * @returns {() => void} to be called when it, or what is around it, has changed its height
   */
  hold(element) {
    this.stuck = false;
    this.#held = element;
    this.#anchor = { row: element, top: element.getBoundingClientRect().top };
    return () => {
      this.settle();
      this.#held = null;
      this.moved();
    };
  }

  toEnd() {
    this.stuck = true;
    this.settle();
  }

  /** Put a row into the middle of the view. */
  to(row) {
    this.stuck = false;
    const [frame, box] = [this.#scroller.getBoundingClientRect(), row.getBoundingClientRect()];
    this.#scroller.scrollTop += box.top - frame.top - Math.max(16, (frame.height - box.height) / 2);
    this.moved();
  }

  /** How many pixels lie above the view. */
  get above() {
    return this.#scroller.scrollTop;
  }

  /** How many pixels lie below it. */
  get below() {
    return this.#scroller.scrollHeight - this.#scroller.clientHeight - this.#scroller.scrollTop;
  }

  /** Whether something lies above the view. */
  over(element) {
    return element.getBoundingClientRect().bottom < this.#scroller.getBoundingClientRect().top;
  }

  /** Whether something is in view, or not further away from it than `slack` pixels. */
  near(element, slack) {
    const [frame, box] = [this.#scroller.getBoundingClientRect(), element.getBoundingClientRect()];
    return box.bottom > frame.top - slack && box.top < frame.bottom + slack;
  }
}
