"""Where the viewer looks stays where it is."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.test_reconnect import burst
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Words of different lengths, so that rows have different heights.
TEXTS = [f"number {number}" + " and so on" * (number % 7 * 9) for number in range(180)]


async def scroll_to(visitor: Visitor, top: int) -> None:
    """Scroll the log as a wheel or finger would, to so many pixels from its top."""
    await visitor.log.evaluate("(log, top) => { log.scrollTop = top }", top)


async def anchor(visitor: Visitor) -> tuple[str, float]:
    """The first row in view and how far below the log's top edge it stands."""
    seq, offset = await visitor.log.evaluate(
        "log => { const top = log.getBoundingClientRect().top;"
        " const row = [...log.querySelectorAll('[data-seq]')].find(r => r.getBoundingClientRect().bottom > top);"
        " return [row.dataset.seq, row.getBoundingClientRect().top - top] }"
    )
    return seq, offset


async def offset_of(visitor: Visitor, seq: str) -> float:
    """How far below the log's top edge a row stands now."""
    return float(
        await visitor.log.evaluate(
            "(log, seq) => log.querySelector(`[data-seq='${seq}']`).getBoundingClientRect().top"
            " - log.getBoundingClientRect().top",
            seq,
        )
    )


async def at_end(visitor: Visitor) -> bool:
    """Whether the log stands at its end."""
    return bool(await visitor.log.evaluate("log => log.scrollHeight - log.clientHeight - log.scrollTop < 2"))


async def test_older_messages_come_in_above_without_a_jump(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Scrolled to the very top, 50 rows are put in front; the row that was first moves at most 1 px."""
    await burst(replicas[1], room, TEXTS)
    ada = await visit(replicas[0], room)
    await expect(ada.row(TEXTS[-1])).to_be_in_viewport()
    count = await ada.rows.count()
    assert count == 50
    while count < len(TEXTS):
        # In one turn of the page: what is measured is what was there before anything could be fetched.
        seq, before = await ada.log.evaluate(
            "log => { log.scrollTop = 0; const row = log.querySelector('[data-seq]');"
            " return [row.dataset.seq, row.getBoundingClientRect().top - log.getBoundingClientRect().top] }"
        )
        await expect(ada.rows.nth(min(count + 50, len(TEXTS)) - 1)).to_be_attached()
        assert abs(await offset_of(ada, seq) - before) <= 1
        count = await ada.rows.count()
    assert await ada.texts() == TEXTS
    await scroll_to(ada, 0)
    await expect(ada.log.get_by_text(f"This is where {room} begins.")).to_be_visible()


async def test_scrolled_up_nothing_moves_and_the_pill_counts(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """While 20 messages arrive below, the view stands still; the pill says 20 and leads to the end."""
    await burst(replicas[1], room, TEXTS[:60])
    ada = await visit(replicas[0], room)
    await expect(ada.row(TEXTS[59])).to_be_in_viewport()
    await ada.log.hover()
    await ada.page.mouse.wheel(0, -900)
    await expect(ada.row(TEXTS[59])).not_to_be_in_viewport()
    seq, before = await anchor(ada)
    await burst(replicas[1], room, [f"fresh {number}" for number in range(20)])
    pill = ada.page.get_by_role("button", name="20 new messages")
    await expect(pill).to_be_visible()
    assert await offset_of(ada, seq) == before
    await expect(ada.page).to_have_title(f"(20) {room} · Parley")
    await pill.click()
    await expect(ada.row("fresh 19")).to_be_in_viewport()
    await expect(pill).to_have_count(0)
    await expect(ada.page).to_have_title(f"{room} · Parley")


async def test_at_the_end_the_log_follows(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """New messages stay in view, whoever sends them, also when the window or the composer changes its height."""
    ada = await visit(replicas[0], room)
    await burst(replicas[1], room, TEXTS[:40])
    await expect(ada.row(TEXTS[39])).to_be_in_viewport()
    await ada.page.set_viewport_size({"width": 700, "height": 400})
    await expect(ada.row(TEXTS[39])).to_be_in_viewport()
    await ada.composer.fill("one\ntwo\nthree\nfour\nfive")
    await expect(ada.row(TEXTS[39])).to_be_in_viewport()
    assert await at_end(ada)
    await ada.composer.press("Enter")
    await expect(ada.row("one two three four five")).to_be_in_viewport()


async def test_who_writes_sees_it(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Sending from far up leads to the end."""
    await burst(replicas[1], room, TEXTS[:60])
    ada = await visit(replicas[0], room)
    await expect(ada.row(TEXTS[59])).to_be_in_viewport()
    await scroll_to(ada, 300)
    await expect(ada.row(TEXTS[59])).not_to_be_in_viewport()
    await ada.say("from far above")
    await expect(ada.row("from far above")).to_be_in_viewport()
