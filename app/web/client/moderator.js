/**
 * What moderators may do, as requests. Without a room each is for all rooms and the server. Times are in seconds, 0 is
 * for ever. All reject with a ParleyError where the server refuses.
 */

export class Moderator {
  #ask;

  /** @param {(body: object) => Promise<object>} ask */
  constructor(ask) {
    this.#ask = ask;
  }

  /** Take a user out of a room, or close its connections. */
  kick(user, { room, reason } = {}) {
    return this.#ask({ type: "kick", user, room, reason });
  }

  /** Have a user write nothing: resolves with `{until}`. */
  mute(user, seconds, { room, reason } = {}) {
    return this.#ask({ type: "mute", user, seconds, room, reason });
  }

  /** End a mute: resolves with `{was}`. */
  unmute(user, { room } = {}) {
    return this.#ask({ type: "unmute", user, room });
  }

  /** Keep a user away, with `addresses` those that it is connected from too; or, with `address`, whoever comes from there. */
  ban(user, { room, seconds, reason, addresses, address } = {}) {
    return this.#ask({ type: "ban", user, room, seconds, reason, addresses, address });
  }

  /** End a ban, a user's with those of its addresses: resolves with `{was}`. */
  unban(user, { room, address } = {}) {
    return this.#ask({ type: "unban", user, room, address });
  }

  /** What holds and what was done: resolves with `{held, deeds}`. */
  list({ room, limit, before } = {}) {
    return this.#ask({ type: "moderation", room, limit, before });
  }
}
