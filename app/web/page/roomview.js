/** One room as the page shows it. Its plain fields change only together with `changed()`. */

import { signal } from "../vendor/vendor.js";
import { Timeline } from "./timeline.js";

export class RoomView {
  constructor(name, draft) {
    this.name = name;
    this.timeline = new Timeline();
    /** Entries of the outbox not yet seen as events, oldest first. */
    this.unsent = [];
    /** The cids sent from this page: their rows stay the same element when the echo comes. */
    this.own = new Set();
    this.draft = draft;
    /** Where the viewer had read up to when the room was opened; null when all was read. */
    this.unreadAfter = null;
    /** How many messages the viewer has written here. */
    this.written = 0;
    /** Whether the viewer looks at the end of the log. */
    this.atEnd = true;
    this.version = signal(0);
    this.joined = signal(false);
    /** Whether what the room had before is shown, so that what comes now is news. */
    this.settled = signal(false);
    this.error = signal(null);
    this.members = signal(null);
    this.unread = signal(0);
    /** Messages that came below what the viewer looks at. */
    this.below = signal(0);
    /** The run that is being extended by older messages. */
    this.loading = signal(null);
  }

  changed() {
    this.version.value += 1;
  }

  /** Show what waited in the outbox from before. */
  take(entries) {
    this.unsent = entries.map((entry) => ({ ...entry }));
    for (const { cid } of entries) this.own.add(cid);
  }

  /** An entry of the outbox is new or changed. */
  update(entry, position) {
    this.own.add(entry.cid);
    const others = this.unsent.filter(({ cid }) => cid !== entry.cid);
    const shown = entry.state === "dropped" || (entry.state === "sent" && entry.seq <= (position?.seq ?? 0));
    if (shown) this.unsent = others;
    else if (entry.state === "pending" && others.length < this.unsent.length) this.unsent = [...others, { ...entry }];
    else this.unsent = this.#replaced(entry);
  }

  /** The log has everything up to `seq`: what was acknowledged there is shown by its event now. */
  settle(seq) {
    if (this.unsent.length) this.unsent = this.unsent.filter((entry) => !(entry.state === "sent" && entry.seq <= seq));
  }

  #replaced(entry) {
    const at = this.unsent.findIndex(({ cid }) => cid === entry.cid);
    return at < 0 ? [...this.unsent, { ...entry }] : this.unsent.with(at, { ...entry });
  }
}
