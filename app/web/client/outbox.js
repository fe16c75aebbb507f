/**
 * Changes that the server has not confirmed yet, in the order they were made.
 *
 * They are kept in the tab's storage, so a reload does not lose them, and sent again with the same `cid` until they are
 * acknowledged or refused. Owns: the entries and their state. Knows nothing of sockets.
 */

import { randomName } from "./storage.js";

/** The server remembers a `cid` for at least ten minutes; the minute less is for clocks and slow networks. */
const DEDUPE_SECONDS = 9 * 60;
/** After so long, nothing of an older connection is still on its way into the room. */
const SETTLED_SECONDS = 60;

export class Outbox {
  #entries = new Map();
  #store;

  /** @param {import("./storage.js").Store} store the tab's */
  constructor(store) {
    this.#store = store;
    for (const kept of store.get("outbox", [])) {
      this.#entries.set(kept.cid, { ...kept, state: kept.state === "failed" ? "failed" : "pending" });
    }
  }

  /** A new change: `{type, text, ...}` for the room, pending. What is to be done to a message names it by seq and mid. */
  add(room, change) {
    const entry = { cid: randomName(), room, change, at: Date.now(), tried: null, state: "pending", error: null };
    this.#entries.set(entry.cid, entry);
    this.#save();
    return entry;
  }

  get(cid) {
    return this.#entries.get(cid);
  }

  /** All entries, oldest first; of one room if named. */
  entries(room) {
    const all = [...this.#entries.values()];
    return room === undefined ? all : all.filter((entry) => entry.room === room);
  }

  /** Note that the entry goes out now, by this user: from here on it may be stored without our knowing. */
  tried(entry, user) {
    if (entry.tried) return;
    entry.tried = { at: Date.now(), user };
    this.#save();
  }

  /** The server has it: returns the entry, now `sent`, or undefined when it is none of ours. */
  settle(cid, { seq, mid, ts }) {
    const entry = this.#entries.get(cid);
    if (!entry) return undefined;
    this.#entries.delete(cid);
    this.#save();
    return Object.assign(entry, { state: "sent", error: null, seq, mid, ts });
  }

  /** The server refuses it, or nobody can say whether it arrived: it stays, as `failed`. */
  fail(entry, error) {
    Object.assign(entry, { state: "failed", error: { code: error.code, message: error.message } });
    this.#save();
  }

  /** Try a failed entry again. It goes to the end: that is where its author puts it now. */
  retry(cid) {
    const entry = this.#entries.get(cid);
    if (!entry || entry.state !== "failed") return undefined;
    this.#entries.delete(cid);
    this.#entries.set(cid, Object.assign(entry, { state: "pending", error: null, tried: null, at: Date.now() }));
    this.#save();
    return entry;
  }

  discard(cid) {
    const entry = this.#entries.get(cid);
    this.#entries.delete(cid);
    this.#save();
    return entry;
  }

  #save() {
    const kept = this.entries().map(({ cid, room, change, at, tried, state, error }) => (
      { cid, room, change, at, tried, state, error }));
    this.#store.set("outbox", kept.length ? kept : null);
  }
}

/**
 * Whether a pending entry can go out (again) without the risk of appearing twice.
 *
 * One never tried can. One tried lately by the same user can, since the server knows its `cid`. An older one only when
 * the room was resumed without a hole, which would have shown it.
 */
export function maySend(entry, { user, recovered, now = Date.now() }) {
  if (!entry.tried) return true;
  const age = (now - entry.tried.at) / 1000;
  return (entry.tried.user === user && age < DEDUPE_SECONDS) || (recovered && age > SETTLED_SECONDS);
}
