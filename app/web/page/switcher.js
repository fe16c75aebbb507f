/** From anywhere to any room or person, by typing a part of its name. */

import { html, useEffect, useRef, useState } from "../vendor/vendor.js";
import { peopleOf } from "./completion.js";
import { Dialog } from "./dialog.js";
import { badge, roomName } from "./format.js";
import { PlusIcon } from "./icons.js";
import { useLatest } from "./latest.js";
import { Avatar } from "./people.js";

const MOST = 12;

/** What can be gone to, best first: `{key, kind, name, ...}`. A name as it was typed, then one that begins so; then what is unread. */
function choices(chat, typed) {
  const wanted = typed.trim().toLowerCase().replace(/^[#@]/, "");
  const far = ({ name }) => name.toLowerCase() === wanted ? 0 : name.toLowerCase().startsWith(wanted) ? 1 : 2;
  const fits = (name) => name.toLowerCase().includes(wanted);
  const own = chat.rooms.value.filter((room) => fits(room.title));
  const rank = (room) => (room === chat.current.value ? 2 : room.unread.value ? 0 : 1);
  const found = own.sort((one, other) => rank(one) - rank(other)).map((room) => ({
    key: `room ${room.name}`, kind: "own", name: room.title, other: room.other.value, unread: room.unread.value,
    go: () => chat.open(room.name),
  }));
  for (const { room, members, topic, unread } of chat.directory.rooms.value) {
    if (chat.find(room) || !fits(room)) continue;
    found.push({ key: `room ${room}`, kind: "room", name: room, members, topic, unread, go: () => chat.open(room) });
  }
  const known = new Set([...chat.directory.others.values()].map(({ user }) => user));
  for (const person of peopleOf(chat, chat.current.value)) {
    if (known.has(person.user) || !fits(person.name)) continue;
    found.push({ key: `person ${person.user}`, kind: "person", name: person.name, other: person, go: () => chat.directory.direct(person.user) });
  }
  const shown = found.sort((one, other) => far(one) - far(other)).slice(0, MOST);
  const name = roomName(typed);
  if (name && !found.some((one) => one.kind !== "person" && one.name === name)) {
    shown.push({ key: "new", kind: "new", name, go: () => chat.open(name) });
  }
  return shown;
}

export function Switcher({ chat, onClose }) {
  const [typed, setTyped] = useState("");
  const [at, setAt, latest] = useLatest(0);
  const list = useRef(null);
  const all = choices(chat, typed);
  useEffect(() => { chat.directory.load(); }, []);
  useEffect(() => list.current.children[at]?.scrollIntoView({ block: "nearest" }), [at]);
  const choose = (choice) => {
    onClose();
    choice?.go();
  };
  const pressed = (event) => {
    if (event.isComposing) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const now = choices(chat, event.target.value);
    if (by) setAt((latest.current + by + now.length) % Math.max(1, now.length));
    else if (event.key === "Enter") choose(now[latest.current]);
    else return;
    event.preventDefault();
  };
  return html`
    <${Dialog} label="Go to a room or a person" kind="switcher" onClose=${onClose}>
      <input type="text" role="combobox" aria-label="Room or person" aria-expanded="true" aria-controls="choices" aria-autocomplete="list"
        aria-activedescendant=${all.length ? `choice-${at}` : null} placeholder="Go to a room or a person"
        autocomplete="off" autocapitalize="none"
        spellcheck=${false} autofocus enterkeyhint="go" onKeyDown=${pressed} onInput=${({ target }) => { setTyped(target.value); setAt(0); }} />
      <ul class="choices" id="choices" role="listbox" aria-label="Rooms and people" ref=${list}>
        ${all.map((choice, index) => html`<${Choice} key=${choice.key} choice=${choice} index=${index} selected=${index === at}
          onChoose=${() => choose(choice)} />`)}
      </ul>
      ${all.length === 0 && html`<p class="aside-note">Nothing is called that. A name of letters and digits opens a new room.</p>`}
    <//>`;
}

const Choice = ({ choice: { kind, name, other, unread, members, topic }, index, selected, onChoose }) => html`
  <li id=${`choice-${index}`} role="option" aria-selected=${selected} onClick=${onChoose}>
    ${kind === "new" ? html`<${PlusIcon} />` : other ? html`<${Avatar} ...${other} />` : html`<span class="hash" aria-hidden="true">#</span>`}
    <span class="choice-name"><bdi>${name}</bdi>${topic && html`<bdi class="choice-topic">${topic}</bdi>`}</span>
    <span class="choice-more">
      ${kind === "new" ? "new room" : kind === "person" ? "direct message" : members > 0 ? `${members} here` : ""}
      ${unread > 0 && html`<span class="badge">${badge(unread)}<span class="vh"> unread</span></span>`}
    </span>
  </li>`;
