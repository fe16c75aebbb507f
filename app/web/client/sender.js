/**
 * Brings what is in the outbox to the server: in order, a bounded number unacknowledged, again after every reconnect,
 * until each entry is acknowledged or refused.
 *
 * Owns: which entries are in flight on this connection, and the promises their authors hold.
 */

import { delay } from "./backoff.js";
import { ParleyError } from "./errors.js";
import { maySend, Outbox } from "./outbox.js";

export class Sender {
  /** How many may be unacknowledged at once; the server says it in its welcome. */
  unacked = 32;

  #client;
  #request;
  #inFlight = new Set();
  #promises = new Map();
  #online = false;
  #pausedUntil = 0;
  #timer = 0;

  /**
   * @param {import("./parley.js").Parley} client for its rooms and user, and to emit `outbox` on
   * @param {import("./storage.js").Store} store of the tab
   * @param {(body: object, done: (error: ParleyError | null, reply?: object) => void) => boolean} request
   */
  constructor(client, store, request) {
    this.#client = client;
    this.#request = request;
    this.outbox = new Outbox(store);
  }

  /**
   * Take a change for a room: `{type: "send", text}`, `{type: "edit", seq, mid, text}` and the like. Resolves with
   * `{seq, mid, ts}` once stored; rejects when refused for good.
   */
  change(room, change) {
    const entry = this.outbox.add(room, change);
    const promise = new Promise((resolve, reject) => this.#promises.set(entry.cid, { resolve, reject }));
    this.#client.emit("outbox", entry);
    this.pump();
    return promise;
  }

  retry(cid) {
    const entry = this.outbox.retry(cid);
    if (!entry) return;
    this.#client.emit("outbox", entry);
    this.pump();
  }

  discard(cid) {
    const entry = this.outbox.discard(cid);
    if (!entry) return;
    this.#client.emit("outbox", { ...entry, state: "dropped" });
    this.#finish(cid, new ParleyError("closed", "Dropped before it was sent."));
  }

  online(unacked) {
    if (unacked > 0) this.unacked = unacked;
    this.#online = true;
    this.#pausedUntil = 0;
  }

  lost() {
    this.#online = false;
    this.#inFlight.clear();
    clearTimeout(this.#timer);
  }

  /** An ack, or an event that shows what an ack would: the server has the change with this cid. */
  settle({ cid, user, seq, mid, ts }) {
    if (user !== undefined && user !== this.#client.user) return;
    const entry = this.outbox.settle(cid, { seq, mid, ts });
    if (!entry) return;
    this.#client.rooms.get(entry.room)?.acknowledged(seq, mid);
    this.#client.emit("outbox", entry);
    this.#finish(cid, null, { seq, mid, ts });
  }

  /** The room is joined (again): entries whose fate nobody can tell any more are given back to their author. */
  joined(room, recovered) {
    for (const entry of this.outbox.entries(room)) {
      if (entry.state !== "pending" || maySend(entry, { user: this.#client.user, recovered })) continue;
      this.#fail(entry, new ParleyError("unconfirmed", "It is not known whether this was sent."));
    }
    this.pump();
  }

  /** Send what may go out now. */
  pump() {
    clearTimeout(this.#timer);
    if (!this.#online) return;
    const pause = this.#pausedUntil - Date.now();
    if (pause > 0) {
      this.#timer = setTimeout(() => this.pump(), pause);
      return;
    }
    for (const entry of this.outbox.entries()) {
      if (this.#inFlight.size >= this.unacked) return;
      if (entry.state !== "pending" || this.#inFlight.has(entry.cid)) continue;
      if (this.#client.rooms.get(entry.room)?.joined) this.#send(entry);
    }
  }

  #send(entry) {
    const { cid, room, change } = entry;
    this.outbox.tried(entry, this.#client.user);
    const sent = this.#request({ ...change, room, cid }, (error, ack) => {
      this.#inFlight.delete(cid);
      if (!error) this.settle(ack);
      else if (error.temporary) this.#pausedUntil = Date.now() + 1000 * ((error.retry || 0.5) + delay(0));
      else this.#fail(entry, error);
      this.pump();
    });
    if (sent) this.#inFlight.add(cid);
  }

  #fail(entry, error) {
    if (this.outbox.get(entry.cid) !== entry) return;
    this.outbox.fail(entry, error);
    this.#client.emit("outbox", entry);
    // A message that was refused is its author's to send again; a change to one is over, and said to be.
    if (entry.change.type !== "send") this.outbox.discard(entry.cid);
    this.#finish(entry.cid, error);
  }

  #finish(cid, error, result) {
    const promise = this.#promises.get(cid);
    this.#promises.delete(cid);
    if (error) promise?.reject(error);
    else promise?.resolve(result);
  }
}
