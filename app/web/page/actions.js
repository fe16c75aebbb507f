/** What people do with rooms and messages beyond writing: by button or by key. Opens dialogs, copies addresses. */

import { roomPath } from "./format.js";

export class Actions {
  #chat;

  constructor(chat) {
    this.#chat = chat;
  }

  /** A key pressed on a row. */
  key(event, room, row, element) {
    const act = {
      e: row.mine && !row.deleted && (() => this.edit(room, row.seq)),
      r: !row.deleted && (() => this.pick(room, row, element)),
      c: () => this.copyLink(room, row.seq),
      Delete: (row.mine || room.moderates) && !row.deleted && (() => this.delete(room, row)),
      m: !row.mine && room.moderates && (() => this.#chat.moderation.choose(room, row.user, row.name)),
    }[event.shiftKey || event.key.length > 1 ? event.key : event.key.toLowerCase()]; // Caps Lock is no Shift
    if (!act) return;
    event.preventDefault();
    act();
  }

  edit(room, seq) {
    room.editing.value = seq;
  }

  /** Ask whether it is meant. */
  delete(room, message) {
    this.#chat.dialog.value = { kind: "delete", room, message };
  }

  /** Offer emoji for a message, beside an element. */
  pick(room, message, element) {
    this.#chat.dialog.value = { kind: "react", room, message, near: element.getBoundingClientRect() };
  }

  copyLink(room, seq) {
    this.#copy(`${location.origin}${roomPath(room.name)}#${seq}`, "The link to this message is copied.");
  }

  /** The address of a room, for whoever else should come. */
  invite(room) {
    this.#copy(`${location.origin}${roomPath(room.name)}`, "The link to this room is copied.");
  }

  async #copy(text, done) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Plain http on a network's own name is no secure context and has no clipboard: then by hand.
      this.#chat.dialog.value = { kind: "copy", text };
      return;
    }
    this.#chat.notices.add(done);
  }
}
