/**
 * The little markdown of a chat, as pieces to show. Pure; costs no more than the length of the text.
 *
 *   **strong**  *stressed* or _stressed_  ~~struck~~  `code`  ``` blocks of code ```  > quotes  - and 1. lists
 *
 * What is none of it stays as it was typed, character for character: there is no markup that hides words, and no link
 * whose words say something else than where it leads, for which a host may be shown in its ASCII form. Headings, tables and pictures are not for a conversation.
 */

import { links } from "./text.js";

/** The marks around words: `kind` by the mark. Each may be open once, so nothing nests deeper than there are kinds. */
const MARKS = new Map([["*", ["em"]], ["_", ["em"]], ["**", ["strong"]], ["***", ["strong", "em"]], ["~~", ["del"]]]);
const WORD = /[\p{L}\p{N}_]/u;
const FENCE = /^ {0,3}```([\w+#.-]{0,20})\s*$/;
const ITEMS = [/^[-*+•] (?=\S)/, /^(\d{1,3})[.)] (?=\S)/];

/**
 * @typedef {string | {kind: "code", text: string} | {kind: "link", href: string, text: string, typed: string}
 *   | {kind: "strong" | "em" | "del", children: Piece[]}} Piece
 * @returns {Array<{kind: "text" | "quote", children: Piece[]} | {kind: "code", text: string}
 *   | {kind: "list", start: number | null, items: Piece[][]}>}
 */
export function blocks(text) {
  const lines = text.split("\n");
  const lastFence = lines.findLastIndex((line) => FENCE.test(line));
  const found = [];
  let words = []; // lines that belong to no block yet
  const flush = () => {
    const joined = words.join("\n");
    words = [];
    if (joined.trim()) found.push({ kind: "text", children: inline(found.length ? joined.replace(/^\n+/, "") : joined) });
  };
  const block = (piece) => {
    flush();
    found.push(piece);
  };
  for (let at = 0; at < lines.length;) {
    if (at < lastFence && FENCE.test(lines[at])) {
      let end = at + 1;
      while (!FENCE.test(lines[end])) end++;
      block({ kind: "code", text: lines.slice(at + 1, end).join("\n") });
      at = end + 1;
    } else if (/^>( |$)/.test(lines[at])) {
      const end = endOf(lines, at, (line) => /^>( |$)/.test(line));
      block({ kind: "quote", children: inline(lines.slice(at, end).map((line) => line.slice(2)).join("\n")) });
      at = end;
    } else {
      const item = ITEMS.find((pattern) => pattern.test(lines[at]));
      const end = item ? endOf(lines, at, (line) => item.test(line)) : at;
      if (end - at > 1) { // one line with a dash is a line with a dash
        const number = item.exec(lines[at])[1];
        const items = lines.slice(at, end).map((line) => inline(line.replace(item, "")));
        block({ kind: "list", start: number ? Number(number) : null, items });
        at = end;
      } else {
        words.push(lines[at]);
        at += 1;
      }
    }
  }
  flush();
  if (found.length > 1) found.forEach(trimEnd);
  return found;
}

function endOf(lines, at, belongs) {
  let end = at;
  while (end < lines.length && belongs(lines[end])) end++;
  return end;
}

function trimEnd({ kind, children }) {
  if (kind === "text" && typeof children.at(-1) === "string") children.push(children.pop().trimEnd());
}

/** The words of one block: text, links, code, and what stands between marks. @returns {Piece[]} */
export function inline(text) {
  const known = links(text);
  const stack = [{ kind: "", mark: "", children: [] }];
  const unclosed = new Set(); // runs of backticks that nothing closes any more
  let plainFrom = 0;
  let at = 0;

  const add = (piece) => push(stack.at(-1).children, piece);
  const flush = () => {
    if (plainFrom < at) add(text.slice(plainFrom, at));
  };
  const take = (length, piece) => {
    flush();
    if (piece) add(piece);
    at += length;
    plainFrom = at;
  };

  while (at < text.length) {
    const link = known.get(at);
    if (link) {
      take(link.typed.length, link);
      continue;
    }
    const mark = /[`*_~]/.test(text[at]) ? runAt(text, at) : "";
    if (!mark) {
      at += 1;
    } else if (mark[0] === "`") {
      const end = unclosed.has(mark.length) ? -1 : closing(text, at + mark.length, mark);
      if (end < 0) unclosed.add(mark.length);
      if (end < 0) at += mark.length;
      else take(end + mark.length - at, { kind: "code", text: text.slice(at + mark.length, end) });
    } else if (MARKS.has(mark) && stack.some((frame) => frame.mark === mark) && mayClose(text, at, mark)) {
      flush();
      close(stack, mark);
      at += mark.length;
      plainFrom = at;
    } else if (MARKS.has(mark) && !isOpen(stack, mark) && mayOpen(text, at, mark)) {
      take(mark.length);
      stack.push({ kind: MARKS.get(mark)[0], mark, children: [] });
    } else {
      at += mark.length;
    }
  }
  flush();
  while (stack.length > 1) unwrap(stack);
  return stack[0].children;
}

function runAt(text, at) {
  let end = at + 1;
  while (text[end] === text[at]) end++;
  return text.slice(at, end);
}

/** Where the next run of exactly these backticks begins, or -1. */
function closing(text, from, mark) {
  for (let at = text.indexOf(mark, from); at >= 0;) {
    const run = runAt(text, at);
    if (run.length === mark.length) return at;
    at = text.indexOf(mark, at + run.length);
  }
  return -1;
}

const isOpen = (stack, mark) => MARKS.get(mark).some((kind) => stack.some((frame) => MARKS.get(frame.mark)?.includes(kind)));

/** Marks stand at the edges of words: 2*3*4 and snake_case_names are left alone. */
function mayOpen(text, at, mark) {
  const next = text[at + mark.length];
  return next !== undefined && !/\s/.test(next) && !WORD.test(text[at - 1] ?? " ");
}

function mayClose(text, at, mark) {
  return !/\s/.test(text[at - 1]) && !WORD.test(text[at + mark.length] ?? " ");
}

/** What stands since the mark was opened becomes one piece; marks opened inside and not closed are only characters. */
function close(stack, mark) {
  while (stack.at(-1).mark !== mark) unwrap(stack);
  const { children } = stack.pop();
  const kinds = MARKS.get(mark);
  push(stack.at(-1).children, kinds.reduceRight((inner, kind) => [{ kind, children: inner }], children)[0]);
}

function unwrap(stack) {
  const { mark, children } = stack.pop();
  for (const piece of [mark, ...children]) push(stack.at(-1).children, piece);
}

/** Neighbouring strings are one. */
function push(pieces, piece) {
  if (typeof piece === "string" && typeof pieces.at(-1) === "string") pieces.push(pieces.pop() + piece);
  else pieces.push(piece);
}
