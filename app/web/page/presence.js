/** The people in the room, at the other side. */

import { html } from "../vendor/vendor.js";
import { CloseIcon, ShieldIcon } from "./icons.js";
import { Alike, Avatar, Name } from "./people.js";

/** `onClose`: the viewer does not want the list; `onDone`: they have what they wanted of it, and a drawer is in the way. */
export function Presence({ chat, room, open, onClose, onDone }) {
  const people = room.people.value;
  const members = room.members.value;
  const message = (user) => {
    onDone();
    chat.directory.direct(user);
  };
  void room.version.value; // whose names look alike is said with it
  const sorted = [...(people ?? [])].sort(([, one], [, other]) => one.localeCompare(other));
  return html`
    <aside class=${open ? "people open" : "people"} id="people" aria-label="People">
      <div class="people-head">
        <h2>${members === null ? "People" : `Here now: ${members}`}</h2>
        <button type="button" class="tool close" aria-label="Close the list of people" onClick=${onClose}><${CloseIcon} /></button>
      </div>
      ${people
        ? html`<ul>${sorted.map(([user, name]) => html`<li key=${user}>${user === chat.user.value
            ? html`<span class="one"><${Avatar} user=${user} name=${name} /><${Name} name=${name} /><span class="you">you</span>${room.alike.has(user)
                && html`<${Alike} />`}</span>`
            : html`<button type="button" class="one" title=${`Message ${name}`} onClick=${() => message(user)}>
                <${Avatar} user=${user} name=${name} /><${Name} name=${name} />${room.alike.has(user) && html`<${Alike} />`}</button>
              ${room.moderates && html`<button type="button" class="tool" aria-label=${`Moderate ${name}`} title=${`Moderate ${name}`}
                onClick=${() => chat.moderation.choose(room, user, name)}><${ShieldIcon} /></button>`}`}</li>`)}</ul>`
        : html`<p class="aside-note">${members === null ? "Who is here is not known now." : "They are too many to be listed."}</p>`}
    </aside>`;
}
