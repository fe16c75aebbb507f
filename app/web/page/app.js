/** The page as a whole: the rooms at one side, the conversation, the people at the other. */

import { html, useEffect, useState } from "../vendor/vendor.js";
import { Banner } from "./banner.js";
import { FIRST_ROOM } from "./chat.js";
import { Composer } from "./composer.js";
import { Dialogs } from "./dialogs.js";
import { beside, Header } from "./header.js";
import { Log } from "./log.js";
import { term } from "./moderation.js";
import { Welcome } from "./name.js";
import { NoticeList } from "./notices.js";
import { Presence } from "./presence.js";
import { NO_ROOM } from "./roomview.js";
import { Sidebar } from "./sidebar.js";
import { SignIn } from "./signin.js";
import { Silence, silenced } from "./silence.js";

export function App({ chat }) {
  /** What covers the conversation where there is no space beside it: "rooms", "people" or "". */
  const [drawer, setDrawer] = useState("");
  const [wide, setWide] = useState(beside.matches);
  const room = chat.current.value;
  const close = () => setDrawer("");
  useEffect(() => drawer ? overlay(drawer, close) : undefined, [drawer]);
  useEffect(() => {
    const changed = () => { setWide(beside.matches); close(); };
    beside.addEventListener("change", changed);
    return () => beside.removeEventListener("change", changed);
  }, []);
  const asked = chat.tokenAsked.value !== null;
  const named = !asked && (chat.name.value || chat.signedIn.value) && !chat.nameError.value;
  const lost = room.error.value?.code === NO_ROOM;
  const entered = named && !room.error.value;
  const people = wide ? chat.peopleShown.value : drawer === "people";
  return html`
    <div class=${people && wide && entered ? "app with-people" : "app"}>
      <${Sidebar} chat=${chat} open=${drawer === "rooms"} onClose=${close} />
      ${drawer && html`<div class="shade" onClick=${close}></div>`}
      <main class="main" inert=${Boolean(drawer)}>
        <${Header} chat=${chat} room=${room} drawer=${drawer} onDrawer=${setDrawer} />
        <${Banner} chat=${chat} />
        ${!lost && asked && html`<${SignIn} chat=${chat} why=${chat.tokenAsked.value} />`}
        ${lost && html`<${NoRoom} chat=${chat} room=${room} />`}
        ${!lost && !asked && !named && html`<${Welcome} chat=${chat} room=${room} />`}
        ${!lost && named && room.error.value && html`<${Refused} chat=${chat} room=${room} />`}
        ${entered && html`
          <${Log} key=${`log ${room.name}`} chat=${chat} room=${room} />
          ${silenced(room) ? html`<${Silence} room=${room} />`
            : html`<${Composer} key=${`composer ${room.name}`} chat=${chat} room=${room} />`}`}
      </main>
      ${entered && people && html`<${Presence} chat=${chat} room=${room} open=${drawer === "people"}
        onDone=${close} onClose=${() => { if (wide) chat.peopleShown.value = false; else close(); }} />`}
      <${NoticeList} notices=${chat.notices} />
      <${Dialogs} chat=${chat} />
    </div>`;
}

/** While a drawer covers the conversation: focus goes there and comes back, Esc and a wider window close it. */
function overlay(drawer, close) {
  const opener = document.activeElement;
  const wide = matchMedia("(width >= 46rem)");
  const pressed = (event) => event.key === "Escape" && close();
  const first = { rooms: ".room.current a", people: ".people .close" }[drawer];
  // The Back of a phone, where the browser lets a page have it.
  const back = globalThis.CloseWatcher && new CloseWatcher();
  back?.addEventListener("close", close);
  addEventListener("keydown", pressed);
  wide.addEventListener("change", close);
  document.querySelector(first)?.focus();
  return () => {
    back?.destroy();
    removeEventListener("keydown", pressed);
    wide.removeEventListener("change", close);
    if (document.activeElement === document.body || document.activeElement?.closest(".side, .people")) opener?.focus();
  };
}

/** An address that cannot be one of a room. */
const NoRoom = ({ chat, room }) => html`
  <div class="welcome">
    <h2>There is no such room</h2>
    <p class="lead">${room.error.value.message}</p>
    <div class="answers"><button type="button" class="primary" onClick=${() => chat.open(FIRST_ROOM)}>Go to #${FIRST_ROOM}</button></div>
  </div>`;

const HEADINGS = { kicked: "You were removed from this room", banned: "You are banned from this room",
  rights: "You are no longer in this room" };

/** A room that cannot be entered, or that the viewer was taken out of: it is entered again only when the viewer says so. */
function Refused({ chat, room }) {
  const { code, message } = room.error.value;
  const { reason, seconds } = room.moderated ?? {};
  return html`
    <div class="welcome">
      <h2>${HEADINGS[code] ?? "This room cannot be entered"}</h2>
      <p class="lead">${message}${code === "banned" && ` It holds ${term(seconds)}.`}</p>
      ${HEADINGS[code] && reason && html`<blockquote class="quoted"><bdi dir="auto">${reason}</bdi></blockquote>`}
      <div class="answers">
        ${code === "kicked" && html`<button type="button" class="small" onClick=${() => chat.open(room.name)}>Enter again</button>`}
        <button type="button" class="primary" onClick=${() => chat.forget(room.name)}>Take it off the list</button>
      </div>
    </div>`;
}
