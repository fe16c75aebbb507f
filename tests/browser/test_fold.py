"""No message takes more room than is its own, nor more of it than is wanted."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.test_reconnect import burst
from tests.browser.test_scroll import at_end
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
STACKED = "a" + "\u030b\u0310" * 600 + " b" + "\u0330" * 600
TALL = "\n".join(f"line {number}" for number in range(200)) + "\nhttps://example.org/last"
MOST_PX = 750


def toggle(visitor: Visitor) -> Locator:
    """What shows all of the one long message, or less of it."""
    return visitor.rows.get_by_role("button", name="Show")


def tall(visitor: Visitor) -> Locator:
    """The row of the one long message."""
    return visitor.rows.filter(has_text="line 199")


async def place(element: Locator) -> dict[str, float]:
    """Where something is in view, and how large."""
    box = await element.bounding_box()
    assert box is not None
    return {**box}


@pytest.mark.parametrize("text", [STACKED, f"> {STACKED}", f"- {STACKED}\n- b"])
async def test_stacked_marks_stay_in_their_own_row(
    replicas: tuple[str, str], visit: Visit, room: str, text: str
) -> None:
    """Where others have spoken nothing is seen of a message beside it whose marks are piled up."""
    ada = await visit(replicas[0], room)
    await burst(replicas[1], room, ["an honest message", "another one"])
    await ada.composer.fill(text)
    await ada.composer.press("Enter")
    await expect(ada.log.locator("[data-state=sent]")).to_have_count(3)
    rows = [ada.row("an honest message"), ada.row("another one")]
    for row in rows:
        await row.evaluate("row => { row.style.opacity = 0 }")  # letters are not drawn alike each time, nothing is
    beside = [await row.screenshot(animations="disabled") for row in rows]
    await ada.rows.last.evaluate("row => { row.style.visibility = 'hidden' }")
    assert [await row.screenshot(animations="disabled") for row in rows] == beside


async def test_a_tall_message_is_shown_whole_when_it_is_wanted(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """By key; nothing moves that is looked at, and what was chosen holds while the page is there."""
    ada = await visit(replicas[0], room)
    await burst(replicas[1], room, ["before", TALL, "after"])
    await expect(toggle(ada)).to_have_text("Show all")
    await expect(toggle(ada)).to_have_attribute("aria-expanded", "false")
    folded = await place(tall(ada))
    assert folded["height"] < MOST_PX
    await toggle(ada).press("Enter")
    await expect(toggle(ada)).to_have_text("Show less")
    await expect(toggle(ada)).to_have_attribute("aria-expanded", "true")
    opened = await place(tall(ada))
    assert opened["height"] > 4 * MOST_PX
    assert abs(opened["y"] - folded["y"]) <= 1
    assert not await at_end(ada)

    await ada.enter(f"{room}-b")
    await ada.page.go_back()
    await expect(toggle(ada)).to_have_text("Show less")
    await toggle(ada).focus()
    at = await place(toggle(ada))
    await toggle(ada).press("Enter")
    await expect(toggle(ada)).to_have_text("Show all")
    await expect(toggle(ada)).to_be_focused()
    assert (await place(tall(ada)))["height"] < MOST_PX
    assert abs((await place(toggle(ada)))["y"] - at["y"]) <= MOST_PX / 10
    await ada.say("at the end again")
    await expect(ada.row("at the end again")).to_be_in_viewport()


async def test_what_has_the_focus_is_not_folded(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Who reaches a link in the part that is not shown, by key or by the browser's search, sees it."""
    ada = await visit(replicas[0], room)
    await burst(replicas[1], room, ["before", TALL, *(f"after {number}" for number in range(30))])
    await expect(toggle(ada)).to_have_text("Show all")
    link = tall(ada).get_by_role("link")
    await link.focus()
    await expect(toggle(ada)).to_have_text("Show less")
    await expect(link).to_be_in_viewport()
    await expect(link).to_be_focused()


async def test_an_address_leads_to_a_folded_message(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """It is in view, from its beginning, among other long ones."""
    await burst(replicas[1], room, [*(f"{number}\n{TALL}" for number in range(20)), "the last"])
    ada = await visit(replicas[0], f"{room}#10")
    found = ada.log.locator(".found")
    await expect(found).to_be_focused()
    await expect(found.get_by_text("9 line 0")).to_be_visible()
    frame, row = await place(ada.log), await place(found)
    assert frame["y"] <= row["y"] < frame["y"] + frame["height"] / 2
    assert row["height"] < MOST_PX


async def test_what_is_long_depends_on_the_width(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Folded where it would be tall, and not where it fits; never for the number of its characters alone."""
    ada = await visit(replicas[0], room)
    await ada.say("word " * 399 + "word")
    await expect(toggle(ada)).to_have_count(0)
    await ada.page.set_viewport_size({"width": 320, "height": 568})
    await expect(toggle(ada)).to_have_text("Show all")
    await ada.page.set_viewport_size({"width": 1000, "height": 700})
    await expect(toggle(ada)).to_have_count(0)
