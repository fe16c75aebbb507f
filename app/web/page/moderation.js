/** What moderators do to people, and what it means for the viewer. */

import { clock, fullDate } from "./format.js";

/** How long something can hold, in seconds; 0 is for ever. */
export const TERMS = [[600, "10 minutes"], [3600, "1 hour"], [86_400, "1 day"], [604_800, "1 week"], [0, "for ever"]];

const DEEDS = 30;

export class Moderation {
  #chat;

  /** @param {import("./chat.js").Chat} chat */
  constructor(chat) {
    this.#chat = chat;
  }

  /** Ask what is to be done to somebody. */
  choose(room, user, name) {
    this.#chat.dialog.value = { kind: "moderate", room, user, name };
  }

  kick(room, { user, name, reason }) {
    return this.#do(this.#moderator.kick(user, { room: room.name, reason }), `${name} was removed from #${room.name}.`);
  }

  mute(room, { user, name, seconds, reason }) {
    const done = `${name} is muted in #${room.name} ${term(seconds)}.`;
    return this.#do(this.#moderator.mute(user, seconds, { room: room.name, reason }), done);
  }

  ban(room, { user, name, seconds, reason, addresses }) {
    const done = `${name} is banned from #${room.name} ${term(seconds)}.`;
    return this.#do(this.#moderator.ban(user, { room: room.name, seconds, reason, addresses }), done);
  }

  /** End a ban or mute of the list. */
  end(room, { kind, user, name, address }) {
    const whom = user ? { room: room.name } : { room: room.name, address };
    const act = kind === "mute" ? this.#moderator.unmute(user, whom) : this.#moderator.unban(user || undefined, whom);
    return this.#do(act, `${name || user || address} is ${kind === "mute" ? "no longer muted" : "no longer banned"}.`);
  }

  /** What holds and what was done: `{held, deeds}`, or null where that cannot be had now. */
  async list(room) {
    try {
      return await this.#moderator.list({ room: room.name, limit: DEEDS });
    } catch (error) {
      this.#chat.notices.add(told(error));
      return null;
    }
  }

  /** A moderator did something to the viewer: in one room, or in all. */
  met(push) {
    const { action, room: name, seconds, reason } = push;
    const rooms = name ? [this.#chat.find(name)].filter(Boolean) : this.#chat.rooms.value;
    for (const room of rooms) room.meet(push);
    const where = name ? `in #${name}` : "in all rooms";
    const why = reason ? `: ${reason}` : ".";
    if (action === "mute") this.#chat.notices.add(`A moderator has muted you ${where} ${term(seconds ?? 0)}${why}`);
    if (action === "unmute") this.#chat.notices.add(`You may write again ${where}.`);
  }

  get #moderator() {
    return this.#chat.client.moderator;
  }

  async #do(asked, done) {
    try {
      await asked;
      this.#chat.notices.add(done);
      return true;
    } catch (error) {
      this.#chat.notices.add(told(error));
      return false;
    }
  }
}

const told = (error) => error.temporary ? "That did not work just now. Try again." : `That was refused: ${error.message}`;

/** "for 10 minutes", "for 2 hours", "for ever". */
export function term(seconds) {
  if (!seconds) return "for ever";
  const [size, unit] = [[86_400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]].find(([one]) => seconds >= one - 0.5) ?? [1, "second"];
  const count = Math.round(seconds / size);
  return `for ${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** When something ends, in words that suit how far away it is. */
export const ending = (ms, now = Date.now()) => ms === Infinity || ms === undefined ? "for ever"
  : `until ${ms - now < 20 * 3_600_000 ? clock(ms) : fullDate(ms)}`;
