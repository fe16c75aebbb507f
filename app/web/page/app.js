/** The page as a whole: the rooms at the side, the current one beside them. */

import { html, useEffect, useState } from "../vendor/vendor.js";
import { Banner } from "./banner.js";
import { Composer } from "./composer.js";
import { badge } from "./format.js";
import { MenuIcon } from "./icons.js";
import { Log } from "./log.js";
import { Welcome } from "./name.js";
import { Sidebar } from "./sidebar.js";

export function App({ chat }) {
  const [open, setOpen] = useState(false);
  const room = chat.current.value;
  const close = () => setOpen(false);
  useEffect(() => open ? overlay(close) : undefined, [open]);
  const named = chat.name.value && !chat.nameError.value;
  return html`
    <div class="app">
      <${Sidebar} chat=${chat} open=${open} onClose=${close} />
      ${open && html`<div class="shade" onClick=${close}></div>`}
      <main class="main" inert=${open}>
        <${Header} chat=${chat} room=${room} open=${open} onMenu=${() => setOpen(true)} />
        <${Banner} chat=${chat} />
        ${!named && html`<${Welcome} chat=${chat} room=${room} />`}
        ${named && room.error.value && html`<${Refused} chat=${chat} room=${room} />`}
        ${named && !room.error.value && html`
          <${Log} key=${`log ${room.name}`} chat=${chat} room=${room} />
          <${Composer} key=${`composer ${room.name}`} chat=${chat} room=${room} />`}
      </main>
    </div>`;
}

/** While the rooms cover the conversation: focus goes there and comes back, Esc and a wider window close them. */
function overlay(close) {
  const opener = document.activeElement;
  const wide = matchMedia("(width >= 46rem)");
  const pressed = (event) => event.key === "Escape" && close();
  addEventListener("keydown", pressed);
  wide.addEventListener("change", close);
  document.querySelector(".room.current a")?.focus();
  return () => {
    removeEventListener("keydown", pressed);
    wide.removeEventListener("change", close);
    if (document.activeElement === document.body || document.querySelector(".side").contains(document.activeElement)) opener?.focus();
  };
}

function Header({ chat, room, open, onMenu }) {
  const elsewhere = chat.unread.value - room.unread.value;
  const members = room.members.value;
  return html`
    <header class="header">
      <button type="button" class="tool narrow menu" aria-label=${elsewhere ? `Rooms, ${elsewhere} unread` : "Rooms"} aria-expanded=${open}
        aria-controls="rooms" onClick=${onMenu}>
        <${MenuIcon} />${elsewhere > 0 && html`<span class="badge" aria-hidden="true">${badge(elsewhere)}</span>`}
      </button>
      <h1><span class="hash" aria-hidden="true">#</span><bdi>${room.name}</bdi></h1>
      ${members > 0 && html`<span class="members">${members === 1 ? "1 person" : `${members} people`}</span>`}
    </header>`;
}

const Refused = ({ chat, room }) => html`
  <div class="welcome">
    <h2>This room cannot be entered</h2>
    <p class="lead">${room.error.value.message}</p>
    <button type="button" class="primary" onClick=${() => chat.forget(room.name)}>Take it off the list</button>
  </div>`;
