/**
 * The rooms a client is in or wants to be in: joins them on every connection at their position, and hands on what
 * arrives for them, each event once and in order.
 *
 * Owns: the rooms, and the promises of those who wait to be in one.
 */

import { delay } from "./backoff.js";
import { NoAnswer, ParleyError } from "./errors.js";
import { Room } from "./room.js";

const TAKEN_OUT = {
  kicked: "A moderator has removed you from this room.",
  banned: "A moderator has banned you from this room.",
  rights: "You may not be in this room any longer.",
};

export class Rooms {
  /** @type {Map<string, Room>} */
  byName = new Map();

  #client;
  #sender;
  #request;
  #page;
  #cut;
  #waiting = new Map();
  #welcomed = false;

  /**
   * @param {import("./parley.js").Parley} client to emit on
   * @param {import("./sender.js").Sender} sender is told what was stored and which room is joined
   * @param {(body: object, done: (error: Error | null, reply?: object) => void) => boolean} request
   * @param {number} page how many of the latest messages a fresh join asks for
   * @param {() => void} cut gives the connection up for another one
   */
  constructor(client, sender, request, page, cut) {
    this.#client = client;
    this.#sender = sender;
    this.#request = request;
    this.#page = page;
    this.#cut = cut;
  }

  /** Enter a room and stay in it over reconnects. Resolves with its first `joined`; rejects when it is left before. */
  join(name) {
    if (!this.byName.has(name)) this.byName.set(name, new Room(name));
    const room = this.byName.get(name);
    if (room.joined) return Promise.resolve({ room: name, fresh: false, recovered: true, messages: [] });
    return new Promise((resolve, reject) => {
      this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), { resolve, reject }]);
      if (this.#welcomed) this.#join(room);
    });
  }

  leave(name) {
    const room = this.byName.get(name);
    if (!room) return;
    this.byName.delete(name);
    for (const { reject } of this.#take(name)) reject(new ParleyError("not_joined", "The room was left."));
    if (room.joined || room.asked) this.#request({ type: "leave", room: name }, () => {});
  }

  /** Ask for every room; may be said before the welcome (right after hello) and again after it. */
  ask() {
    for (const room of this.byName.values()) this.#join(room);
  }

  welcomed() {
    this.#welcomed = true;
    this.ask();
  }

  lost() {
    this.#welcomed = false;
    for (const room of this.byName.values()) room.joined = room.asked = false;
  }

  /** A live event. False when events before it are missing. */
  receive(event) {
    const verdict = this.byName.get(event.room)?.receive(event);
    if (verdict === "deliver") this.#handOn(event);
    return verdict !== "hole";
  }

  /** The server's new account of a room, in place of what followed this client's position. */
  resync(push) {
    const room = this.byName.get(push.room);
    if (!room?.joined) return;
    const { events, gap } = room.catchUp(push, push.lost !== true);
    if (gap) this.#client.emit("gap", { room: room.name, ...gap });
    for (const event of events) this.#handOn(event);
  }

  /** The server has taken the user out of a room: it is not entered again. */
  takenOut({ room: name, reason = "rights" }) {
    const room = this.byName.get(name);
    if (!room) return;
    room.joined = room.asked = false;
    this.#over(room, new ParleyError(reason, TAKEN_OUT[reason] ?? TAKEN_OUT.rights));
  }

  #join(room) {
    if (room.joined || room.asked) return;
    const body = { type: "join", room: room.name, limit: this.#page, since: room.position ?? undefined };
    room.asked = this.#request(body, (error, reply) => {
      room.asked = false;
      if (this.byName.get(room.name) !== room) return;
      if (error) this.#refused(room, error);
      else this.#joined(room, reply);
    });
  }

  #joined(room, reply) {
    const fresh = room.position === null;
    const { events, gap } = room.catchUp(reply, reply.recovered === true);
    const recovered = !fresh && !gap;
    room.joined = true;
    room.members = reply.members ?? room.members;
    if (gap) this.#client.emit("gap", { room: room.name, ...gap });
    for (const event of events) {
      if (fresh) this.#sender.settle(event);
      else this.#handOn(event);
    }
    const detail = { ...reply, room: room.name, fresh, recovered, messages: fresh ? events : [] };
    this.#client.emit("joined", detail);
    for (const { resolve } of this.#take(room.name)) resolve(detail);
    this.#sender.joined(room.name, recovered);
  }

  #refused(room, error) {
    if (!this.#welcomed) return; // hello itself failed, or the connection did: the next one asks again
    // Server and client do not agree on whether this connection is in the room: another one begins outside.
    if (error instanceof NoAnswer || error.code === "already_joined") return void this.#cut();
    if (error.temporary) {
      setTimeout(() => {
        if (this.#welcomed && this.byName.get(room.name) === room) this.#join(room);
      }, 1000 * (error.retry || delay(3)));
      return;
    }
    this.#over(room, error);
  }

  /** Not in a room, and not to be. */
  #over(room, error) {
    this.byName.delete(room.name);
    for (const { reject } of this.#take(room.name)) reject(error);
    this.#client.emit("refused", { room: room.name, error });
  }

  #handOn(event) {
    this.#sender.settle(event);
    this.#client.emit("event", event);
    this.#client.emit(event.type, event);
  }

  #take(name) {
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    return waiting;
  }
}
