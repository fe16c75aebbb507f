/** The rooms, and who one is. */

import { html, useRef, useState } from "../vendor/vendor.js";
import { badge, roomName, roomPath } from "./format.js";
import { CloseIcon, HelpIcon, Mark, PlusIcon, SearchIcon } from "./icons.js";
import { MOD } from "./keys.js";
import { Me } from "./name.js";
import { Avatar } from "./people.js";

export function Sidebar({ chat, open, onClose }) {
  const current = chat.current.value;
  const go = (event, room) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button > 0) return; // a new tab is a new tab
    event.preventDefault();
    chat.open(room.name);
    onClose();
  };
  const rooms = chat.rooms.value.filter((room) => !room.other.value);
  const direct = chat.rooms.value.filter((room) => room.other.value);
  const items = (some) => some.map((room) => html`<${Item} key=${room.name} room=${room} chat=${chat} current=${room === current} go=${go} />`);
  const named = chat.name.value && !chat.nameError.value;
  const ask = (kind) => () => {
    onClose();
    chat.dialog.value = { kind };
  };
  return html`
    <aside class=${open ? "side open" : "side"} id="rooms" aria-label="Rooms">
      <div class="brand"><${Mark} /><span>Parley</span>
        <button type="button" class="tool" aria-label="Keys and markup" title="Keys and markup" onClick=${ask("help")}><${HelpIcon} /></button>
        <button type="button" class="tool narrow" aria-label="Close the list of rooms" onClick=${onClose}><${CloseIcon} /></button>
      </div>
      ${named && html`<button type="button" class="search" onClick=${ask("switcher")}>
        <${SearchIcon} /><span>Go to…</span><kbd aria-hidden="true">${MOD} K</kbd></button>`}
      <nav aria-label="Rooms">
        <h2 id="rooms-title">Rooms</h2>
        <ul class="rooms" aria-labelledby="rooms-title">${items(rooms)}</ul>
        <${AddRoom} chat=${chat} onDone=${onClose} />
        ${direct.length > 0 && html`<h2 id="direct-title">Direct messages</h2>
          <ul class="rooms" aria-labelledby="direct-title">${items(direct)}</ul>`}
      </nav>
      <${Me} chat=${chat} />
    </aside>`;
}

function Item({ room, chat, current, go }) {
  const unread = current ? 0 : room.unread.value;
  const mentioned = current ? 0 : room.mentioned.value;
  const other = room.other.value;
  return html`
    <li class=${`room ${current ? "current" : ""} ${unread ? "has-unread" : ""}`}>
      <a href=${roomPath(room.name)} aria-current=${current ? "page" : null} onClick=${(event) => go(event, room)}>
        ${other ? html`<${Avatar} ...${other} />` : html`<span class="hash" aria-hidden="true">#</span>`}
        <bdi class="room-name">${room.title}</bdi>
        ${unread > 0 && html`<span class=${mentioned || other ? "badge mentioned" : "badge"}>
          <span aria-hidden="true">${mentioned ? "@ " : ""}${badge(unread)}</span>
          <span class="vh"> ${unread} unread${mentioned ? `, ${mentioned} mention you` : ""}</span></span>`}
      </a>
      <button type="button" class="tool leave" aria-label=${`Leave ${room.title}`} title=${`Leave ${room.title}`}
        onClick=${() => chat.forget(room.name)}><${CloseIcon} /></button>
    </li>`;
}

function AddRoom({ chat, onDone }) {
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState("");
  const field = useRef(null);
  const stop = () => { setAsking(false); setProblem(""); };
  if (!asking) {
    return html`<button type="button" class="add" onClick=${() => setAsking(true)}><${PlusIcon} />Add a room</button>`;
  }
  const pressed = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault(); // the drawer stays
    event.stopPropagation();
    stop();
  };
  const submit = (event) => {
    event.preventDefault();
    if (!field.current.value.trim()) return stop();
    const name = roomName(field.current.value);
    if (!name) return setProblem("Letters, digits and - _ . : @ only, 64 at most.");
    stop();
    chat.open(name);
    return onDone();
  };
  return html`
    <form class="add-form" onSubmit=${submit} onKeyDown=${pressed}>
      <label class="vh" for="new-room">Name of the room</label>
      <input id="new-room" ref=${(element) => { if (element && element !== field.current) element.focus(); field.current = element; }}
        type="text" placeholder="Name of the room" autocomplete="off" autocapitalize="none" spellcheck=${false} enterkeyhint="go"
        aria-invalid=${Boolean(problem)} aria-describedby=${problem ? "new-room-error" : null} onInput=${() => setProblem("")} />
      <button type="submit" class="small">Open</button>
      ${problem && html`<p class="problem" id="new-room-error" role="alert">${problem}</p>`}
    </form>`;
}
