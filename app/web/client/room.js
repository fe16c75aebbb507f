/**
 * One room as this client sees it: its position, and the verdict on everything that arrives for it.
 *
 * Pure: no socket, no clock. The position (epoch, seq, mid) names the last event that was handed on.
 */

/** How many of the last events are remembered by `mid`, to tell after a gap what was seen already. */
const REMEMBERED = 256;

export class Room {
  #mids = new Map();
  #acked = new Map();

  constructor(name) {
    this.name = name;
    /** @type {{epoch: string, seq: number, mid: string} | null} null until the first `joined` */
    this.position = null;
    /** Whether this connection is in the room right now. */
    this.joined = false;
    /** Whether a join is on its way. */
    this.asked = false;
    /** The number of members, as far as the server says it. */
    this.members = null;
  }

  /**
   * Judge one live event: `deliver` advances the position past it, `duplicate` was seen before, `early` came before
   * the room was joined, `hole` means that events are missing before it.
   */
  receive(event) {
    if (!this.joined || !this.position) return "early";
    if (event.seq <= this.position.seq) return "duplicate";
    if (event.seq > this.position.seq + 1) return "hole";
    this.position = { ...this.position, seq: event.seq, mid: event.mid };
    this.#remember(event);
    return "deliver";
  }

  /**
   * Take the server's account of what this client missed (a `joined` or a `resync`) and its new position.
   *
   * @param {boolean} proven whether the server proves that `messages` follow the position without a hole
   * @returns {{events: object[], gap: null | {after: number, upto: number, epochChanged: boolean}}} the events not seen
   *   before, and the hole in front of them if there is one. Without an earlier position all is new and nothing missing.
   */
  catchUp({ epoch, seq, mid, messages = [] }, proven) {
    const before = this.position;
    const sameEpoch = before?.epoch === epoch;
    if (before && !sameEpoch) this.#mids.clear();
    this.position = { epoch, seq, mid };
    let events = messages;
    let gap = null;
    if (before) {
      const known = messages.some((event) => event.seq === before.seq && event.mid === before.mid);
      const unchanged = seq === before.seq && mid === before.mid;
      events = messages.filter((event) => !this.#seen(event));
      const follows = events.length ? events[0].seq === before.seq + 1 : seq === before.seq;
      if (!(sameEpoch && follows && (proven || known || unchanged))) {
        gap = { after: before.seq, upto: (events.length ? events[0].seq : seq + 1) - 1, epochChanged: !sameEpoch };
      }
    }
    for (const event of messages) this.#remember(event);
    return { events, gap };
  }

  /** A change of this client is that event, which may come later. */
  acknowledged(seq, mid) {
    if (mid) keep(this.#acked, seq, mid);
  }

  /** The mid of the message that this client knows by that seq: one of the last that came or were acknowledged. */
  midOf(seq) {
    return this.#mids.get(seq) ?? this.#acked.get(seq);
  }

  #seen(event) {
    return this.#mids.get(event.seq) === event.mid;
  }

  #remember(event) {
    keep(this.#mids, event.seq, event.mid);
  }
}

function keep(mids, seq, mid) {
  mids.set(seq, mid);
  if (mids.size > REMEMBERED) mids.delete(mids.keys().next().value);
}

/** Whether a push is an event of a room's sequence, also of a type that this version does not know. */
export function isEvent(message) {
  return message.id === undefined && typeof message.room === "string" && Number.isInteger(message.seq)
    && typeof message.mid === "string" && message.type !== "resync";
}
