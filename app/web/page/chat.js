/**
 * The state of the page: the rooms as the viewer has them, who the viewer is, and the connection.
 *
 * Owns every signal the components read and the only functions that change them. Talks to the server through the client
 * alone; knows nothing of the DOM but the address. What is said and fetched belongs to `messages`, what is read and
 * counted to `attention`, what moderators do to `moderation`, the rooms beyond the viewer's own to `directory`, a guest's
 * name to `naming`, dialogs and the clipboard to `actions`.
 */

import { Parley } from "/client/parley.js";
import { Store } from "/client/storage.js";
import { batch, computed, effect, signal } from "../vendor/vendor.js";
import { Actions } from "./actions.js";
import { Attention } from "./attention.js";
import { Directory } from "./directory.js";
import { isDirect, roomOfPath, roomPath, seqOfHash } from "./format.js";
import { KeptRooms } from "./kept.js";
import { Messages, refusal, SETTLE_MS } from "./messages.js";
import { Moderation } from "./moderation.js";
import { Naming } from "./naming.js";
import { Notices } from "./notices.js";
import { NO_ROOM, noRoom, RoomView } from "./roomview.js";

export const FIRST_ROOM = "lobby";

/** Refusals after which only a token, or a newer one, lets the viewer in. */
const WANTS_TOKEN = new Set(["unauthorized", "expired"]);

export class Chat {
  #store = new Store("localStorage");
  #tab = new Store("sessionStorage");

