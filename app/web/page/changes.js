/**
 * What later events make of a message: edited, deleted, reacted. Pure, and idempotent: the server's pages carry messages
 * as they are now, and the same events may follow.
 */

/** Whether an event changes an earlier message of its room, the one with the seq `of`. */
export function isChange({ type, of }) {
  return (type === "edited" || type === "deleted" || type === "reacted") && Number.isInteger(of);
}

/** The message after the change; the same object where nothing changes. */
export function changed(message, event) {
  if (message.deleted || message.type !== "message") return message;
  switch (event.type) {
    case "edited": return { ...message, text: event.text, edited: event.ts, mentions: event.mentions };
    case "deleted": return bare(message);
    case "reacted": return { ...message, reactions: reacted(message.reactions ?? [], event) };
    default: return message;
  }
}

function bare({ reactions, mentions, edited, ...message }) {
  return { ...message, text: "", deleted: true };
}

/** `[{emoji, users}]` in the order of each emoji's first use; none without users. */
function reacted(reactions, { emoji, user, on }) {
  const known = reactions.find((reaction) => reaction.emoji === emoji);
  if (!known) return on ? [...reactions, { emoji, users: [user] }] : reactions;
  const others = known.users.filter((one) => one !== user);
  const users = on ? (others.length < known.users.length ? known.users : [...known.users, user]) : others;
  return reactions.map((reaction) => (reaction === known ? { emoji, users } : reaction)).filter(({ users: left }) => left.length);
}

/** The message that an entry of the outbox will be; it has its place, a `seq`, from its acknowledgement on. */
export function written({ cid, change, seq, mid, at, ts = at }, { user, name }) {
  return { type: "message", cid, user, name, text: change.text, seq, mid, ts };
}

/** The event that an unconfirmed entry of the outbox will be, as far as its author can tell. */
export function foreseen({ change, at }, user) {
  const { type, seq, mid, ...rest } = change;
  return { ...rest, type: { edit: "edited", delete: "deleted", react: "reacted" }[type], of: seq, user, ts: at };
}
