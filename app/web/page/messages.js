/** What is said in the rooms: sent, changed, taken back, answered; and the history that is fetched. */

const PAGE = 50;
/** How long to wait before asking again for history that could not be had. */
const RETRY_MS = 2000;
/** How long it may take until what came is drawn. */
export const SETTLE_MS = 200;

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Messages {
  #chat;

  /** @param {import("./chat.js").Chat} chat */
  constructor(chat) {
    this.#chat = chat;
  }

  send(room, text) {
    room.unreadAfter = null;
    room.ends += 1;
    this.#chat.client.send(room.name, text).catch(() => {}); // the row shows it
  }

  retry(cid) {
    this.#chat.client.retry(cid);
  }

  discard(cid) {
    this.#chat.client.discard(cid);
  }

  // A message to be changed is named by what was seen of it, its mid with its seq: nothing else is changed in its place.

  edit(room, { seq, mid, text: before }, text) {
    this.stopEdit(room);
    if (text !== before) this.#chat.client.edit(room.name, seq, text, mid).catch(() => {});
  }

  /** Leave the message that is being edited as it is. */
  stopEdit(room) {
    room.editing.value = room.edit = null;
  }

  /**
   * Open the latest message of the viewer's own for a change. False where there is none, or where it has no place yet:
   * the one before it is not the one that is meant.
   */
  editLast(room) {
    const latest = room.unsent.findLast(({ change }) => change.type === "send");
    if (latest && latest.state !== "sent") return false;
    const mine = ({ type, user, deleted }) => type === "message" && user === this.#chat.user.value && !deleted;
    const own = room.acknowledged.at(-1) ?? room.timeline.latest.findLast(mine);
    if (own) room.editing.value = own.seq;
    return Boolean(own);
  }

  delete(room, { seq, mid }) {
    this.#chat.client.delete(room.name, seq, mid).catch(() => {});
  }

  /** Put the viewer's emoji under a message, or take it away where it is. */
  react(room, { seq, mid }, emoji) {
    const users = room.timeline.find(seq)?.reactions?.find((reaction) => reaction.emoji === emoji)?.users ?? [];
    const waiting = room.unsent.findLast(({ change }) => change.type === "react" && change.mid === mid && change.emoji === emoji);
    const on = waiting ? waiting.change.on : users.includes(this.#chat.user.value);
    this.#chat.client.react(room.name, seq, emoji, !on, mid).catch(() => {});
  }

  /** Bring the page of history before a run: the top one when scrolling up, a later one to fill the gap before it. */
  older(room, run) {
    if (!run?.more) return undefined;
    return this.#fetch(room, run, { before: run.first }, (page) => room.timeline.prepend(run, page));
  }

  /** Bring what follows the run before `run`, where the gap between them was left by going back. */
  newer(room, run) {
    const before = room.timeline.before(run);
    if (!run.more || !before) return undefined;
    return this.#fetch(room, run, { after: before.last }, (page) => room.timeline.append(before, page));
  }

  /** Go to the first message that was new when the room was opened. */
  toNews(room) {
    room.target = room.unreadAfter + 1;
    this.reach(room);
  }

  /** See to it that the message the viewer was led to is there; the log then shows it. */
  async reach(room) {
    const { target, timeline } = room;
    if (target === null || !room.joined.value) return;
    try {
      if (!timeline.has(target)) timeline.place(await this.#chat.client.history(room.name, { before: target + PAGE / 2, limit: PAGE }));
    } catch (error) {
      if (error.temporary) return; // looked for again with the next connection
    }
    if (!timeline.has(target) && room.target === target) {
      room.target = null;
      this.#chat.notices.add("That message is no longer available.");
      if (room === this.#chat.current.value) this.#chat.open(room.name, { replace: true });
    }
    room.changed();
  }

  async #fetch(room, run, where, take) {
    if (room.loading.value || !this.#chat.online.value) return;
    room.loading.value = run;
    try {
      take(await this.#chat.client.history(room.name, { ...where, limit: PAGE }));
      room.changed();
      await after(SETTLE_MS); // drawn by then, and not read out as news
    } catch (error) {
      // Not at once again: the log asks as soon as nothing is loading any more.
      if (error.temporary) await after(1000 * error.retry || RETRY_MS);
      else run.more = false;
    } finally {
      room.loading.value = null;
    }
  }
}

const REFUSED = { edit: "Not changed", delete: "Not deleted", react: "No reaction given", topic: "The topic stays as it was" };

/** What to tell who made a change that the server refused. */
export function refusal(type, error) {
  return `${REFUSED[type] ?? "That did not work"}: ${error?.message || "the server does not allow it."}`;
}
