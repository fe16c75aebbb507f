/**
 * Long messages: what is beyond some thirty lines is shown when it is wanted. What of a message is wanted is remembered
 * by its room, for as long as the page is there.
 */

import { html, useLayoutEffect, useRef, useState } from "../vendor/vendor.js";

/** What is shorter fits anywhere, on narrow screens too, and is not measured. */
const SHORT = { characters: 300, lines: 15 };

/** Whether a text could take more room than a message may. */
export const isLong = (text) => text.length > SHORT.characters || text.split("\n", SHORT.lines + 1).length > SHORT.lines;

/**
 * @param {string} props.of the key of the row
 * @param {(element: HTMLElement) => () => void} props.hold keeps an element where it is in view until what it returns is
 *   called, when the row has changed its height
 */
export function Fold({ room, of, hold, children }) {
  const box = useRef(null);
  const [open, setOpen] = useState(room.unfolded.has(of));
  const [over, setOver] = useState(open);
  const held = useRef(null);
  useLayoutEffect(() => {
    held.current?.();
    held.current = null;
    if (open) return undefined;
    const measure = () => setOver(box.current.scrollHeight > box.current.clientHeight + 1);
    const observer = new ResizeObserver(measure);
    observer.observe(box.current);
    measure();
    return () => observer.disconnect();
  }, [open]);
  const turn = (anchor) => {
    held.current ??= hold(anchor);
    room.unfolded[open ? "delete" : "add"](of);
    setOpen(!open);
  };
  // The browser scrolls to what it finds, or gives the focus to, in the part that is not shown.
  const scrolled = () => {
    if (!open && box.current.scrollTop) turn(box.current.firstElementChild);
  };
  const clicked = ({ currentTarget }) => turn(open ? currentTarget : box.current);
  const kind = open ? "fold open" : over ? "fold folded" : "fold";
  return html`
    <div class=${kind}>
      <div class="fold-part" ref=${box} onScroll=${scrolled}>${children}</div>
      ${over && html`<button type="button" class="link" aria-expanded=${open} onClick=${clicked}>
        ${open ? "Show less" : "Show all"}</button>`}
    </div>`;
}
