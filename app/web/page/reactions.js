/** What people answered with one character: under a message, and the list to choose from. */

import { html, useRef } from "../vendor/vendor.js";
import { Dialog } from "./dialog.js";
import { EMOJI, emojiName } from "./emoji.js";
import { badge, listed } from "./format.js";
import { SmileIcon } from "./icons.js";

const COLUMNS = 8;
const NAMED = 12;

export function Reactions({ chat, room, row }) {
  return html`
    <div class="reactions">
      ${row.reactions.map(({ emoji, users }) => {
        const mine = users.includes(chat.user.value);
        const who = `${names(chat, users)} reacted with ${emojiName(emoji)}`;
        return html`
          <button type="button" key=${emoji} class=${mine ? "reaction mine" : "reaction"} aria-pressed=${mine} title=${who}
            onClick=${() => chat.messages.react(room, row, emoji)}>
            <span class="glyph" aria-hidden="true">${emoji}</span><span class="count" aria-hidden="true">${badge(users.length)}</span>
            <span class="vh">${who}</span>
          </button>`;
      })}
      <button type="button" class="reaction more" aria-label="Add a reaction" title="Add a reaction"
        onClick=${({ currentTarget }) => chat.actions.pick(room, row, currentTarget)}><${SmileIcon} /></button>
    </div>`;
}

function names(chat, users) {
  const others = users.filter((user) => user !== chat.user.value);
  const all = [...(others.length < users.length ? ["You"] : []), ...others.map((user) => chat.names.get(user) ?? "Somebody")];
  return listed(all.slice(0, NAMED), Math.max(0, all.length - NAMED));
}

/** The list of emoji, beside what it was opened from; arrows move in it. */
export function Picker({ chat, room, message, near, onClose }) {
  const grid = useRef(null);
  const place = (dialog) => {
    if (innerWidth < 480) return; // the style sheet puts it at the bottom
    const { width, height } = dialog.getBoundingClientRect();
    const above = near.top - height - 6;
    dialog.style.top = `${above > 8 ? above : Math.max(8, Math.min(near.bottom + 6, innerHeight - height - 8))}px`;
    dialog.style.left = `${Math.max(8, Math.min(near.right - width, innerWidth - width - 8))}px`;
  };
  const pressed = (event) => {
    const buttons = [...grid.current.children];
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
    if (!by) return;
    event.preventDefault();
    buttons[(buttons.indexOf(document.activeElement) + by + buttons.length) % buttons.length].focus();
  };
  const chosen = (emoji) => {
    onClose();
    chat.messages.react(room, message, emoji);
  };
  return html`
    <${Dialog} label="Add a reaction" kind="picker" onClose=${onClose} onOpen=${place}>
      <div class="emoji-grid" ref=${grid} onKeyDown=${pressed}>
        ${EMOJI.map(([emoji, name], index) => html`
          <button type="button" key=${emoji} aria-label=${name} title=${name} tabindex=${index ? -1 : 0} autofocus=${index === 0}
            onClick=${() => chosen(emoji)}><span aria-hidden="true">${emoji}</span></button>`)}
      </div>
    <//>`;
}
