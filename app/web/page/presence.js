/** The people in the room, at the other side. */

import { html } from "../vendor/vendor.js";
import { CloseIcon } from "./icons.js";
import { Avatar, Name } from "./people.js";

export function Presence({ chat, room, open, onClose }) {
  const people = room.people.value;
  const members = room.members.value;
  const message = (user) => {
    onClose();
    chat.directory.direct(user);
  };
  const sorted = [...(people ?? [])].sort(([, one], [, other]) => one.localeCompare(other));
  return html`
    <aside class=${open ? "people open" : "people"} id="people" aria-label="People">
      <div class="people-head">
        <h2>${members === null ? "People" : `Here now: ${members}`}</h2>
        <button type="button" class="tool close" aria-label="Close the list of people" onClick=${onClose}><${CloseIcon} /></button>
      </div>
      ${people
        ? html`<ul>${sorted.map(([user, name]) => html`<li key=${user}>${user === chat.user.value
            ? html`<span class="one"><${Avatar} user=${user} name=${name} /><${Name} name=${name} /><span class="you">you</span></span>`
            : html`<button type="button" class="one" title=${`Message ${name}`} onClick=${() => message(user)}>
                <${Avatar} user=${user} name=${name} /><${Name} name=${name} /></button>`}</li>`)}</ul>`
        : html`<p class="aside-note">${members === null ? "Who is here is not known now." : "They are too many to be listed."}</p>`}
    </aside>`;
}
