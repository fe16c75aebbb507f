/** In place of the field, where the viewer may not write: why, and until when. */

import { html, useEffect } from "../vendor/vendor.js";
import { LockIcon } from "./icons.js";
import { ending } from "./moderation.js";

/** The longest that a timer can wait. */
const MOST_MS = 2 ** 31 - 1;

/** Whether the viewer may not write in a room now. */
export const silenced = (room) => room.joined.value && (!room.rights.value.includes("write") || room.mutedUntil.value > 0);

export function Silence({ room }) {
  const muted = room.mutedUntil.value;
  useEffect(() => {
    if (!muted || muted === Infinity) return undefined;
    let timer = 0;
    const look = () => {
      const left = muted - Date.now();
      if (left > 0) timer = setTimeout(look, Math.min(MOST_MS, left));
      else room.mutedUntil.value = 0;
    };
    look();
    return () => clearTimeout(timer);
  }, [muted]);
  const reason = room.moderated?.action === "mute" ? room.moderated.reason : "";
  return html`
    <div class="composer silence" role="note">
      <${LockIcon} />
      ${room.rights.value.includes("write")
        ? html`<p>You are muted here ${ending(muted)}.${reason && html` <bdi>${reason}</bdi>`}</p>`
        : html`<p>You can read this room, but not write in it.</p>`}
    </div>`;
}
