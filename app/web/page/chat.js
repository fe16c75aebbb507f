/**
 * The state of the page: the rooms as the viewer has them, who the viewer is, and the connection.
 *
 * Owns every signal the components read and the only functions that change them. Talks to the server through the client
 * alone; knows nothing of the DOM but the address, the title and whether the page is visible.
 */

import { Parley } from "/client/parley.js";
import { Store } from "/client/storage.js";
import { batch, computed, effect, signal } from "../vendor/vendor.js";
import { badge, plain, roomOfPath, roomPath } from "./format.js";
import { RoomView } from "./roomview.js";

const FIRST_ROOM = "lobby";
const PAGE = 50;
/** How long to wait before asking again for history that could not be had. */
const RETRY_SECONDS = 2;
/** How long it may take until what came is drawn. */
const SETTLE_SECONDS = 0.2;

const after = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

export class Chat {
  #store = new Store("localStorage");
  #tab = new Store("sessionStorage");

  constructor() {
    this.client = new Parley({ name: this.#store.get("name", "") });
    this.name = signal(this.client.name);
    this.user = signal(null);
    this.limits = signal(this.client.limits);
    this.link = signal(this.#linkNow());
    /** @type {import("../vendor/vendor.js").Signal<RoomView[]>} in the order they were added */
    this.rooms = signal([]);
    this.current = signal(null);
    /** Set while the viewer is asked for a name: why the last one was not taken, or "". */
    this.nameError = signal("");
    this.online = computed(() => this.link.value.state === "online");
    this.unread = computed(() => this.rooms.value.reduce((sum, room) => sum + room.unread.value, 0));
    this.#listen();
    for (const name of this.#store.get("rooms", [])) this.#add(name);
    this.#follow(location.pathname, true);
    effect(() => this.#title());
    effect(() => this.#store.set("rooms", this.rooms.value.filter((room) => !room.error.value).map((room) => room.name)));
  }

  // Who

  /** Take a name for the first time or another one; connects. */
  setName(name) {
    this.#store.set("name", name);
    this.nameError.value = "";
    const known = this.name.value;
    this.name.value = name;
    if (name !== known || this.client.state === "offline") this.client.rename(name);
  }

  /** Connect now: at start with the remembered name, or because somebody does not want to wait. */
  connect() {
    if (this.name.value) this.client.connect();
  }

  // Rooms

  /** Show a room, joining it if need be, and put it into the address. */
  open(name, { replace = false } = {}) {
    const room = this.#add(name);
    const path = roomPath(name);
    if (location.pathname !== path) history[replace ? "replaceState" : "pushState"](null, "", path);
    this.#show(room);
  }

  /** Leave a room and forget it; shows the next one. */
  forget(name) {
    const left = this.rooms.value.findIndex((room) => room.name === name);
    if (left < 0) return;
    this.client.leave(name);
    this.#marks({ [name]: undefined });
    this.rooms.value = this.rooms.value.filter((room) => room.name !== name);
    if (this.current.value?.name !== name) return;
    const next = this.rooms.value[Math.min(left, this.rooms.value.length - 1)];
    this.open(next?.name ?? FIRST_ROOM, { replace: true });
  }

  // Messages

  send(room, text) {
    room.unreadAfter = null;
    room.written += 1;
    this.client.send(room.name, text).catch(() => {}); // the row shows it
  }

  retry(cid) {
    this.client.retry(cid);
  }

  discard(cid) {
    this.client.discard(cid);
  }

  /** Bring the page of history before a run: the top one when scrolling up, a later one to fill the gap before it. */
  async older(room, run) {
    if (!run?.more || room.loading.value || !this.online.value) return;
    room.loading.value = run;
    try {
      const page = await this.client.history(room.name, { before: run.first, limit: PAGE });
      room.timeline.prepend(run, page);
      room.changed();
      await after(SETTLE_SECONDS); // drawn by then, and not read out as news
    } catch (error) {
      // Not at once again: the log asks as soon as nothing is loading any more.
      if (error.temporary) await after(error.retry || RETRY_SECONDS);
      else run.more = false;
    } finally {
      room.loading.value = null;
    }
  }

  /** The viewer sees the end of the current room, or does not. */
  attend(room, atEnd) {
    room.atEnd = atEnd;
    if (atEnd && document.visibilityState === "visible") this.#seen(room);
  }

  draft(room, text) {
    room.draft = text;
    this.#tab.set("drafts", { ...this.#tab.get("drafts", {}), [room.name]: text || undefined });
  }

  #add(name) {
    const known = this.rooms.value.find((room) => room.name === name);
    if (known && !known.error.value) return known;
    const room = known ?? new RoomView(name, this.#tab.get("drafts", {})[name] ?? "");
    room.error.value = null;
    room.take(this.client.pending(name));
    if (!known) this.rooms.value = [...this.rooms.value, room];
    this.client.join(name).catch(() => {}); // `refused` tells
    return room;
  }

  #show(room) {
    batch(() => {
      const before = this.current.value;
      if (before && before !== room) before.unreadAfter = null;
      room.unreadAfter = room.unread.value ? this.#mark(room)?.seq ?? null : null;
      room.atEnd = true;
      this.current.value = room;
      room.changed();
    });
    this.#store.set("last", room.name);
    if (document.visibilityState === "visible") this.#seen(room);
  }

  #follow(path, replace) {
    this.open(roomOfPath(path) ?? this.#store.get("last") ?? FIRST_ROOM, { replace });
  }

  #room(name) {
    return this.rooms.value.find((room) => room.name === name);
  }

  // What the client tells

  #listen() {
    const { client } = this;
    client.on("state", () => {
      this.link.value = this.#linkNow();
      const { refusal } = client;
      if (refusal?.code === "bad_request") this.nameError.value = refusal.message;
    });
    client.on("welcome", ({ user, name }) => batch(() => {
      this.user.value = user;
      this.name.value = name;
      this.limits.value = client.limits;
      this.#store.set("name", name);
    }));
    client.on("joined", (reply) => this.#joined(reply));
    client.on("gap", ({ room: name, upto }) => {
      const room = this.#room(name);
      room?.timeline.gap({ epoch: client.rooms.get(name).position.epoch, upto });
      room?.changed();
    });
    client.on("event", (event) => this.#event(event));
    client.on("outbox", (entry) => this.#outbox(entry));
    client.on("refused", ({ room: name, error }) => {
      const room = this.#room(name);
      if (room) room.error.value = error;
    });
    addEventListener("popstate", () => this.#follow(location.pathname, true));
    document.addEventListener("visibilitychange", () => {
      const room = this.current.value;
      if (document.visibilityState === "visible" && room?.atEnd) this.#seen(room);
    });
  }

  #linkNow() {
    const { state, retryAt, node, latency, refusal } = this.client;
    return { state, retryAt, node, latency, refusal };
  }

  #joined(reply) {
    const room = this.#room(reply.room);
    if (!room) return;
    if (reply.fresh) room.timeline.start(reply);
    room.joined.value = true;
    after(SETTLE_SECONDS).then(() => { room.settled.value = true; });
    room.members.value = reply.members ?? null;
    room.settle(this.client.rooms.get(reply.room).position.seq);
    if (this.#mark(room)?.epoch !== reply.epoch) this.#marks({ [room.name]: { epoch: reply.epoch, seq: reply.seq } });
    this.#count(room);
    if (room === this.current.value && room.unread.value) this.#show(room);
    room.changed();
  }

  #event(event) {
    const room = this.#room(event.room);
    if (!room) return;
    room.timeline.push(event);
    room.settle(event.seq);
    const attended = room === this.current.value && room.atEnd && document.visibilityState === "visible";
    if (attended) this.#seen(room);
    else if (event.type === "message" && event.user !== this.user.value) this.#unseen(room);
    if (attended && room.timeline.trim()) room.changed();
    room.changed();
  }

  #outbox(entry) {
    const room = this.#room(entry.room);
    if (!room) return;
    room.update(entry, this.client.rooms.get(entry.room)?.position);
    room.changed();
  }

  // What is read

  #mark(room) {
    return this.#store.get("read", {})[room.name];
  }

  #marks(change) {
    this.#store.set("read", { ...this.#store.get("read", {}), ...change });
  }

  #seen(room) {
    const { epoch, last: seq } = room.timeline;
    room.unread.value = 0;
    room.below.value = 0;
    if (!epoch || !room.joined.value) return;
    const mark = this.#mark(room);
    if (mark?.epoch !== epoch || mark.seq < seq) this.#marks({ [room.name]: { epoch, seq } });
  }

  #unseen(room) {
    if (room === this.current.value) {
      room.below.value += 1;
      room.unreadAfter ??= this.#mark(room)?.seq ?? null;
    }
    this.#count(room);
  }

  #count(room) {
    const mark = this.#mark(room);
    room.unread.value = mark ? room.timeline.countAfter(mark.seq, this.user.value) : 0;
  }

  #title() {
    const count = this.unread.value;
    const room = this.current.value;
    document.title = `${count ? `(${badge(count)}) ` : ""}${room ? `${plain(room.name)} · ` : ""}Parley`;
  }
}
