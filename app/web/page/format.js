/** Names, times, numbers and fields as the page shows and reads them. */

import { firstEmoji } from "./text.js";

const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

export const clock = (ts) => time.format(ts);
export const fullDate = (ts) => full.format(ts);

/** The heading of a day: today, yesterday, or its date. */
export function dayName(ts, now = Date.now()) {
  const start = (ms) => new Date(ms).setHours(0, 0, 0, 0);
  const days = Math.round((start(ts) - start(now)) / 86_400_000);
  if (days === 0 || days === -1) return capital(relative.format(days, "day"));
  return (new Date(ts).getFullYear() === new Date(now).getFullYear() ? weekday : longDay).format(ts);
}

const capital = (word) => word.charAt(0).toLocaleUpperCase() + word.slice(1);

/** Up to two initials: the first characters of the first and the last word; or an emoji, where there is no word. */
export function initials(name) {
  const words = plain(name).split(/[\s\-_.]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = (words.length > 1 ? [words[0], words.at(-1)] : words).map((word) => [...word][0]);
  return letters.join("").toLocaleUpperCase() || firstEmoji(name) || "?";
}

/** One of the avatar colours, the same for a user everywhere. */
export function hue(user) {
  let hash = 2166136261;
  for (let i = 0; i < user.length; i++) hash = Math.imul(hash ^ user.charCodeAt(i), 16777619);
  return ((hash ^ (hash >>> 15)) >>> 0) % 10;
}

/** People's words without control, bidi and zero-width characters but joiners, for places that show no markup (titles, labels). */
export function plain(text) {
  return text.replace(/(?![\u200C\u200D])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "");
}

/** A count for a badge. */
export const badge = (count) => (count > 99 ? "99+" : String(count));

const ROOM_MAX = 64;
/** Letters with the marks that belong to them, digits, and some signs. */
const ROOM = /^(?:[\p{N}\-_.:@]|\p{L}(?:(?!\p{Default_Ignorable_Code_Point})[\p{Mn}\p{Mc}]){0,5})+$/u;

/** What somebody typed as a room's name, in the form the server takes; null if it cannot be one. */
export function roomName(typed) {
  const name = typed.normalize("NFC").trim().replace(/^#+/, "").trim().replace(/\s+/g, "-");
  return ROOM.test(name) && lengthOf(name) <= ROOM_MAX ? name : null;
}

export function roomPath(room) {
  return `/r/${encodeURIComponent(room).replace(/%3A/g, ":").replace(/%40/g, "@")}`;
}

/** The room that a path names, or null. */
export function roomOfPath(path) {
  const match = /^\/r\/([^/]+)\/?$/.exec(path);
  if (!match) return null;
  try {
    return roomName(decodeURIComponent(match[1]));
  } catch {
    return null;
  }
}

/** Whether a room is one of two people alone; only the server makes such names. */
export const isDirect = (room) => room.startsWith("dm:");

/** The message that an address names behind its #, or null. */
export function seqOfHash(hash) {
  const match = /^#([1-9]\d{0,14})$/.exec(hash);
  return match ? Number(match[1]) : null;
}

/** "Ada", "Ada and Bob", "Ada, Bob and 3 others". */
export function listed(names, more = 0) {
  const all = more ? [...names, more === 1 ? "1 other" : `${more} others`] : names;
  return all.length > 1 ? `${all.slice(0, -1).join(", ")} and ${all.at(-1)}` : all[0] ?? "";
}

/** Characters as the server counts them: code points. */
export const lengthOf = (text) => [...text].length;

/** What somebody wrote, without blank lines around it. The first line keeps its spaces: they are what indents pasted code. */
export const trimmed = (text) => text.replace(/^(?:[^\S\n]*\n)+/, "").trimEnd();

/** Whether one goes by finger here: the keyboard on such a screen has no Shift Enter. */
const touched = matchMedia("(pointer: coarse)");

/**
 * Whether a key press means "take what I typed". While an input method composes, Enter picks a word; where one goes by finger
 * it makes a new line, and takes it only with Ctrl or Cmd, which a real keyboard there has.
 */
export function isEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.altKey) return false;
  if (touched.matches && !event.ctrlKey && !event.metaKey) return false;
  return !event.isComposing && event.keyCode !== 229; // Safari says so only by the key code
}

/** What the Enter key of an on-screen keyboard is called, where it is one that takes what was typed. */
export const enterHint = (takes) => touched.matches ? "enter" : takes;

/** Make a field as high as its text needs; the style sheet sets the bounds. */
export function fit(field) {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}
