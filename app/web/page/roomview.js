/** One room as the page shows it. Its plain fields change only together with `changed()`. */

import { signal } from "../vendor/vendor.js";
import { foreseen, written } from "./changes.js";
import { Comings } from "./comings.js";
import { Timeline } from "./timeline.js";

/** The server says again who is typing, more often than this; without its word nobody is. */
const TYPING_SECONDS = 10;

/** The moment that is so many seconds away; 0 is never, and none is now. */
const until = (seconds) => seconds === undefined ? 0 : seconds ? Date.now() + 1000 * seconds : Infinity;

const namesOf = (people) => new Map(people.map(({ user, name }) => [user, name]));

/** The code of an address that cannot be one of a room. */
export const NO_ROOM = "no_room";

/** What stands in view where an address leads to no room; `path` is what it says instead of a room's name. */
export function noRoom(path) {
  let name = path;
  try {
    name = decodeURIComponent(path);
  } catch {
    // then as it stands there
  }
  const room = new RoomView(name, "");
  room.refuse({ code: NO_ROOM, message: "The name of a room has letters, digits and - _ . : @ only, 64 at most." });
  return room;
}

export class RoomView {
  #typingTimer = 0;

  constructor(name, draft, other = null) {
    this.name = name;
    this.timeline = new Timeline();
    /** Entries of the outbox not yet seen as events, oldest first: messages and changes to messages. */
    this.unsent = [];
    /** The cids sent from this page: their rows stay the same element when the echo comes. */
    this.own = new Set();
    /** The long messages that the viewer wants to see whole, by the keys of their rows. */
    this.unfolded = new Set();
    this.draft = draft;
    this.comings = new Comings();
    /** Whether the viewer was here before this page was loaded. */
    this.visited = false;
    /** Up to where the user has read, on whichever device; null while that is not known. */
    this.read = null;
    /** Where the viewer had read up to when the room was opened; null when all was read. */
    this.unreadAfter = null;
    /** How many messages were new then. */
    this.news = 0;
    /** How often the viewer was led to the end of the log: by writing, by an address. */
    this.ends = 0;
    /** Whether the viewer looks at the end of the log. */
    this.atEnd = true;
    /** The seq of a message to be shown as soon as it is there, and of the one that was last led to; or null. */
    this.target = null;
    this.found = null;
    this.version = signal(0);
    this.joined = signal(false);
    /** Whether what the room had before is shown, so that what comes now is news. */
    this.settled = signal(false);
    this.error = signal(null);
    /** In a direct room: the other one, `{user, name}`. */
    this.other = signal(other);
    this.topic = signal("");
    /** How many people are here; null where the server does not say. */
    this.members = signal(null);
    /** @type {import("../vendor/vendor.js").Signal<Map<string, string> | null>} names by user; null where they are too many */
    this.people = signal(null);
    /** Users whose names look like another one's in the room. */
    this.alike = new Set();
    /** What the viewer may do here: read, write, moderate. */
    this.rights = signal(["read", "write"]);
    /** Until when the viewer may not write, in milliseconds since 1970; Infinity: for ever; 0: may write. */
    this.mutedUntil = signal(0);
    /** The last that a moderator did to the viewer here, as it was pushed; or null. */
    this.moderated = null;
    /** Who is writing, `[{user, name}]`. */
    this.typing = signal([]);
    this.unread = signal(0);
    /** How many of the unread messages name the user. */
    this.mentioned = signal(0);
    /** Messages that came below what the viewer looks at. */
    this.below = signal(0);
    /** The run that is being extended by older messages. */
    this.loading = signal(null);
    /** The seq of the message that is being edited. */
    this.editing = signal(null);
    /** What it reads so far, `{mid, text}`; null where nothing was typed. */
    this.edit = null;
  }

  /** What people call it. */
  get title() {
    return this.other.value?.name ?? this.name;
  }

  /** Not in the room, and not to be until the viewer wants it again. */
  refuse(error) {
    this.joined.value = false;
    this.setTyping([]);
    this.error.value = error;
  }

  changed() {
    this.version.value += 1;
  }

  /** In the room, again or for the first time: who is there and what it is about. */
  enter({ members, presence, topic, rights = ["read", "write"], muted }) {
    this.joined.value = true;
    this.rights.value = rights;
    this.mutedUntil.value = until(muted);
    this.moderated = null;
    this.#look(presence ?? [], true);
    this.members.value = members ?? presence?.length ?? null;
    this.people.value = presence ? namesOf(presence) : null;
    this.topic.value = topic ?? "";
    this.setTyping([]);
  }

