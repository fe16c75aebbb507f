/** Web addresses in a text, and texts of nothing but emoji. Nothing is ever parsed as HTML. Pure. */

/**
 * Where a link ends: spaces, quotes, angle brackets, backslashes (slashes to a browser), and what is not seen: the
 * invisible characters that no name may have either.
 */
const LINK = /\bhttps?:\/\/[^\s<>"'`\\\p{C}\u034F\u115F\u1160\u17B4\u17B5\u2800\u3164\uFFA0]+/giu;
/** What comes before the host, all that stands for it, and the rest. */
const PARTS = /^(https?:\/\/)([^/?#]*)(.*)$/iu;
const TRAILING = new Set(".,;:!?…*_~|");
const CLOSING = new Map([[")", "("], ["]", "["], ["}", "{"]]);
/** A flag, a keycap, or a picture with what varies it, is joined to it, or makes another flag of it. */
const EMOJI = [
  String.raw`\p{Regional_Indicator}{2}`,
  String.raw`[0-9#*]\uFE0F?\u20E3`,
  String.raw`\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier}|[\u{E0020}-\u{E007F}])*`,
].join("|");
const FIRST_EMOJI = new RegExp(EMOJI, "u");
const EMOJI_ONLY = new RegExp(String.raw`^(?:(?:${EMOJI})\s?){1,3}$`, "u");

/**
 * The links of a text by where they begin. `typed` is what stands there; `text`, to be shown in its place, differs from
 * it where the host was typed in another way than browsers write it: then it has the host in ASCII, as it is asked for.
 *
 * @returns {Map<number, {kind: "link", href: string, text: string, typed: string}>}
 */
export function links(text) {
  const found = new Map();
  for (const { 0: match, index } of text.matchAll(LINK)) {
    const link = safe(trimmed(match));
    if (link) found.set(index, link);
  }
  return found;
}

/** Whether a text is one to three emoji and nothing else. */
export function isEmoji(text) {
  return text.length <= 48 && EMOJI_ONLY.test(text);
}

/** The first emoji of a text, or "". */
export function firstEmoji(text) {
  return FIRST_EMOJI.exec(text)?.[0] ?? "";
}

/**
 * The link without the punctuation of the sentence around it; a closing bracket stays if it was opened inside.
 * One pass from the end: a text of nothing but brackets or dots must not cost more than its length.
 */
function trimmed(link) {
  const balance = new Map([...CLOSING].map(([close, open]) => [close, count(link, close) - count(link, open)]));
  let end = link.length;
  for (; end > 0; end--) {
    const last = link[end - 1];
    if (TRAILING.has(last)) continue;
    if (!(balance.get(last) > 0)) break;
    balance.set(last, balance.get(last) - 1);
  }
  return link.slice(0, end);
}

function count(text, character) {
  let found = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) found++;
  return found;
}

/**
 * Web addresses only, none with a user's name in front, whose true host is easily misread, and none without a host.
 * Characters that look like a slash, a dot or a Latin letter are none to a browser: where the host is not plainly the
 * one typed, the one it leads to is shown.
 */
function safe(typed) {
  const [, scheme, authority, rest] = PARTS.exec(typed) ?? [];
  if (!authority || authority.includes("@") || !URL.canParse(typed)) return null;
  const { host, href } = new URL(typed);
  return { kind: "link", href, text: authority.toLowerCase() === host ? typed : scheme + host + rest, typed };
}
