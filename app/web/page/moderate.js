/** The dialogs of moderators: what to do to somebody, and what holds in the room. */

import { html, useEffect, useRef, useState } from "../vendor/vendor.js";
import { Dialog } from "./dialog.js";
import { fullDate, lengthOf } from "./format.js";
import { CloseIcon } from "./icons.js";
import { ending, TERMS } from "./moderation.js";

/** The protocol's own bound. */
const REASON_MAX = 200;

export function ModerateDialog({ chat, room, user, name, onClose }) {
  const reason = useRef(null);
  const seconds = useRef(null);
  const addresses = useRef(null);
  const [problem, setProblem] = useState("");
  const act = (what) => () => {
    const said = reason.current.value.trim().replace(/\s+/g, " ");
    if (lengthOf(said) > REASON_MAX) return setProblem(`At most ${REASON_MAX} characters.`);
    chat.moderation[what](room, { user, name, reason: said, seconds: Number(seconds.current.value), addresses: addresses.current.checked });
    return onClose();
  };
  return html`
    <${Dialog} label=${`Moderate ${name}`} kind="question" onClose=${onClose}>
      <h2>Moderate <bdi>${name}</bdi></h2>
      <form class="moderate" onSubmit=${(event) => event.preventDefault()}>
        <label for="reason">Reason, shown to <bdi>${name}</bdi> (may be empty)</label>
        <input id="reason" type="text" dir="auto" ref=${reason} autocomplete="off" autofocus aria-invalid=${Boolean(problem)}
          aria-describedby=${problem ? "reason-error" : null} onInput=${() => setProblem("")} />
        ${problem && html`<p class="problem" id="reason-error" role="alert">${problem}</p>`}
        <label for="term">Mute or ban for</label>
        <select id="term" ref=${seconds}>${TERMS.map(([value, words]) => html`<option value=${value}>${words}</option>`)}</select>
        <label class="check"><input type="checkbox" ref=${addresses} /> Ban the addresses this person comes from as well</label>
        <div class="answers">
          <button type="button" class="small plain" onClick=${onClose}>Cancel</button>
          <button type="button" class="small" onClick=${act("mute")}>Mute</button>
          <button type="button" class="small" onClick=${act("kick")}>Remove</button>
          <button type="button" class="small danger" onClick=${act("ban")}>Ban</button>
        </div>
      </form>
    <//>`;
}

const DID = { kick: "removed", mute: "muted", unmute: "unmuted", ban: "banned", unban: "unbanned",
  delete: "deleted a message of", edit: "changed a message of" };

export function SanctionsDialog({ chat, room, onClose }) {
  const [list, setList] = useState(undefined);
  const load = async () => setList(await chat.moderation.list(room));
  useEffect(() => { load(); }, []);
  const end = async (held) => {
    if (await chat.moderation.end(room, held)) await load();
  };
  return html`
    <${Dialog} label="Bans and mutes" kind="help" onClose=${onClose}>
      <div class="help-head"><h2>Bans and mutes in <bdi>#${room.name}</bdi></h2>
        <button type="button" class="tool" aria-label="Close" onClick=${onClose}><${CloseIcon} /></button></div>
      ${!list && html`<p class="aside-note">${list === undefined ? "Loading…" : "This cannot be had now."}</p>`}
      ${list && list.held.length === 0 && html`<p class="aside-note">Nobody is banned or muted here.</p>`}
      ${list && html`<ul class="sanctions">${list.held.map((held) => html`<li key=${`${held.kind} ${held.user} ${held.address}`}>
        <span><bdi>${whom(held)}</bdi> is ${held.kind === "mute" ? "muted" : "banned"} ${ending(held.until)}, by <bdi>${held.by.name}</bdi>${held.reason
          && html`: <bdi>${held.reason}</bdi>`}</span>
        ${(held.user || held.address) && html`<button type="button" class="small" aria-label=${`End this ${held.kind} of ${whom(held)}`}
          onClick=${() => end(held)}>End</button>`}</li>`)}</ul>`}
      ${list?.deeds.length > 0 && html`<section class="deeds"><h3>What was done</h3><ul>${list.deeds.map((deed) => html`<li key=${deed.id}>
        <time datetime=${new Date(deed.at).toISOString()}>${fullDate(deed.at)}</time>
        <span><bdi>${deed.by.name}</bdi> ${DID[deed.kind] ?? deed.kind} <bdi>${whom(deed)}</bdi>${deed.reason
          && html`: <bdi>${deed.reason}</bdi>`}</span></li>`)}</ul></section>`}
    <//>`;
}

/** A person as well as it is known; an address only where the server shows it. */
const whom = ({ user, name, address, addresses }) => name || user
  ? `${name || user}${addresses && address ? ` (${address})` : ""}` : address || "somebody";
