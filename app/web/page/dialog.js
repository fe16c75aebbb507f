/** Something that lies over the page until it is done with. The browser keeps the focus inside and gives it back. */

import { html, useLayoutEffect, useRef } from "../vendor/vendor.js";

/**
 * @param {object} props
 * @param {string} props.label its name
 * @param {string} props.kind its class
 * @param {() => void} props.onClose Esc, or a click beside it
 * @param {(dialog: HTMLDialogElement) => void} [props.onOpen] it is laid out, and not seen yet
 */
export function Dialog({ label, kind, onClose, onOpen, children }) {
  const element = useRef(null);
  useLayoutEffect(() => {
    const dialog = element.current;
    const opener = document.activeElement;
    dialog.showModal();
    onOpen?.(dialog);
    return () => {
      dialog.close();
      // What it was opened from may be gone, as a toolbar is that stands only where the pointer is.
      if (!opener?.isConnected) document.querySelector(".composer textarea")?.focus();
    };
  }, []);
  const beside = ({ target }) => target === element.current && onClose();
  const cancelled = (event) => {
    event.preventDefault();
    onClose();
  };
  return html`<dialog class=${kind} aria-label=${label} ref=${element} onCancel=${cancelled} onPointerDown=${beside}>
    <div class="dialog-body">${children}</div></dialog>`;
}
