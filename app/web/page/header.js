/** Above the conversation: which room it is, what it is about, and who is there. */

import { html } from "../vendor/vendor.js";
import { badge } from "./format.js";
import { LinkIcon, MenuIcon, PencilIcon, PeopleIcon, ShieldIcon } from "./icons.js";
import { Avatar } from "./people.js";

export function Header({ chat, room, drawer, onDrawer }) {
  const elsewhere = chat.unread.value - room.unread.value;
  const other = room.other.value;
  const { value: topic } = room.topic;
  const change = topic ? "Change the topic" : "Set a topic";
  const named = chat.name.value && !chat.nameError.value;
  return html`
    <header class="header">
      <button type="button" class="tool narrow menu" aria-label=${elsewhere ? `Rooms, ${elsewhere} unread` : "Rooms"}
        aria-expanded=${drawer === "rooms"} aria-controls="rooms" onClick=${() => onDrawer("rooms")}>
        <${MenuIcon} />${elsewhere > 0 && html`<span class="badge" aria-hidden="true">${badge(elsewhere)}</span>`}
      </button>
      <div class="title">
        ${other
          ? html`<h1><${Avatar} ...${other} /><bdi>${other.name}</bdi></h1>`
          : html`<h1><span class="hash" aria-hidden="true">#</span><bdi>${room.name}</bdi></h1>`}
        ${topic && html`<p class="topic" title=${topic}><bdi dir="auto">${topic}</bdi></p>`}
      </div>
      ${named && !room.error.value && html`
        <div class="header-tools">
          ${!other && html`<button type="button" class="tool" aria-label=${change} title=${change}
            onClick=${() => { chat.dialog.value = { kind: "topic", room }; }}><${PencilIcon} /></button>
          <button type="button" class="tool" aria-label="Copy the link to this room" title="Copy the link to this room"
            onClick=${() => chat.actions.invite(room)}><${LinkIcon} /></button>`}
          ${room.moderates && html`<button type="button" class="tool" aria-label="Bans and mutes" title="Bans and mutes"
            onClick=${() => { chat.dialog.value = { kind: "sanctions", room }; }}><${ShieldIcon} /></button>`}
          <${PeopleButton} chat=${chat} room=${room} drawer=${drawer} onDrawer=${onDrawer} />
        </div>`}
    </header>`;
}

/** Beside the conversation where there is space for both, over it elsewhere. */
function PeopleButton({ chat, room, drawer, onDrawer }) {
  const members = room.members.value;
  const says = members === null ? "People" : members === 1 ? "1 person" : `${members} people`;
  const shown = room.people.value && (drawer === "people" || (beside.matches && chat.peopleShown.value));
  const toggle = () => {
    if (beside.matches) chat.peopleShown.value = !chat.peopleShown.value;
    else onDrawer("people");
  };
  return html`
    <button type="button" class="tool members" aria-label=${says} title=${says} aria-expanded=${Boolean(shown)}
      aria-controls="people" onClick=${toggle}>
      <${PeopleIcon} />${members !== null && html`<span aria-hidden="true">${members}</span>`}
    </button>`;
}

/** Wide enough for rooms, conversation and people. */
export const beside = matchMedia("(width >= 70rem)");
