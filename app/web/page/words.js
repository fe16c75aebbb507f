/**
 * What somebody wrote, as elements. The pieces come from the lexer; a kind that is not on these lists is not shown as
 * anything but its own characters, and nothing is ever parsed as HTML.
 */

import { html } from "../vendor/vendor.js";
import { blocks } from "./markdown.js";
import { isEmoji } from "./text.js";

const SPANS = {
  strong: (inner) => html`<strong>${inner}</strong>`,
  em: (inner) => html`<em>${inner}</em>`,
  del: (inner) => html`<del>${inner}</del>`,
};

/** Left to right, so that right-to-left letters in its path cannot put anything before its host. */
const Link = ({ href, text }) => html`<a href=${href} dir="ltr" target="_blank" rel="noopener noreferrer">${text}</a>`;

/** @param {RegExp | null} names finds who is mentioned; `self` is the viewer's own name among them */
const Pieces = ({ pieces, names, self }) => pieces.map((piece) => {
  if (typeof piece === "string") return names ? mentions(piece, names, self) : piece;
  if (piece.kind === "link") return html`<${Link} ...${piece} />`;
  if (piece.kind === "code") return html`<code>${piece.text}</code>`;
  return SPANS[piece.kind](html`<${Pieces} pieces=${piece.children} names=${names} self=${self} />`);
});

function mentions(text, names, self) {
  return text.split(names).map((part, index) => index % 2 === 0 ? part
    : html`<span class=${part.slice(1).toLowerCase() === self.toLowerCase() ? "mention self" : "mention"}>${part}</span>`);
}

function Block({ block, names, self }) {
  const pieces = (some) => html`<${Pieces} pieces=${some} names=${names} self=${self} />`;
  if (block.kind === "code") return html`<pre dir="ltr"><code>${block.text}</code></pre>`;
  if (block.kind === "quote") return html`<blockquote dir="auto">${pieces(block.children)}</blockquote>`;
  if (block.kind === "list") {
    const items = block.items.map((item) => html`<li dir="auto">${pieces(item)}</li>`);
    return block.start === null ? html`<ul>${items}</ul>` : html`<ol start=${block.start}>${items}</ol>`;
  }
  return html`<p dir="auto">${pieces(block.children)}</p>`;
}

/** @param {string[]} props.mentioned names of those the message mentions @param {string} props.self the viewer's own name */
export function Words({ text, mentioned = [], self = "" }) {
  const names = mentioned.length ? mention(mentioned) : null;
  const all = blocks(text);
  if (all.length === 1 && all[0].kind === "text") {
    return html`<bdi dir="auto" class=${isEmoji(text) ? "words emoji" : "words"}>
      <${Pieces} pieces=${all[0].children} names=${names} self=${self} /></bdi>`;
  }
  return html`<div class="words blocks">${all.map((block) => html`<${Block} block=${block} names=${names} self=${self} />`)}</div>`;
}

/** Finds `@` and a name, the longest that fits, where the server does: neither of them inside a word. */
function mention(names) {
  const any = [...names].sort((one, other) => other.length - one.length).map(escaped).join("|");
  return new RegExp(`(?<![\\p{L}\\p{M}\\p{N}])(@(?:${any}))(?![\\p{L}\\p{M}\\p{N}])`, "iu");
}

const escaped = (name) => name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
