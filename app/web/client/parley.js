/**
 * The browser client of Parley, without the page: protocol version 1, in the words of the protocol.
 *
 *   import { Parley } from "/client/parley.js";
 *
 *   const parley = new Parley({ name: "Ada" });
 *   parley.on("message", ({ room, name, text }) => console.log(room, name, text));
 *   parley.connect();
 *   const { messages } = await parley.join("lobby");     // the latest, oldest first
 *   await parley.send("lobby", "hi");                    // resolves once it is stored
 *
 * It stays connected by itself, resumes every room at its position, hands on each event once and in order, and keeps
 * what is sent in an outbox until the server has it. Events, besides every event and push under its own `type`:
 *
 *   state     the connection changed: read `state`, `retryAt`, `node`, `latency`, `putOff`, `refusal`
 *   welcome   said hello: `user`, `name`, `limits`
 *   event     any event of a room's sequence, each exactly once, in order
 *   joined    {room, fresh, recovered, messages, ...}: in the room; `messages` only when `fresh`, the rest came as events
 *   gap       {room, after, upto, epochChanged}: events between are missing; those that follow it come as usual
 *   refused   {room, error}: the room cannot be joined, or was left by the server's will, and is not tried again
 *   moderated what a moderator did to this user: `action`, `room`, `seconds`, `reason`
 *   outbox    an entry of the outbox changed: {cid, room, change, at, state, error, seq, ts}
 */

import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { ParleyError } from "./errors.js";
import { Moderator } from "./moderator.js";
import { Renewal } from "./renewal.js";
import { Requests } from "./requests.js";
import { isEvent } from "./room.js";
import { Rooms } from "./rooms.js";
import { Sender } from "./sender.js";
import { randomName, Store } from "./storage.js";

export { ParleyError };

/** Errors of hello, and the close code, after which a guest of old comes as a new one. */
const UNKNOWN_GUEST = new Set(["unauthorized", "expired", 4500]);

/** Measured while a page still starts or rooms still load, a round trip would only show how busy this side is. */
const FIRST_PING_MS = 1000;

/** So often the server wants to hear of somebody who goes on writing. */
const TYPING_SECONDS = 3;

export class Parley extends Emitter {
  user = null;
  node = null;
  /** The last measured round trip, in milliseconds. */
  latency = null;
  limits = { text: 4000, frame: 65536, rooms: 100, unacked: 32 };
  /** Why the server has this client come again later, if so. */
  putOff = null;
  /** Why the server does not let this client in, if so. */
  refusal = null;

  #tab = new Store("sessionStorage");
  #browser = new Store("localStorage");
  #session;
  #token;
  #renewal = null;
  #connection;
  #requests = new Requests();
  #sender;
  #rooms;
  /** The name to go back to where the server refuses another one. */
  #taken;
  /** Who waits to hear what became of another name; or null. */
  #renaming = null;
  #typed = new Map();
  #hellos = 0;
  #firstPing = 0;