  constructor() {
    const token = this.#tab.get("token");
    const kept = new KeptRooms(this.#store);
    this.client = new Parley({ name: this.#store.get("name", ""), token });
    this.name = signal(this.client.name);
    /** Whether the viewer has come with a token: then that says the name. */
    this.signedIn = signal(Boolean(token));
    /** Set while the viewer is asked for a token: what was wrong with the last one, or "". Null otherwise. */
    this.tokenAsked = signal(null);
    this.user = signal(null);
    this.limits = signal(this.client.limits);
    this.link = signal(this.#linkNow());
    /** @type {import("../vendor/vendor.js").Signal<RoomView[]>} in the order they were added */
    this.rooms = signal([]);
    this.current = signal(null);
    /** Set while the viewer is asked for a name: why the last one was not taken, or "". */
    this.nameError = signal("");
    /** What lies over the page: `{kind, ...}`, or null. */
    this.dialog = signal(null);
    /** Whether the people of the room are shown where there is space beside it. */
    this.peopleShown = signal(this.#store.get("people", true));
    /** The names last heard, by user. */
    this.names = new Map();
    this.online = computed(() => this.link.value.state === "online");
    this.unread = computed(() => this.rooms.value.reduce((sum, room) => sum + room.unread.value, 0));
    this.notices = new Notices();
    this.actions = new Actions(this);
    this.messages = new Messages(this);
    this.attention = new Attention(this, this.#store);
    this.directory = new Directory(this, this.#store);
    this.moderation = new Moderation(this);
    this.naming = new Naming(this, this.#store);
    this.#listen();
    for (const name of kept.names) this.add(name).visited = true;
    this.#arrive();
    effect(() => this.attention.title());
    effect(() => kept.save(this.rooms.value.filter((room) => !room.error.value).map((room) => room.name)));
    kept.follow((name) => this.add(name), (name) => this.#leftElsewhere(name));
    effect(() => this.#store.set("people", this.peopleShown.value));
  }

  // Who

  /** Come in with a token. It is forgotten with the tab. */
  signIn(token) {
    this.#tab.set("token", token);
    batch(() => {
      this.signedIn.value = true;
      this.tokenAsked.value = null;
      this.nameError.value = "";
    });
    this.client.signIn(token);
  }

  /** Be a guest again. All that the tab has of the signed-in user goes: token, messages, drafts, what was not sent yet. */
  signOut() {
    this.tokenAsked.value = null;
    if (!this.signedIn.value) return;
    this.client.close();
    for (const { cid } of this.client.pending()) this.client.discard(cid);
    this.#tab.clear();
    location.reload();
  }

  /** Connect now: at start with what is remembered, or because somebody does not want to wait. */
  connect() {
    if (this.name.value || this.signedIn.value) this.client.connect();
  }

  // Rooms

  find(name) {
    return this.rooms.value.find((room) => room.name === name);
  }

  /** Be in a room without looking at it. */
  add(name) {
    const known = this.find(name);
    const other = this.directory.others.get(name) ?? null;
    if (known && other) known.other.value = other;
    if (known && !known.error.value) return known;
    const room = known ?? new RoomView(name, this.#tab.get("drafts", {})[name] ?? "", other);
    room.error.value = null;
    room.take(this.client.pending(name));
    if (!known) this.rooms.value = [...this.rooms.value, room];
    this.client.join(name).catch(() => {}); // `refused` tells
    return room;
  }

  /** Show a room, joining it if need be, and put it into the address; with `seq`, show that message. */
  open(name, { seq = null, replace = false } = {}) {
    const room = this.add(name);
    const address = roomPath(name) + (seq === null ? "" : `#${seq}`);
    if (location.pathname + location.hash !== address) history[replace ? "replaceState" : "pushState"](null, "", address);
    this.#show(room, seq);
  }

  /** Follow an address of this page. False where it is none that leads into a room. */
  follow(url) {
    const { origin, pathname, hash } = new URL(url, location.href);
    const name = origin === location.origin ? roomOfPath(pathname) : null;
    if (name) this.open(name, { seq: seqOfHash(hash) });
    return Boolean(name);
  }

  /** The next room of the list in a direction, or the next one with something unread. */
  step(direction, unread = false) {
    const rooms = this.rooms.value;
    const at = rooms.indexOf(this.current.value);
    for (let by = 1; by < rooms.length; by++) {
      const room = rooms[(at + direction * by + rooms.length * by) % rooms.length];
      if (!unread || room.unread.value) return this.open(room.name);
    }
  }

  /** Leave a room and forget it; shows the next one. */
  forget(name) {
    const left = this.rooms.value.findIndex((room) => room.name === name);
    if (left < 0) return;
    this.directory.left(name, this.client.rooms.get(name)?.position?.seq ?? null);
    this.client.leave(name);
    this.rooms.value = this.rooms.value.filter((room) => room.name !== name);
    if (this.current.value?.name !== name) return;
    const next = this.rooms.value[Math.min(left, this.rooms.value.length - 1)];
    this.open(next?.name ?? FIRST_ROOM, { replace: true });
  }

  /** Another tab has left a room: so has this one, unless the viewer is there or something of theirs still waits. */
  #leftElsewhere(name) {
    if (name !== this.current.value?.name && !this.client.pending(name).length) this.forget(name);
  }

  setTopic(room, topic) {
    this.client.topic(room.name, topic).catch(() => {}); // `outbox` tells
  }

  // The room in view

  draft(room, text) {
    room.draft = text;
    this.#tab.set("drafts", { ...this.#tab.get("drafts", {}), [room.name]: text || undefined });
    if (text.trim()) this.client.typing(room.name);
  }

  /** The viewer sees the end of the current room, or does not. */
  attend(room, atEnd) {
    room.atEnd = atEnd;
    if (atEnd && this.attention.looking) this.attention.seen(room);
  }

  #show(room, seq) {
    batch(() => {
      const before = this.current.value;
      if (before) before.found = null;
      if (before && before !== room) before.unreadAfter = null;
      room.unreadAfter = room.unread.value ? room.read : null;
      room.news = room.unread.value;
      room.target = seq;
      room.atEnd = seq === null;
      if (room.atEnd) room.ends += 1;
      this.current.value = room;
      room.changed();
    });
    if (room.error.value?.code === NO_ROOM) return;
    this.#store.set("last", room.name);
    if (seq !== null) this.messages.reach(room);
    else if (this.attention.looking) this.attention.seen(room);
  }

  /** Be where the address leads: in a room, or in none; without a word of its own, where the viewer was last. */
  #arrive() {
    const { pathname, hash } = location;
    const name = roomOfPath(pathname);
    const replace = true;
    if (name) this.open(name, { seq: seqOfHash(hash), replace });
    else if (!pathname.startsWith("/r/")) this.open(this.#store.get("last") ?? FIRST_ROOM, { replace });
    else if (pathname === "/r/") this.open(FIRST_ROOM, { replace });
    else this.#show(noRoom(pathname.slice("/r/".length)), null);
  }

  // What the client tells

  #listen() {
    const { client } = this;
    client.on("state", () => {
      this.link.value = this.#linkNow();
      const { refusal } = client;
      if (refusal?.code === "bad_request") this.nameError.value = refusal.message;
      else if (WANTS_TOKEN.has(refusal?.code)) this.tokenAsked.value = refusal.message;
    });
    client.on("welcome", ({ user, name }) => batch(() => {
      this.user.value = user;
      this.name.value = name;
      this.limits.value = client.limits;
    }));
    client.on("joined", (reply) => this.#joined(reply));
    client.on("gap", ({ room: name, upto, epochChanged }) => {
      const room = this.find(name);
      if (!room) return;
      const viewer = { user: this.user.value, name: this.name.value };
      room.gap({ epoch: client.rooms.get(name).position.epoch, upto, epochChanged }, viewer);
      room.changed();
    });
    client.on("resync", ({ room: name, topic }) => {
      const room = this.find(name);
      if (room && topic !== undefined) room.topic.value = topic;
    });
    client.on("event", (event) => this.#event(event));
    client.on("outbox", (entry) => this.#outbox(entry));
    client.on("refused", ({ room: name, error }) => {
      const room = this.find(name);
      if (room) room.refuse(error);
    });
    client.on("moderated", (push) => this.moderation.met(push));
    client.on("presence", (push) => {
      for (const { user, name } of push.joined ?? []) this.names.set(user, name);
      this.find(push.room)?.presence(push, this.user.value);
    });
    client.on("typing", ({ room, users }) => this.find(room)?.setTyping(users.filter(({ user }) => user !== this.user.value)));
    client.on("read", (push) => this.attention.told(push));
    client.on("mentioned", ({ room, seq, user, name }) => {
      if (this.find(room)) return; // counted there
      if (isDirect(room)) return void this.directory.met(room, { user, name });
      this.notices.add(`${name} has mentioned you in #${room}.`, { label: "Show", act: () => this.open(room, { seq }) });
    });
    addEventListener("popstate", () => this.#arrive());
  }

  #linkNow() {
    const { state, retryAt, node, latency, putOff, refusal } = this.client;
    return { state, retryAt, node, latency, putOff, refusal };
  }

  #joined(reply) {
    const room = this.find(reply.room);
    if (!room) return;
    for (const { user, name } of [...reply.messages, ...(reply.presence ?? [])]) this.names.set(user, name);
    const others = [...(reply.presence ?? []), ...reply.messages].filter(({ user }) => user !== this.user.value);
    const other = isDirect(room.name) && !room.other.value ? others[0] : null;
    if (other) this.directory.met(room.name, other);
    batch(() => {
      if (reply.fresh) room.timeline.start(reply);
      room.enter(reply);
      setTimeout(() => { room.settled.value = true; }, SETTLE_MS);
      room.settle(this.client.rooms.get(reply.room).position.seq);
      this.attention.entered(room, reply);
      if (room === this.current.value && ((reply.fresh && room.unread.value) || room.target !== null)) this.#show(room, room.target);
      room.changed();
    });
  }

  #event(event) {
    const room = this.find(event.room);
    if (!room) return;
    this.names.set(event.user, event.name);
    room.timeline.push(event);
    room.settle(event.seq);
    if (event.type === "topic") room.topic.value = event.topic;
    if (event.type === "message") room.spoke(event.user);
    if (this.attention.event(room, event)) room.timeline.trim();
    else if (event.type === "deleted") this.attention.count(room);
    room.changed();
  }

  #outbox(entry) {
    const room = this.find(entry.room);
    const { state, change, error } = entry;
    if (state === "failed" && change.type !== "send") this.notices.add(refusal(change.type, error));
    if (!room) return;
    room.update(entry, this.client.rooms.get(entry.room)?.position);
    room.changed();
  }
}
