/** What can be done with the message in hand. */

import { html } from "../vendor/vendor.js";
import { EMOJI, QUICK } from "./emoji.js";
import { LinkIcon, PencilIcon, ShieldIcon, SmileIcon, TrashIcon } from "./icons.js";

export function Toolbar({ chat, room, row }) {
  const { seq, mine, user, name } = row;
  const foreign = !mine && room.moderates;
  const { actions } = chat;
  const tool = (label, icon, act, kind = "tool") => html`
    <button type="button" class=${kind} aria-label=${label} title=${label} onClick=${act}>${icon}</button>`;
  return html`
    <div class="toolbar" role="toolbar" aria-label="Message actions">
      ${EMOJI.slice(0, QUICK).map(([emoji, name]) => tool(`React with ${name}`, html`<span aria-hidden="true">${emoji}</span>`,
        () => chat.messages.react(room, row, emoji), "tool quick"))}
      ${tool("Add a reaction", html`<${SmileIcon} />`, ({ currentTarget }) => actions.pick(room, row, currentTarget))}
      ${tool("Copy link", html`<${LinkIcon} />`, () => actions.copyLink(room, seq))}
      ${mine && tool("Edit", html`<${PencilIcon} />`, () => actions.edit(room, seq))}
      ${(mine || foreign) && tool("Delete", html`<${TrashIcon} />`, () => actions.delete(room, row))}
      ${foreign && tool(`Moderate ${name}`, html`<${ShieldIcon} />`, () => chat.moderation.choose(room, user, name))}
    </div>`;
}
