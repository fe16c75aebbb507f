/** The rows that somebody said. */

import { Component, html } from "../vendor/vendor.js";
import { Editor } from "./editor.js";
import { Fold, isLong } from "./fold.js";
import { clock, fullDate } from "./format.js";
import { AlertIcon, ClockIcon } from "./icons.js";
import { Alike, Avatar, Person } from "./people.js";
import { Reactions } from "./reactions.js";
import { Toolbar } from "./toolbar.js";
import { Words } from "./words.js";

const Time = ({ ts }) => html`<time datetime=${new Date(ts).toISOString()} title=${fullDate(ts)}>${clock(ts)}</time>`;

const DRAWN = ["source", "head", "state", "name", "mine", "named", "key", "alike"];

/** One message. Rows are many and change seldom: only a row whose content changed is drawn again. */
export class Message extends Component {
  shouldComponentUpdate({ row, ...now }) {
    const old = this.props;
    return ["active", "editing", "found", "waiting"].some((key) => now[key] !== old[key]) || DRAWN.some((key) => row[key] !== old.row[key]);
  }

  render({ row, chat, room, active, editing, found, waiting, hold }) {
    const { head, mine, user, name, ts, seq, cid, state, named, deleted, alike } = row;
    const classes = ["row", head ? "head" : "follow", state, named && "named", found && "found", active && "active", editing && "editing"];
    return html`
      <div class=${classes.filter(Boolean).join(" ")} role="article" tabindex="-1" data-row=${row.key} data-seq=${seq} data-cid=${cid}
        data-state=${state}>
        <div class="gutter">${head ? html`<${Avatar} user=${user} name=${name} />` : html`<${Time} ts=${ts} />`}</div>
        <div class="content">
          <div class=${head ? "author" : "vh"}>
            <${Person} chat=${chat} user=${user} name=${name} mine=${mine} />${mine && head && html`<span class="you">you</span>`}
            ${alike && head && html`<${Alike} />`}
            ${head && html`<${Time} ts=${ts} />`}${named && html`<span class="vh">mentions you</span>`}
          </div>
          <${Body} row=${row} chat=${chat} room=${room} editing=${editing} hold=${hold} />
          ${waiting && html`<${Waiting} row=${row} chat=${chat} />`}
        </div>
        ${state === "pending" && html`<span class="sending"><${ClockIcon} /><span class="vh">Sending</span></span>`}
        ${active && !editing && !deleted && html`<${Toolbar} chat=${chat} room=${room} row=${row} />`}
      </div>`;
  }
}

function Body({ row, chat, room, editing, hold }) {
  const { text, edited, deleted, reactions, mentions, state } = row;
  if (deleted) return html`<span class="words deleted">This message was deleted.</span>`;
  if (editing) return html`<${Editor} chat=${chat} room=${room} row=${row} />`;
  const mentioned = (mentions ?? []).map((user) => chat.names.get(user)).filter(Boolean);
  const words = html`<${Words} text=${text} mentioned=${mentioned} self=${chat.name.value} />`;
  return html`
    ${isLong(text) ? html`<${Fold} room=${room} of=${row.key} hold=${hold}>${words}<//>` : words}
    ${edited && html`<span class="edited" title=${`Changed ${fullDate(edited)}`}>edited</span>`}
    ${reactions?.length > 0 && html`<${Reactions} chat=${chat} room=${room} row=${row} />`}
    ${state === "failed" && html`<${Failed} row=${row} chat=${chat} />`}`;
}

const Failed = ({ row, chat }) => html`
  <div class="failed-note">
    <${AlertIcon} /><span>${reason(row.error)}</span>
    <button type="button" class="link" onClick=${() => chat.messages.retry(row.cid)}>Retry</button>
    <button type="button" class="link quiet" onClick=${() => chat.messages.discard(row.cid)}>Discard</button>
  </div>`;

/** A message that cannot go out now can still be taken back, unless it went out before the connection was lost. */
function Waiting({ row, chat }) {
  const tried = chat.client.pending().find(({ cid }) => cid === row.cid)?.tried;
  return html`
    <div class="waiting-note">
      <span>${tried ? "It may have been sent already." : "Waiting for the connection."}</span>
      <button type="button" class="link quiet" onClick=${() => chat.messages.discard(row.cid)}>Discard</button>
    </div>`;
}

function reason(error) {
  switch (error?.code) {
    case "too_large": return "Not sent: it is too long.";
    case "muted": return "Not sent: you are muted here.";
    case "forbidden": return "Not sent: you may not write here.";
    case "unconfirmed": return "It may not have been sent.";
    default: return "Not sent.";
  }
}
