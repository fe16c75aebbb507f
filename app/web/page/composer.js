/** Where one writes. The text lives in the field itself: nothing redraws under the hands of who types. */

import { html, useLayoutEffect, useRef, useState } from "../vendor/vendor.js";
import { completionAt, Completion } from "./completion.js";
import { enterHint, fit, isEnter, lengthOf, trimmed } from "./format.js";
import { SendIcon } from "./icons.js";
import { useLatest } from "./latest.js";
import { Name } from "./people.js";

/** From so many characters before the limit on, what is left is shown. */
const WARN_BEFORE = 200;

export function Composer({ chat, room }) {
  const field = useRef(null);
  const [length, setLength] = useState(() => lengthOf(trimmed(room.draft)));
  /** People whose name is being typed: `{from, typed, people, at}`, or null. */
  const [completion, setCompletion, offered] = useLatest(null);
  const left = chat.limits.value.text - length;

  useLayoutEffect(() => {
    fit(field.current);
    // At once: a frame later the next key may have led the focus elsewhere. And not on touch, where a keyboard that jumps
    // up unasked hides what one came to read.
    if (matchMedia("(hover: hover)").matches && room.target === null) field.current.focus();
  }, []);

  const typed = () => {
    const { value, selectionStart } = field.current;
    setLength(lengthOf(trimmed(value)));
    setCompletion(completionAt(value, selectionStart, chat, room));
    chat.draft(room, value);
    fit(field.current);
  };
  const send = () => {
    const text = trimmed(field.current.value);
    if (!text || lengthOf(text) > chat.limits.value.text) return;
    field.current.value = "";
    typed();
    chat.messages.send(room, text);
    field.current.focus();
  };
  const complete = (person) => {
    const { value, selectionStart } = field.current;
    const { from } = offered.current;
    field.current.setRangeText(`@${person.name} `, from, Math.max(selectionStart, from), "end");
    if (value !== field.current.value) typed();
    setCompletion(null);
    field.current.focus();
  };
  const pressed = (event) => {
    if (offered.current && chooses(event, offered.current, setCompletion, complete)) {
      event.preventDefault();
      event.stopPropagation();
    } else if (isEnter(event)) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && !field.current.value && !event.isComposing && chat.messages.editLast(room)) {
      event.preventDefault();
    }
  };

  return html`
    <form class="composer" onSubmit=${(event) => { event.preventDefault(); send(); }}>
      <${Completion} completion=${completion} onChoose=${complete} />
      <div class="field">
        <textarea ref=${field} rows="1" dir="auto" aria-label="Message" placeholder=${`Message ${room.title}`}
          enterkeyhint=${enterHint("send")} autocapitalize="sentences" defaultValue=${room.draft} aria-invalid=${left < 0} aria-autocomplete="list"
          aria-controls=${completion ? "completion" : null} aria-activedescendant=${completion ? `completion-${completion.at}` : null}
          aria-describedby=${left < WARN_BEFORE ? "left" : null} onInput=${typed} onKeyDown=${pressed}
          onBlur=${() => setCompletion(null)}></textarea>
        <button type="submit" class="send" aria-label="Send" disabled=${length === 0 || left < 0}><${SendIcon} /></button>
      </div>
      <div class="hint">
        <${Typing} room=${room} />
        ${left < WARN_BEFORE
          ? html`<span id="left" class=${left < 0 ? "over" : ""}>${left < 0 ? `${-left} characters too long` : `${left} characters left`}</span>`
          : html`<span class="keys"><kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> starts a new line</span>`}
      </div>
    </form>`;
}

/** Whether a key was one about the people offered. */
function chooses(event, completion, setCompletion, complete) {
  const { people, at, typed } = completion;
  if (event.isComposing || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return false;
  switch (event.key) {
    case "ArrowDown": setCompletion({ ...completion, at: (at + 1) % people.length }); return true;
    case "ArrowUp": setCompletion({ ...completion, at: (at + people.length - 1) % people.length }); return true;
    case "Enter": case "Tab":
      if (people[at].name.toLowerCase() === typed) return false; // the whole name is there: nothing to complete
      complete(people[at]);
      return true;
    case "Escape": setCompletion(null); return true;
    default: return false;
  }
}

/** Who is writing; more than three are only "several". */
function Typing({ room }) {
  const users = room.typing.value;
  if (!users.length) return html`<span class="typing"></span>`;
  const names = users.map(({ name }) => html`<${Name} name=${name} />`);
  const who = users.length > 3 ? "Several people are" : [
    names.map((name, index) => [index === 0 ? "" : index === names.length - 1 ? " and " : ", ", name]), users.length > 1 ? " are" : " is"];
  return html`<span class="typing"><span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span>${who} writing</span></span>`;
}
