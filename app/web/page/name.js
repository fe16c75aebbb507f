/** Asking for a name: on the first visit in the middle of the page, later in the corner where the name stands. */

import { html, useEffect, useRef, useState } from "../vendor/vendor.js";
import { BellIcon, BellOffIcon, Mark, PencilIcon } from "./icons.js";
import { Avatar, Name } from "./people.js";

/** The server's own bound. */
const NAME_MAX = 32;

function NameField({ id, initial, submit, label, children, error }) {
  const field = useRef(null);
  const [problem, setProblem] = useState("");
  useEffect(() => field.current.select(), []);
  const submitted = (event) => {
    event.preventDefault();
    const name = field.current.value.trim().replace(/\s+/g, " ");
    if (!name) setProblem("A name is needed.");
    else submit(name);
  };
  const said = problem || error;
  return html`
    <form class="name-form" onSubmit=${submitted}>
      <label for=${id}>${label}</label>
      <div class="name-line">
        <input id=${id} ref=${field} type="text" dir="auto" maxlength=${NAME_MAX} autocomplete="nickname" spellcheck=${false}
          enterkeyhint="go" defaultValue=${initial} aria-invalid=${Boolean(said)} aria-describedby=${said ? `${id}-error` : null}
          onInput=${() => setProblem("")} />
        ${children}
      </div>
      ${said && html`<p class="problem" id=${`${id}-error`} role="alert">${said}</p>`}
    </form>`;
}

export function Welcome({ chat, room }) {
  return html`
    <div class="welcome">
      <${Mark} />
      <h2>Come in</h2>
      <p class="lead">You are at the door of <bdi class="strong">${room.name}</bdi>. Everybody there sees the name you choose;
        you can change it at any time.</p>
      <${NameField} id="name" label="Your name" initial=${chat.name.value} error=${chat.nameError.value}
        submit=${(name) => chat.naming.choose(name)}>
        <button type="submit" class="primary">Join</button>
      <//>
      <p class="otherwise"><button type="button" class="link quiet" onClick=${() => { chat.tokenAsked.value = ""; }}>Sign in with a token</button></p>
    </div>`;
}

export function Me({ chat }) {
  const [editing, setEditing] = useState(false);
  const { state, node, latency } = chat.link.value;
  const name = chat.name.value;
  if (!name || chat.nameError.value) return null;
  if (editing) {
    return html`<${Rename} chat=${chat} name=${name} onDone=${() => setEditing(false)} />`;
  }
  return html`
    <div class="me">
      <${Avatar} user=${chat.user.value} name=${name} />
      <div class="me-text">
        <${Name} name=${name} />
        <span class="node" title="The replica that serves this tab, and how far away it is">${state === "online"
          ? `worker ${node}${latency === null ? "" : `, ${Math.max(1, Math.round(latency))} ms`}` : "not connected"}</span>
      </div>
      <div class="me-tools">
        ${chat.attention.possible && html`<${Notify} attention=${chat.attention} />`}
        ${chat.signedIn.value ? html`<button type="button" class="small plain" onClick=${() => chat.signOut()}>Sign out</button>` : html`
          <button type="button" class="tool" aria-label="Change your name" title="Change your name" onClick=${() => setEditing(true)}>
            <${PencilIcon} /></button>`}
      </div>
    </div>`;
}

/** Open until the server has taken the name: what is wrong with it is said where it can be mended. */
function Rename({ chat, name, onDone }) {
  const [error, setError] = useState("");
  const submit = async (next) => {
    setError("");
    const problem = await chat.naming.choose(next);
    if (problem) setError(problem);
    else if (problem === "") onDone();
  };
  return html`
    <div class="me" onKeyDown=${(event) => event.key === "Escape" && onDone()}>
      <${NameField} id="rename" label="Your name" initial=${name} submit=${submit} error=${error}>
        <button type="submit" class="small">Save</button>
      <//>
    </div>`;
}

function Notify({ attention }) {
  const on = attention.notify.value;
  return html`
    <button type="button" class="tool" aria-pressed=${on} aria-label="Notify me of mentions and direct messages"
      title=${on ? "Notifications of mentions and direct messages are on" : "Notify me of mentions and direct messages"}
      onClick=${() => attention.setNotify(!on)}>${on ? html`<${BellIcon} />` : html`<${BellOffIcon} />`}</button>`;
}
