/**
 * What the viewer has read: marks, counts, the title, notifications.
 *
 * The marks are the server's, one per user and room, shared by all tabs and devices. This page's are only ahead of them
 * for as long as a change is on its way.
 */

import { signal } from "../vendor/vendor.js";
import { badge, plain, roomPath } from "./format.js";

/** A mark that moves often is told so often. */
const TELL_MS = 1000;

export class Attention {
  #chat;
  #store;
  #due = new Map();
  #timer = 0;

  /** @param {import("/client/storage.js").Store} store of the browser */
  constructor(chat, store) {
    this.#chat = chat;
    this.#store = store;
    /** Whether the viewer wants notifications here and the browser lets them through. */
    this.notify = signal(store.get("notify", false) && this.#permission === "granted");
    const looked = () => {
      const room = chat.current.value;
      if (this.looking && room?.atEnd) this.seen(room);
      else this.#tell();
    };
    document.addEventListener("visibilitychange", looked);
    addEventListener("focus", looked);
    addEventListener("pagehide", () => this.#tell());
  }

  /** Whether the viewer looks at the page: it is neither hidden nor beside a window that is worked in. */
  get looking() {
    return document.visibilityState === "visible" && document.hasFocus();
  }

  // Marks

  /** A room is joined. What was there before the first visit is not unread, unless it was said to the viewer alone. */
  entered(room, { read, seq }) {
    const known = Math.min(read || (room.visited || room.other.value ? 0 : seq), seq);
    room.read = room.read === null ? known : Math.max(room.read, known);
    if (room.read > (read || 0)) this.#mark(room);
    this.count(room);
  }

  /** The viewer sees the end of a room. */
  seen(room) {
    const { last } = room.timeline;
    room.unread.value = room.mentioned.value = room.below.value = 0;
    if (!room.joined.value || room.read === null || last <= room.read) return;
    room.read = last;
    this.#mark(room);
  }

  /** Another tab or device of the user has read up to there. */
  told({ room: name, seq }) {
    const room = this.#chat.find(name);
    if (!room || !(seq > (room.read ?? 0))) return;
    room.read = seq;
    if (!room.timeline.countAfter(seq, this.#chat.user.value)) room.below.value = 0;
    this.count(room);
  }

  /** Something new, in a room that may be in view or not. Returns whether the viewer sees it. */
  event(room, event) {
    const current = room === this.#chat.current.value;
    if (current && this.looking && room.atEnd) {
      this.seen(room);
      return true;
    }
    if (event.type !== "message" || event.user === this.#chat.user.value) return false;
    this.count(room);
    if (current) {
      if (!room.atEnd) room.below.value += 1;
      room.unreadAfter ??= room.read;
      room.news = room.unread.value;
    }
    this.#announce(room, event);
    return false;
  }

  count(room) {
    const { user } = this.#chat;
    room.unread.value = room.read === null ? 0 : room.timeline.countAfter(room.read, user.value);
    room.mentioned.value = room.read === null ? 0 : room.timeline.mentionsAfter(room.read, user.value);
  }

  title() {
    const count = this.#chat.unread.value;
    const room = this.#chat.current.value;
    document.title = `${count ? `(${badge(count)}) ` : ""}${room ? `${plain(room.title)} · ` : ""}Parley`;
  }

  #mark(room) {
    this.#due.set(room.name, room.read);
    if (this.#timer) return;
    queueMicrotask(() => this.#tell());
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#tell();
    }, TELL_MS);
  }

  #tell() {
    for (const [name, seq] of this.#due) {
      this.#due.delete(name);
      // Lost on the way: joining again after the reconnect tells it once more.
      if (this.#chat.client.rooms.get(name)?.joined) this.#chat.client.read(name, seq).catch(() => {});
    }
  }

  // Notifications

  /** Whether this browser, on this address, can show them at all. */
  get possible() {
    return "Notification" in globalThis && this.#permission !== "denied";
  }

  get #permission() {
    return globalThis.Notification?.permission;
  }

  /** The viewer wants them, or does not any more. */
  async setNotify(wanted) {
    const allowed = wanted && await Notification.requestPermission() === "granted";
    if (wanted && !allowed) this.#chat.notices.add("Your browser does not let this page notify you.");
    this.notify.value = allowed;
    this.#store.set("notify", allowed || null);
  }

  /** For what is said to the viewer, while they look elsewhere. */
  #announce(room, { name, text, seq, mentions }) {
    const direct = Boolean(room.other.value);
    if (!this.notify.value || (!direct && !mentions?.includes(this.#chat.user.value))) return;
    if (this.looking) return;
    const title = direct ? plain(name) : `${plain(name)} in #${plain(room.name)}`;
    // The tag makes one notification of those of several tabs.
    const options = { body: plain(text).slice(0, 200), tag: `${roomPath(room.name)}#${seq}`, icon: "/web/favicon.svg" };
    try {
      const shown = new Notification(title, options);
      shown.onclick = () => {
        window.focus();
        this.#chat.open(room.name, { seq });
        shown.close();
      };
    } catch {
      this.setNotify(false); // Android knows them only from service workers
    }
  }
}
