/** Changing what one said, in its place. */

import { html, useLayoutEffect, useRef, useState } from "../vendor/vendor.js";
import { enterHint, fit, isEnter, lengthOf, trimmed } from "./format.js";

export function Editor({ chat, room, row }) {
  const { mid, text } = row;
  const field = useRef(null);
  const begun = room.edit?.mid === mid ? room.edit.text : text;
  const [length, setLength] = useState(lengthOf(trimmed(begun)));
  const over = length > chat.limits.value.text;
  useLayoutEffect(() => {
    const { current } = field;
    fit(current);
    current.focus();
    current.setSelectionRange(current.value.length, current.value.length);
    current.scrollIntoView({ block: "nearest" });
  }, []);
  const back = () => document.querySelector(".composer textarea")?.focus();
  const cancel = () => {
    chat.messages.stopEdit(room);
    back();
  };
  const save = () => {
    const changed = trimmed(field.current.value);
    if (!changed || lengthOf(changed) > chat.limits.value.text) return;
    chat.messages.edit(room, row, changed);
    back();
  };
  const typed = () => {
    const { value } = field.current;
    room.edit = { mid, text: value };
    setLength(lengthOf(trimmed(value)));
    fit(field.current);
  };
  const pressed = (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      cancel();
    } else if (isEnter(event)) {
      event.preventDefault();
      save();
    }
  };
  return html`
    <form class="editor" onSubmit=${(event) => { event.preventDefault(); save(); }}>
      <textarea ref=${field} rows="1" dir="auto" aria-label="Edit message" defaultValue=${begun}
        enterkeyhint=${enterHint("done")} aria-invalid=${over} onInput=${typed} onKeyDown=${pressed}></textarea>
      <div class="editor-line">
        <button type="submit" class="small" disabled=${length === 0 || over}>Save</button>
        <button type="button" class="small plain" onClick=${cancel}>Cancel</button>
        ${over
          ? html`<span class="over">${length - chat.limits.value.text} characters too long</span>`
          : html`<span class="keys"><kbd>Esc</kbd> cancels</span>`}
      </div>
    </form>`;
}