  /**
   * @param {object} [options]
   * @param {string} [options.url] of the websocket; that of the page's own server by default
   * @param {string} [options.name] a guest's name
   * @param {string | (() => string | Promise<string>)} [options.token] a signed-in user's token, or where to get one: asked
   *   for each connection, and a minute before the one given ends
   * @param {number} [options.page] how many of the latest messages a fresh join asks for
   */
  constructor({ url = `${location.origin.replace(/^http/, "ws")}/ws`, name = "", token = null, page = 50 } = {}) {
    super();
    this.name = this.#taken = name;
    this.#token = token;
    this.#session = this.#tab.get("session") ?? randomName();
    this.#tab.set("session", this.#session);
    const request = (body, done) => this.#request(body, done);
    this.#sender = new Sender(this, this.#tab, request);
    this.#rooms = new Rooms(this, this.#sender, request, page, () => this.#connection.cut());
    if (typeof token === "function") this.#renewal = new Renewal(token, request);
    /** What moderators may do. */
    this.moderator = new Moderator((body) => this.#ask(body));
    this.#connection = new Connection(url, {
      opened: () => this.#hello(),
      message: (message) => this.#receive(message),
      lost: () => this.#lost(),
      changed: () => this.#changed(),
      ping: () => this.ping(),
    });
  }

  /** `connecting`, `online`, `waiting` (until `retryAt`) or `offline`. */
  get state() {
    return this.#connection.state;
  }

  get retryAt() {
    return this.#connection.retryAt;
  }

  /** @returns {Map<string, import("./room.js").Room>} the rooms this client is in or wants to be in */
  get rooms() {
    return this.#rooms.byName;
  }

  /** The changes not confirmed yet, oldest first; of one room if named. */
  pending(room) {
    return this.#sender.outbox.entries(room);
  }

  connect() {
    this.refusal = null;
    this.#connection.retryNow();
  }

  /** Leave for good. What is in the outbox stays there. */
  close() {
    this.#connection.stop();
  }

  /**
   * Go by another name from now on, as the same guest. Resolves once the server has taken it. Rejects where it does not, and
   * goes on under the name before, if there is one; also, with `closed`, when yet another name is chosen meanwhile.
   */
  rename(name) {
    this.#renamed(new ParleyError("closed", "Another name was chosen."));
    return new Promise((resolve, reject) => {
      this.#renaming = { resolve, reject };
      this.name = name;
      this.#anew();
    });
  }

  /** Be the signed-in user of a token from now on. What waits in the outbox is sent as that user. */
  signIn(token) {
    this.#token = token;
    this.#anew();
  }

  /** What became of another name: taken, or the error. */
  #renamed(error = null) {
    const renaming = this.#renaming;
    this.#renaming = null;
    if (error) renaming?.reject(error);
    else renaming?.resolve();
  }

  #anew() {
    this.refusal = null;
    if (this.state === "offline") this.#connection.start();
    else this.#connection.restart();
  }

  /** Enter a room and stay in it over reconnects. Resolves with the first `joined`; rejects when refused. */
  join(room) {
    return this.#rooms.join(room);
  }

  /** Leave a room; what is still in the outbox for it is dropped. */
  leave(room) {
    this.#rooms.leave(room);
    for (const { cid } of this.pending(room)) this.discard(cid);
  }

  /** Send a text to a joined room. Resolves with `{seq, mid, ts}` once stored; rejects when refused for good. */
  send(room, text) {
    return this.#change(room, { type: "send", text });
  }

  /**
   * Give one's own message another text. Like `send`: kept until stored or refused.
   *
   * A message is named by `seq` and `mid`, since a room that lost events uses their seqs again; without a mid it is the
   * one that this client knows by that seq, of the last events and acks.
   */
  edit(room, seq, text, mid) {
    return this.#amend(room, { type: "edit", seq, mid, text });
  }

  /** Take one's own message back. */
  delete(room, seq, mid) {
    return this.#amend(room, { type: "delete", seq, mid });
  }

  /** Put an emoji under a message, or take one's own away again. */
  react(room, seq, emoji, on = true, mid = undefined) {
    return this.#amend(room, { type: "react", seq, mid, emoji, on });
  }

  /** Say what a room is about; "" for nothing. */
  topic(room, topic) {
    return this.#change(room, { type: "topic", topic });
  }

  /** A page of history: `{before}` or `{after}` a seq. Resolves with `{messages, more}`. */
  history(room, { before, after, limit = 50 } = {}) {
    return this.#ask({ type: "history", room, before, after, limit });
  }

  /** The user has read up to `seq`. Resolves with `{seq}`, where the mark is now: it only moves forward. */
  read(room, seq) {
    return this.#ask({ type: "read", room, seq });
  }

  /** The rooms there are, newest activity first: resolves with `{rooms, direct}`. */
  list(limit = 50) {
    return this.#ask({ type: "rooms", limit });
  }

  /** The room of oneself and another user, to be joined as usual: resolves with `{room, with}`. */
  direct(user) {
    return this.#ask({ type: "direct", user });
  }

  /** The user is writing. May be called at every key: it is said at most every three seconds, and only while online. */
  typing(room) {
    const now = Date.now();
    if (this.state !== "online" || !this.rooms.get(room)?.joined) return;
    if (now - (this.#typed.get(room) ?? 0) < TYPING_SECONDS * 1000) return;
    this.#typed.set(room, now);
    this.#connection.write({ type: "typing", room });
  }

  /** Measure the round trip; `latency` has it afterwards. */
  ping() {
    const asked = performance.now();
    this.#request({ type: "ping" }, (error) => {
      if (error) return;
      this.latency = performance.now() - asked;
      this.emit("state", this);
    });
  }

  /** Try a failed entry of the outbox again. */
  retry(cid) {
    this.#sender.retry(cid);
  }

  /** Drop an entry of the outbox. */
  discard(cid) {
    this.#sender.discard(cid);
  }

  // Hello

  async #hello() {
    const turn = ++this.#hellos;
    let token = this.#token;
    try {
      if (this.#renewal) token = await this.#renewal.token();
    } catch {
      if (turn === this.#hellos) this.#connection.cut(); // nobody gives a token now: later again
      return;
    }
    if (turn !== this.#hellos) return; // that socket is gone
    const guest = this.#browser.get("guest") ?? undefined;
    const who = token ? { token } : { name: this.name || undefined, guest };
    const sent = this.#request({ type: "hello", ...who, session: this.#session }, (error, reply) => {
      if (error) this.#turnedAway(error);
      else this.#welcome(reply);
    });
    // Nothing waits for the welcome: one round trip brings it together with every room.
    if (sent) this.#rooms.ask();
  }

  #welcome(welcome) {
    this.user = welcome.user;
    this.name = this.#taken = welcome.name;
    this.node = welcome.node;
    this.limits = { ...this.limits, ...welcome.limits };
    if (welcome.guest) this.#browser.set("guest", welcome.guest);
    if (welcome.exp !== undefined) this.#renewal?.lasts(welcome.exp);
    this.#sender.online(this.limits.unacked);
    this.#renamed();
    this.emit("welcome", welcome);
    this.#connection.established(welcome.ping);
    this.#rooms.welcomed();
    clearTimeout(this.#firstPing);
    this.#firstPing = setTimeout(() => this.ping(), FIRST_PING_MS);
  }

  #turnedAway(error) {
    if (error.temporary) {
      if (error.retry) this.putOff = error;
      return this.#connection.cut(error.retry);
    }
    if (this.#forgetGuest(error.code)) return this.#connection.restart();
    if (this.#renaming) {
      this.#renamed(error);
      if (this.#taken) {
        this.name = this.#taken;
        return this.#connection.restart();
      }
    }
    this.refusal = error;
    return this.#connection.stop();
  }

  #changed() {
    const { state, code, meaning } = this.#connection;
    if (state === "connecting") this.putOff = null;
    if (state === "offline" && code) {
      if (this.#forgetGuest(code)) return void queueMicrotask(() => this.#connection.start());
      this.refusal = new ParleyError("closed", meaning);
      this.#renamed(this.refusal);
    }
    this.emit("state", this);
  }

  /** The guest remembered from earlier is unknown here (a server made anew, a token too old). */
  #forgetGuest(code) {
    if (this.#token || !UNKNOWN_GUEST.has(code) || !this.#browser.get("guest")) return false;
    this.#browser.set("guest", null);
    return true;
  }

  #lost() {
    this.#hellos++;
    this.#renewal?.over();
    this.#rooms.lost();
    this.#sender.lost();
    this.#requests.abandon();
  }

  #receive(message) {
    if (message.id !== undefined && this.#requests.settle(message)) return;
    if (isEvent(message)) {
      // The server promises that there is no hole. Should there be one, resuming at the position closes it.
      if (!this.#rooms.receive(message)) this.#connection.cut();
      return;
    }
    // The server's heartbeat is the occasion to measure again, for whoever looks at the figure.
    if (message.type === "ping" && globalThis.document?.visibilityState === "visible") this.ping();
    if (message.type === "going-away") this.#connection.leaveIn(message.after);
    else if (message.type === "resync") this.#rooms.resync(message);
    this.emit(message.type, message);
    if (message.type === "left") this.#rooms.takenOut(message);
  }

  #change(room, change) {
    if (change.type === "send") this.#typed.delete(room); // a message ends the typing: the next key tells of it anew
    if (this.rooms.has(room)) return this.#sender.change(room, change);
    return Promise.reject(new ParleyError("not_joined", "This room is not joined."));
  }

  #amend(room, change) {
    const mid = change.mid || this.rooms.get(room)?.midOf(change.seq);
    if (mid || !this.rooms.has(room)) return this.#change(room, { ...change, mid });
    return Promise.reject(new ParleyError("unknown_message", "That message is not known here: name its mid as well."));
  }

  #ask(body) {
    return new Promise((resolve, reject) => {
      const sent = this.#request(body, (error, reply) => (error ? reject(error) : resolve(reply)));
      if (!sent) reject(new ParleyError("unavailable", "Not connected.", { temporary: true }));
    });
  }

  /** Ask something; `done` gets the answer. False, and `done` never called, when there is no open socket. */
  #request({ type, ...body }, done) {
    const id = this.#requests.open(done);
    const sent = this.#connection.write({ type, id, ...body });
    if (!sent) this.#requests.cancel(id);
    return sent;
  }
}
