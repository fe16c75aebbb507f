/** The rooms there are, beyond those the viewer is in: for the switcher, and direct rooms that others have opened. */

import { signal } from "../vendor/vendor.js";

const LIMIT = 100;

export class Directory {
  #chat;
  #store;

  constructor(chat, store) {
    this.#chat = chat;
    this.#store = store;
    /** `[{room, members, topic, ts}]`, newest activity first. */
    this.rooms = signal([]);
    /** @type {Map<string, {user: string, name: string}>} the other one of each direct room known here */
    this.others = new Map(Object.entries(store.get("direct", {})));
    const { client } = chat;
    client.on("welcome", () => this.load());
    client.on("direct", (push) => this.met(push.room, push.with));
  }

  /** Ask what there is now; direct rooms appear by themselves. */
  async load() {
    try {
      const { rooms, direct = [] } = await this.#chat.client.list(LIMIT);
      this.rooms.value = rooms;
      for (const one of direct) if (one.seq > 0 || this.#chat.find(one.room)) this.met(one.room, one.with);
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

  /** A direct room is known from now on, and with whom it is; the viewer is in it. */
  met(name, other) {
    if (!other?.user) return;
    this.others.set(name, { user: other.user, name: other.name });
    this.#store.set("direct", Object.fromEntries(this.others));
    this.#chat.add(name);
  }
}
