/** Web addresses in a text, and texts of nothing but emoji. Nothing is ever parsed as HTML. Pure. */

/** Where a link ends: spaces, quotes, angle brackets, and characters that could disguise where it leads. */
const LINK = /\bhttps?:\/\/[^\s<>"'`\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/giu;
const TRAILING = new Set(".,;:!?…*_~|");
const CLOSING = new Map([[")", "("], ["]", "["], ["}", "{"]]);
const EMOJI_ONLY = /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s?){1,3}$/u;

/** @returns {Map<number, {kind: "link", href: string, text: string}>} the links of a text by where they begin */
export function links(text) {
  const found = new Map();
  for (const { 0: match, index } of text.matchAll(LINK)) {
    const shown = trimmed(match);
    const href = safe(shown);
    if (href) found.set(index, { kind: "link", href, text: shown });
  }
  return found;
}

/** Whether a text is one to three emoji and nothing else. */
export function isEmoji(text) {
  return text.length <= 40 && EMOJI_ONLY.test(text);
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

/** Web addresses only, and none with a user's name in front, whose true host is easily misread. */
function safe(link) {
  try {
    const url = new URL(link);
    return (url.protocol === "https:" || url.protocol === "http:") && url.hostname && !url.username ? url.href : null;
  } catch {
    return null;
  }
}
