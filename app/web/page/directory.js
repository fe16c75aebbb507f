/** The rooms there are, beyond those the viewer is in: for the switcher, and direct rooms that others have opened. */

import { signal } from "../vendor/vendor.js";
import { isDirect } from "./format.js";

const LIMIT = 100;

export class Directory {
  #chat;
  #store;
  /** By user, what those of direct rooms are called now, as presence has said. */
  #heard = new Map();

  constructor(chat, store) {
    this.#chat = chat;
    this.#store = store;
    /** `[{room, members, topic, ts}]`, newest activity first. */
    this.rooms = signal([]);
    /** @type {Map<string, {user: string, name: string}>} the other one of each direct room known here */
    this.others = this.#kept;
    store.watch("direct", () => { this.others = this.#kept; });
    const { client } = chat;
    client.on("welcome", () => this.load());
    client.on("direct", (push) => {
      this.#heard.delete(push.with.user);
      this.met(push.room, push.with);
    });
    client.on("presence", ({ presence, joined }) => this.#called(presence ?? joined));
    client.on("joined", ({ presence }) => this.#called(presence));
  }

  /** Ask what there is now; direct rooms appear by themselves. */
  async load() {
    try {
      const { rooms, direct = [] } = await this.#chat.client.list(LIMIT);
      this.rooms.value = rooms;
      for (const one of direct) if (this.#wanted(one)) this.met(one.room, this.#now(one.with));
    } catch {
      // the list stays as it was: it helps to find a room, and every room can be named
    }
  }

  /** Open the room of the viewer and another. */
  async direct(user) {
    try {
      const { room, with: other } = await this.#chat.client.direct(user);
      this.met(room, other);
      this.#chat.open(room);
    } catch (error) {
      this.#chat.notices.add(error.temporary ? "That did not work just now. Try again." : error.message);
    }
  }

  /** People are there under these names: who has another one than before has it in direct rooms too, before writing there. */
  #called(people) {
    if (!people?.length || !this.others.size) return;
    const names = new Map(people.map(({ user, name }) => [user, name]));
    for (const [room, { user, name }] of this.others) {
      if (!names.has(user)) continue;
      this.#heard.set(user, names.get(user));
      if (names.get(user) !== name) this.#meet(room, { user, name: names.get(user) });
    }
  }

  /** Somebody as the server's list has it, where the name may be that of the last message, under the present name. */
  #now({ user, name }) {
    return { user, name: this.#heard.get(user) ?? name };
  }

  /** A direct room is known from now on, and with whom it is; the viewer is in it. */
  met(name, other) {
    if (!other?.user) return;
    this.#meet(name, other);
    this.#leave(name, undefined);
    this.#chat.add(name);
  }

  #meet(name, { user, name: called }) {
    const other = { user, name: called };
    this.others = this.#kept.set(name, other);
    this.#store.set("direct", Object.fromEntries(this.others));
    const room = this.#chat.find(name);
    if (room) room.other.value = other;
  }

  /** The viewer leaves a direct room: it comes back when more is said there. `seq` is what was said last, null if not known. */
  left(name, seq) {
    if (isDirect(name)) this.#leave(name, seq);
  }

  get #kept() {
    return new Map(Object.entries(this.#store.get("direct", {})));
  }

  /** Whether a direct room is one to be in: something was said there, since the viewer has left it if they did. */
  #wanted({ room, seq }) {
    if (this.#chat.find(room)) return true;
    const left = this.#store.get("left", {});
    if (left[room] === null) this.#leave(room, seq);
    return seq > 0 && (left[room] === undefined || (left[room] !== null && left[room] !== seq));
  }

  #leave(name, seq) {
    this.#store.set("left", { ...this.#store.get("left", {}), [name]: seq });
  }
}
