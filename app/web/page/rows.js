/** From a timeline and what waits to be sent to the rows of the log: messages, days, gaps, notes. Pure. */

import { changed, foreseen, written } from "./changes.js";

const GROUP_MS = 5 * 60 * 1000;

/**
 * @param {import("./timeline.js").Timeline} timeline
 * @param {object[]} unsent entries of the outbox for this room, oldest first: messages and changes to messages
 * @param {{user: string, name: string, own: Set<string>, unreadAfter: number, alike?: Set<string>}} viewer `own`: the cids
 *   sent from this page, whose rows keep their key when the echo comes; `alike`: users whose names look like others'
 * @param {import("./comings.js").Note[]} notes who came and went, oldest first, each after a seq of the present epoch
 */
export function rowsOf(timeline, unsent, { user, name, own, unreadAfter, alike = new Set() }, notes = []) {
  const rows = [];
  const waiting = [...notes];
  const changes = Map.groupBy(unsent.filter(({ change }) => change.type !== "send"), ({ change }) => change.mid);
  let day = "";
  let previous = null; // the message that the next one may follow without naming its author again
  let marked = unreadAfter === null;

  const dated = (row) => {
    const today = new Date(row.ts).toDateString();
    if (today === day) return;
    rows.push({ kind: "day", key: `day ${today} ${row.key}`, ts: row.ts });
    day = today;
    previous = null;
  };
  const apart = (row) => {
    rows.push(row);
    previous = null;
  };
  const add = (row) => {
    dated(row);
    const follows = previous?.user === row.user && row.ts - previous.ts < GROUP_MS && !previous.deleted && !row.deleted;
    rows.push({ ...row, kind: "message", head: !follows });
    previous = row;
  };
  const said = (key, message, source, more) => {
    const pending = more.live ? changes.get(message.mid) ?? [] : [];
    const now = pending.map((entry) => foreseen(entry, user)).reduce(changed, message);
    const state = pending.some(words) ? "pending" : "sent";
    add({ ...seen(now, user), key, source: now === message ? source : now, state, error: null, ...more });
  };
  const note = (before) => {
    while (waiting.length && waiting[0].after < before) {
      const one = waiting.shift();
      const key = `note ${one.key}`;
      dated({ key, ts: one.ts });
      apart({ kind: "note", key, note: one, source: one.version });
    }
  };

  timeline.runs.forEach((run, index) => {
    const present = run.epoch === timeline.epoch;
    if (index > 0) {
      apart({ kind: "gap", key: `gap ${run.epoch} ${run.last}`, run, fillable: timeline.fillable(index), skipped: run.skipped });
    }
    for (const event of run.messages) {
      if (present) note(event.seq);
      if (!marked && present && event.seq > unreadAfter && event.user !== user && event.type === "message") {
        marked = true;
        if (rows.length) apart({ kind: "unread", key: "unread" });
      }
      const key = event.user === user && own.has(event.cid) ? event.cid : `${run.epoch} ${event.seq}`;
      if (event.type === "topic") {
        dated({ key, ts: event.ts });
        apart({ kind: "topic", key, source: event, event });
      } else {
        said(key, event, event, { live: present, alike: alike.has(event.user) });
      }
    }
  });
  note(Infinity);
  for (const entry of unsent.filter(({ change }) => change.type === "send")) {
    const { cid, state, error } = entry;
    // The ack may come before the event by any time: from then on it is a message like those that have come.
    said(cid, written(entry, { user, name }), entry, state === "sent" ? { live: true } : { live: false, state, error });
  }
  return rows;
}

const words = ({ state, change }) => state === "pending" && change.type !== "react";

function seen(message, user) {
  const { name, text, ts, seq, mid, cid, edited, deleted, reactions, mentions } = message;
  return { user: message.user, name, text, ts, seq, mid, cid, edited, deleted, reactions, mentions, mine: message.user === user,
    named: Boolean(mentions?.includes(user)) && message.user !== user };
}
