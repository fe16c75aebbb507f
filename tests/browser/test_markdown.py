"""The markdown of a chat, piece by piece."""

from __future__ import annotations

import random
from typing import Any

import pytest
import pytest_asyncio

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

INLINE: dict[str, list[Any]] = {
    "plain": ["plain"],
    "a **b** c": ["a ", ["strong", "b"], " c"],
    "*a* _b_ ~~c~~": [["em", "a"], " ", ["em", "b"], " ", ["del", "c"]],
    "***both***": [["strong", ["em", "both"]]],
    "**a *b* c**": [["strong", "a ", ["em", "b"], " c"]],
    "**a *b** c*": [["strong", "a *b"], " c*"],
    "2*3*4 and 2 * 3 * 4": ["2*3*4 and 2 * 3 * 4"],
    "snake_case_name __init__": ["snake_case_name __init__"],
    "**open": ["**open"],
    "`a * b` *c*": [["code", "a * b"], " ", ["em", "c"]],
    "`` a`b `` `open": [["code", " a`b "], " `open"],
    "(*a*), *b*!": ["(", ["em", "a"], "), ", ["em", "b"], "!"],
    "*see https://example.org/a_b_c*": [["em", "see ", ["link", "https://example.org/a_b_c"]]],
    "**** **a ** b": ["**** **a ** b"],
    "~~~a~~~ ~b~": ["~~~a~~~ ~b~"],
}
BLOCKS: dict[str, list[Any]] = {
    "a\nb": [["text", "a\nb"]],
    "say:\n```py\nx = 1\n\ny\n```\ndone": [["text", "say:"], ["code", "x = 1\n\ny"], ["text", "done"]],
    "```\nnever closed": [["text", "```\nnever closed"]],
    "> a\n> b\nc": [["quote", "a\nb"], ["text", "c"]],
    "- a\n- b": [["list", ["a"], ["b"]]],
    "3. a\n4. b": [["list 3", ["a"], ["b"]]],
    "- alone": [["text", "- alone"]],
    "1. alone": [["text", "1. alone"]],
    ">_>": [["text", ">_>"]],
    "\n\na": [["text", "\n\na"]],
    "a\n\n- b\n- c\n\nd": [["text", "a"], ["list", ["b"], ["c"]], ["text", "d"]],
}
SHOWN = """
    const piece = one => typeof one === "string" ? one
        : one.children ? [one.kind, ...one.children.map(piece)] : [one.kind, one.text];
    const block = one => one.kind === "list"
        ? [one.start === null ? "list" : "list " + one.start, ...one.items.map(item => item.map(piece))]
        : one.kind === "code" ? ["code", one.text] : [one.kind, ...one.children.map(piece)];
"""


@pytest_asyncio.fixture(loop_scope="session")
async def blank(replicas: tuple[str, str], visit: Visit) -> Visitor:
    """A page that has the modules at hand."""
    return await visit(replicas[0], "lobby", None)


async def lexed(visitor: Visitor, kind: str, texts: list[str]) -> list[Any]:
    """What `inline` or `blocks` makes of each text."""
    wanted = "inline" if kind == "piece" else "blocks"
    found: list[Any] = await visitor.page.evaluate(
        f"""async texts => {{
            const {{ {wanted} }} = await import("/web/page/markdown.js");
            {SHOWN}
            return texts.map(text => {wanted}(text).map({kind}));
        }}""",
        texts,
    )
    return found


async def test_marks_inside_a_line(blank: Visitor) -> None:
    """Marks work at the edges of words; those that pair with nothing are characters like all others."""
    assert dict(zip(INLINE, await lexed(blank, "piece", list(INLINE)), strict=True)) == INLINE


async def test_blocks_of_lines(blank: Visitor) -> None:
    """Code, quotes and lists of two or more; the lines around them stay text."""
    assert dict(zip(BLOCKS, await lexed(blank, "block", list(BLOCKS)), strict=True)) == BLOCKS


async def test_no_character_but_marks_is_lost(blank: Visitor) -> None:
    """Whatever is typed, what is shown is what was typed less the marks that took effect, in the same order."""
    source = random.Random(7)
    texts = ["".join(source.choices("ab *_~`\n>-1. ", k=source.randrange(40))) for _ in range(3000)]
    kept = await blank.page.evaluate(
        """async texts => {
            const { blocks } = await import("/web/page/markdown.js");
            const words = one => typeof one === "string" ? one : one.text ?? one.children.map(words).join("");
            const shown = one => one.kind === "code" ? one.text
                : (one.items ?? [one.children]).map(item => item.map(words).join("")).join("");
            const letters = text => text.replace(/[^ab]/g, "");
            const within = (part, whole) => { let at = 0;
                for (const c of part) { at = whole.indexOf(c, at) + 1; if (!at) return false }
                return true };
            return texts.filter(text => {
                const all = blocks(text).map(shown).join("");
                return letters(all) !== letters(text) || !within(all.replace(/\\s/g, ""), text);
            });
        }""",
        texts,
    )
    assert kept == []
