/** The rows of the log that nobody said: days, what is new, gaps, topics, who came and went. */

import { html } from "../vendor/vendor.js";
import { sentences } from "./comings.js";
import { clock, fullDate } from "./format.js";

export const Day = ({ name }) => html`<div class="rule day"><span>${name}</span></div>`;

export const Unread = () => html`<div class="rule unread"><span>New</span></div>`;

export const Gap = ({ row, index, onFill, busy }) => {
  const { fillable, skipped } = row;
  if (fillable && skipped) return html`<div class="gap" data-gap data-skipped=${index}><span>More messages are in between.</span></div>`;
  return html`
    <div class="gap" data-gap>
      <span>${fillable ? "Some messages are missing here." : "Some messages from here are no longer available."}</span>
      ${fillable && html`<button type="button" class="link" disabled=${busy} onClick=${onFill}>
        ${busy ? "Loading…" : "Load them"}</button>`}
    </div>`;
};

const Strong = ({ name }) => html`<bdi class="strong">${name}</bdi>`;

/** Names in a row, the last one behind "and", each bidi-isolated. */
const Names = ({ names, more }) => {
  const all = names.map((name) => html`<${Strong} name=${name} />`);
  if (more) all.push(`${more} others`);
  return all.map((one, index) => [index === 0 ? "" : index === all.length - 1 ? " and " : ", ", one]);
};

export const Note = ({ note }) => html`
  <div class="note" title=${fullDate(note.ts)}>
    ${sentences(note).map(({ names, more, verb }, index) => html`${index ? ". " : ""}<${Names} names=${names} more=${more} /> ${verb}`)}
  </div>`;

export const Topic = ({ event: { name, topic, ts, seq } }) => html`
  <div class="note" data-seq=${seq} tabindex="-1" title=${fullDate(ts)}>
    <${Strong} name=${name} /> ${topic ? html`set the topic: <bdi dir="auto" class="strong">${topic}</bdi>` : "removed the topic"}
    <span class="vh"> at ${clock(ts)}</span>
  </div>`;
