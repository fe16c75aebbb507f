/** Where one writes. The text lives in the field itself: nothing redraws under the hands of who types. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/vendor.js";
import { lengthOf } from "./format.js";
import { SendIcon } from "./icons.js";

/** From so many characters before the limit on, what is left is shown. */
const WARN_BEFORE = 200;

export function Composer({ chat, room }) {
  const field = useRef(null);
  const [length, setLength] = useState(() => lengthOf(room.draft.trim()));
  const left = chat.limits.value.text - length;

  useLayoutEffect(() => fit(field.current), []);
  useEffect(() => {
    // A touch keyboard that jumps up unasked hides what one came to read.
    if (matchMedia("(hover: hover)").matches) field.current.focus();
  }, []);

  const typed = () => {
    const { value } = field.current;
    setLength(lengthOf(value.trim()));
    chat.draft(room, value);
    fit(field.current);
  };
  const send = () => {
    const text = field.current.value.trim();
    if (!text || lengthOf(text) > chat.limits.value.text) return;
    field.current.value = "";
    typed();
    chat.send(room, text);
    field.current.focus();
  };
  const pressed = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    // While an input method composes, Enter picks a word. Safari says so only by the key code.
    if (event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  };

  return html`
    <form class="composer" onSubmit=${(event) => { event.preventDefault(); send(); }}>
      <div class="field">
        <textarea ref=${field} rows="1" dir="auto" aria-label="Message" placeholder=${`Message ${room.name}`}
          enterkeyhint="send" autocapitalize="sentences" defaultValue=${room.draft} aria-invalid=${left < 0}
          aria-describedby=${left < WARN_BEFORE ? "left" : null} onInput=${typed} onKeyDown=${pressed}></textarea>
        <button type="submit" class="send" aria-label="Send" disabled=${length === 0 || left < 0}><${SendIcon} /></button>
      </div>
      <p class="hint">
        ${left < WARN_BEFORE
          ? html`<span id="left" class=${left < 0 ? "over" : ""}>${left < 0 ? `${-left} characters too long` : `${left} characters left`}</span>`
          : html`<span class="keys"><kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> starts a new line</span>`}
      </p>
    </form>`;
}

/** As high as the text needs; the style sheet sets the bounds. */
function fit(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
