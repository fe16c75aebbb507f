/** From a timeline and what waits to be sent to the rows of the log: messages, days, gaps. Pure. */

const GROUP_MS = 5 * 60 * 1000;

/**
 * @param {import("./timeline.js").Timeline} timeline
 * @param {object[]} unsent entries of the outbox for this room, oldest first
 * @param {{user: string, name: string, own: Set<string>, unreadAfter: number}} viewer `own`: the cids sent from this
 *   page, whose rows keep their key when the echo comes
 */
export function rowsOf(timeline, unsent, { user, name, own, unreadAfter }) {
  const rows = [];
  let day = "";
  let previous = null; // the message that the next one may follow without naming its author again
  let marked = unreadAfter === null;

  const add = (row) => {
    const today = new Date(row.ts).toDateString();
    if (today !== day) {
      rows.push({ kind: "day", key: `day ${today} ${row.key}`, ts: row.ts });
      day = today;
      previous = null;
    }
    const follows = previous?.user === row.user && row.ts - previous.ts < GROUP_MS;
    rows.push({ ...row, kind: "message", head: !follows });
    previous = row;
  };

  timeline.runs.forEach((run, index) => {
    if (index > 0) {
      rows.push({ kind: "gap", key: `gap ${run.epoch} ${run.last}`, run, fillable: timeline.fillable(index) });
      previous = null;
    }
    for (const message of run.messages) {
      if (!marked && run.epoch === timeline.epoch && message.seq > unreadAfter && message.user !== user) {
        marked = true;
        if (rows.length) rows.push({ kind: "unread", key: "unread" });
        previous = null;
      }
      const mine = message.user === user;
      const key = mine && own.has(message.cid) ? message.cid : `${run.epoch} ${message.seq}`;
      add({ key, mine, source: message, user: message.user, name: message.name, text: message.text, ts: message.ts,
        seq: message.seq, cid: message.cid, state: "sent", error: null });
    }
  });
  for (const entry of unsent) {
    add({ key: entry.cid, mine: true, source: entry, user, name, text: entry.change.text, ts: entry.ts ?? entry.at,
      seq: entry.seq, cid: entry.cid, state: entry.state, error: entry.error });
  }
  return rows;
}
