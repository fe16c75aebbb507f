/** Changing what one said, in its place. */

import { html, useLayoutEffect, useRef, useState } from "../vendor/vendor.js";
import { fit, isEnter, lengthOf } from "./format.js";

export function Editor({ chat, room, row }) {
  const { text } = row;
  const field = useRef(null);
  const [length, setLength] = useState(lengthOf(text));
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
    room.editing.value = null;
    back();
  };
  const save = () => {
    const changed = field.current.value.trim();
    if (!changed || lengthOf(changed) > chat.limits.value.text) return;
    chat.messages.edit(room, row, changed);
    back();
  };
  const typed = () => {
    setLength(lengthOf(field.current.value.trim()));
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
      <textarea ref=${field} rows="1" dir="auto" aria-label="Edit message" defaultValue=${text} enterkeyhint="done" aria-invalid=${over}
        onInput=${typed} onKeyDown=${pressed}></textarea>
      <div class="editor-line">
        <button type="submit" class="small" disabled=${length === 0 || over}>Save</button>
        <button type="button" class="small plain" onClick=${cancel}>Cancel</button>
        ${over
          ? html`<span class="over">${length - chat.limits.value.text} characters too long</span>`
          : html`<span class="keys"><kbd>Esc</kbd> cancels</span>`}
      </div>
    </form>`;
}