  /**
   * Who came (again, under another name) and who went; or all who are here; or, where they are too many, only how many.
   * `user` is the viewer, who knows of themselves.
   */
  presence({ members, presence, joined, left }, user) {
    this.members.value = members;
    this.#look(presence ?? joined ?? [], Boolean(presence) || (!joined && !left), left);
    const { value: before } = this.people;
    if (presence) this.people.value = namesOf(presence);
    else if (!joined && !left) this.people.value = null;
    if (presence || !before || (!joined && !left)) return;
    const gone = (left ?? []).filter((one) => before.has(one)).map((one) => ({ user: one, name: before.get(one) }));
    const came = (joined ?? []).filter((one) => !before.has(one.user));
    const people = new Map(before);
    for (const one of left ?? []) people.delete(one);
    for (const { user: one, name } of joined ?? []) people.set(one, name);
    this.people.value = people;
    const others = (some) => some.filter((one) => one.user !== user);
    if (!others(gone).length && !others(came).length) return;
    this.comings.take({ joined: others(came), left: others(gone) }, this.timeline.last);
    this.changed();
  }

  /** A moderator has done something to the viewer, here or everywhere. */
  meet(push) {
    this.moderated = push;
    if (push.action === "mute") this.mutedUntil.value = until(push.seconds ?? 0);
    else if (push.action === "unmute") this.mutedUntil.value = 0;
  }

  /** Whether the viewer moderates the room. */
  get moderates() {
    return this.rights.value.includes("moderate");
  }

  /** Note whose names look alike, among all people or those who came. */
  #look(people, all, left = []) {
    const alike = new Set(all ? [] : this.alike);
    for (const user of left) alike.delete(user);
    for (const { user, confusable } of people) alike[confusable ? "add" : "delete"](user);
    const same = alike.size === this.alike.size && [...alike].every((user) => this.alike.has(user));
    this.alike = alike;
    if (!same) this.changed();
  }

  setTyping(users) {
    clearTimeout(this.#typingTimer);
    if (users.length || this.typing.value.length) this.typing.value = users;
    if (users.length) this.#typingTimer = setTimeout(() => this.setTyping([]), TYPING_SECONDS * 1000);
  }

  /** Who has said something is not about to. */
  spoke(user) {
    if (this.typing.value.some((one) => one.user === user)) {
      this.setTyping(this.typing.value.filter((one) => one.user !== user));
    }
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
    const over = entry.state === "failed" && entry.change.type !== "send";
    if (shown || over) this.unsent = others;
    else if (entry.state === "pending" && others.length < this.unsent.length) this.unsent = [...others, { ...entry }];
    else this.unsent = this.#replaced(entry);
  }

  /** The log has everything up to `seq`: what was acknowledged there is shown by its event now. */
  settle(seq) {
    if (this.unsent.length) this.unsent = this.unsent.filter((entry) => !(entry.state === "sent" && entry.seq <= seq));
  }

  /** The viewer's messages that the server has and whose events have not come yet, oldest first: entries of the outbox. */
  get acknowledged() {
    return this.unsent.filter(({ state, change }) => state === "sent" && change.type === "send");
  }

  /**
   * Events are missing, up to `upto`. Or the seqs start anew, all of them or those after `upto`: the events of what was
   * acknowledged with these never come.
   */
  gap({ epoch, upto, epochChanged }, viewer) {
    if (epochChanged || upto < this.timeline.last) {
      const gone = ({ state, seq }) => state === "sent" && (epochChanged || seq > upto);
      for (const entry of this.unsent.filter(gone)) {
        this.timeline.push(entry.change.type === "send" ? written(entry, viewer) : { ...foreseen(entry, viewer.user), seq: entry.seq });
      }
      this.unsent = this.unsent.filter((entry) => !gone(entry));
      // A mark in numbers that are no more.
      if (epochChanged) this.read = null;
      else if (this.read > upto) this.read = upto;
    }
    this.timeline.gap({ epoch, upto });
    this.settle(upto);
  }

  #replaced(entry) {
    const at = this.unsent.findIndex(({ cid }) => cid === entry.cid);
    return at < 0 ? [...this.unsent, { ...entry }] : this.unsent.with(at, { ...entry });
  }
}
