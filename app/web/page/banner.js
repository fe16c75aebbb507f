/** The state of the connection: always there for programs and screen readers, seen only when it matters. */

import { html, useEffect, useState } from "../vendor/vendor.js";

/** A connection that is back sooner is nobody's concern. */
const GRACE_MS = 1500;

export function Banner({ chat }) {
  const { state, retryAt, putOff, refusal } = chat.link.value;
  const troubled = state !== "online" && Boolean(chat.name.value) && !chat.nameError.value && chat.tokenAsked.value === null;
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!troubled) return setLate(false);
    const timer = setTimeout(() => setLate(true), GRACE_MS);
    return () => clearTimeout(timer);
  }, [troubled]);
  const shown = troubled && (late || state === "offline");

  return html`
    <div class="status" role="status" data-connection=${state}>
      ${state === "online" && html`<span class="vh">Connected</span>`}
      ${shown && html`
        <div class="banner">
          <span class="pulse" aria-hidden="true"></span>
          <span class="banner-text">
            ${says(state, putOff, refusal)}
            ${state === "waiting" && html` <${Countdown} until=${retryAt} />`}
          </span>
          <button type="button" class="small" aria-disabled=${state === "connecting"} onClick=${() => chat.connect()}>Try now</button>
        </div>`}
    </div>`;
}

function says(state, putOff, refusal) {
  if (state === "connecting") return "Connecting…";
  if (state === "offline") return refusal?.message ?? "Not connected.";
  if (putOff) return `Not let in yet: ${putOff.message}.`;
  return navigator.onLine ? "Connection lost." : "You are offline.";
}

/** Not read out: a screen reader hears once that the connection is lost, not every second. */
function Countdown({ until }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [until]);
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  return html`<span class="countdown" aria-hidden="true">Trying again in ${seconds} s</span>`;
}
