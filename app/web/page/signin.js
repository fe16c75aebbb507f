/** Coming in as a signed-in user: with a token of the server's own site, or one that `parley token` made. */

import { html, useEffect, useRef, useState } from "../vendor/vendor.js";
import { Mark } from "./icons.js";

const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** `why`: what the server says of the token it had, if anything. */
export function SignIn({ chat, why }) {
  const field = useRef(null);
  const [problem, setProblem] = useState("");
  useEffect(() => field.current.focus(), []);
  const submitted = (event) => {
    event.preventDefault();
    const token = field.current.value.trim();
    if (TOKEN.test(token)) chat.signIn(token);
    else setProblem("A token has three parts of letters and digits, with dots between them.");
  };
  const said = problem || why;
  return html`
    <div class="welcome">
      <${Mark} />
      <h2>Sign in</h2>
      <p class="lead">Your token says who you are. It is kept until this tab is closed, and shown to nobody.</p>
      <form class="name-form" onSubmit=${submitted}>
        <label for="token">Your token</label>
        <div class="name-line">
          <input id="token" ref=${field} type="password" autocomplete="off" spellcheck=${false} enterkeyhint="go"
            aria-invalid=${Boolean(said)} aria-describedby=${said ? "token-error" : null} onInput=${() => setProblem("")} />
          <button type="submit" class="primary">Sign in</button>
        </div>
        ${said && html`<p class="problem" id="token-error" role="alert">${said}</p>`}
      </form>
      <p class="otherwise"><button type="button" class="link quiet" onClick=${() => chat.signOut()}>Come in as a guest</button></p>
    </div>`;
}
