/** Completing the name of a person one is about to mention. */

import { html } from "../vendor/vendor.js";
import { Avatar, Name } from "./people.js";

/** The server's own bounds: of a name, and of the last messages whose authors can be meant when they are away. */
const NAME_MAX = 32;
const AUTHORS_OF = 100;
/** How many are offered. */
const MOST = 6;

/** Everybody who can be mentioned in a room but the viewer: who is there first, then who has written. */
export function peopleOf(chat, room) {
  const all = new Map();
  const add = (user, name) => user !== chat.user.value && name && !all.has(user) && all.set(user, { user, name });
  const there = [...(room.people.value ?? [])].sort(([, one], [, other]) => one.localeCompare(other));
  for (const [user, name] of there) add(user, name);
  for (const { user } of room.timeline.latest.slice(-AUTHORS_OF).reverse()) add(user, chat.names.get(user));
  return [...all.values()];
}

/** What `@` and the letters `typed` before the caret may become: `{from, typed, people, at}`, or null. */
export function completionAt(text, caret, chat, room) {
  const before = text.slice(Math.max(0, caret - NAME_MAX - 1), caret);
  const at = before.lastIndexOf("@");
  const from = caret - before.length + at;
  if (at < 0 || /[\p{L}\p{M}\p{N}]/u.test(text[from - 1] ?? "") || before.includes("\n", at)) return null;
  const typed = before.slice(at + 1).toLowerCase();
  const people = peopleOf(chat, room).filter(({ name }) => begins(name.toLowerCase(), typed)).slice(0, MOST);
  return people.length ? { from, typed, people, at: 0 } : null;
}

const begins = (name, typed) => name.startsWith(typed) || name.split(/[\s\-_.]+/u).some((word) => typed && word.startsWith(typed));

export const Completion = ({ completion, onChoose }) => completion && html`
  <ul class="completion" id="completion" role="listbox" aria-label="People">
    ${completion.people.map((person, index) => html`
      <li key=${person.user} id=${`completion-${index}`} role="option" aria-selected=${index === completion.at}
        onPointerDown=${(event) => { event.preventDefault(); onChoose(person); }}>
        <${Avatar} ...${person} /><${Name} name=${person.name} /></li>`)}
  </ul>`;
