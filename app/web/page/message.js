/** The rows of the log. */

import { Component, html } from "../vendor/vendor.js";
import { clock, fullDate } from "./format.js";
import { AlertIcon, ClockIcon } from "./icons.js";
import { Avatar, Name } from "./people.js";
import { isEmoji, pieces } from "./text.js";

const Time = ({ ts }) => html`<time datetime=${new Date(ts).toISOString()} title=${fullDate(ts)}>${clock(ts)}</time>`;

const Words = ({ text }) => html`
  <bdi dir="auto" class=${isEmoji(text) ? "words emoji" : "words"}>
    ${pieces(text).map((piece) => typeof piece === "string" ? piece
      : html`<a href=${piece.href} target="_blank" rel="noopener noreferrer">${piece.text}</a>`)}
  </bdi>`;

/** One message. Rows are many and change seldom: only a row whose content changed is drawn again. */
export class Message extends Component {
  shouldComponentUpdate({ row }) {
    const old = this.props.row;
    return row.source !== old.source || row.head !== old.head || row.state !== old.state || row.name !== old.name
      || row.mine !== old.mine;
  }

  render({ row, chat }) {
    const { head, mine, user, name, text, ts, seq, cid, state } = row;
    return html`
      <div class=${`row ${head ? "head" : "follow"} ${state}`} data-row data-seq=${seq} data-cid=${cid} data-state=${state}>
        <div class="gutter">${head ? html`<${Avatar} user=${user} name=${name} />` : html`<${Time} ts=${ts} />`}</div>
        <div class="content">
          <div class=${head ? "author" : "vh"}>
            <${Name} name=${name} />${mine && head && html`<span class="you">you</span>`}
            ${head && html`<${Time} ts=${ts} />`}
          </div>
          <${Words} text=${text} />
          ${state === "failed" && html`<${Failed} row=${row} chat=${chat} />`}
        </div>
        ${state === "pending" && html`<span class="sending"><${ClockIcon} /><span class="vh">Sending</span></span>`}
      </div>`;
  }
}

const Failed = ({ row, chat }) => html`
  <div class="failed-note">
    <${AlertIcon} /><span>${reason(row.error)}</span>
    <button type="button" class="link" onClick=${() => chat.retry(row.cid)}>Retry</button>
    <button type="button" class="link quiet" onClick=${() => chat.discard(row.cid)}>Discard</button>
  </div>`;

function reason(error) {
  switch (error?.code) {
    case "too_large": return "Not sent: it is too long.";
    case "forbidden": case "muted": return "Not sent: you may not write here.";
    case "unconfirmed": return "It may not have been sent.";
    default: return "Not sent.";
  }
}

export const Day = ({ name }) => html`<div class="rule day"><span>${name}</span></div>`;

export const Unread = () => html`<div class="rule unread"><span>New</span></div>`;

export const Gap = ({ row, onFill, busy }) => html`
  <div class="gap" data-gap>
    <span>${row.fillable ? "Some messages are missing here." : "Some messages from here are no longer available."}</span>
    ${row.fillable && html`<button type="button" class="link" disabled=${busy} onClick=${onFill}>
      ${busy ? "Loading…" : "Load them"}</button>`}
  </div>`;
