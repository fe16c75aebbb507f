"""Addresses that lead to one message, and how one comes by them."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.test_reconnect import burst
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
TEXTS = [f"number {number}" for number in range(1, 301)]


def found(visitor: Visitor) -> Locator:
    """The message that was led to."""
    return visitor.log.locator(".found")


async def test_an_address_leads_to_a_message_far_back(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """What is around it is fetched, it is marked and in view; reading on leads without a hole to the end."""
    await burst(replicas[1], room, TEXTS)
    ada = await visit(replicas[0], f"{room}#100")
    await expect(found(ada)).to_have_text(re.compile("number 100$"))
    await expect(found(ada)).to_be_in_viewport()
    await expect(found(ada)).to_be_focused()
    assert await ada.rows.count() < 200
    gap = ada.log.locator("[data-gap]")
    await expect(gap).to_have_count(1)
    while True:
        before = await ada.rows.count()
        if not await gap.count():
            break
        await ada.log.evaluate("log => log.querySelector('[data-gap]')?.scrollIntoView()")
        await expect(ada.rows.nth(before)).to_be_attached()
    assert (await ada.texts())[-201:] == TEXTS[-201:]
    await ada.log.evaluate("log => { log.scrollTop = 0 }")
    await expect(ada.rows).to_have_count(len(TEXTS))
    assert await ada.texts() == TEXTS


async def test_a_message_that_is_not_there_is_said_to_be_gone(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """The room opens at its end, under its own address, and works."""
    await burst(replicas[1], room, TEXTS[:80])
    ada = await visit(replicas[0], f"{room}#900")
    await expect(ada.page.get_by_text("That message is no longer available.")).to_be_visible()
    await expect(ada.row("number 80")).to_be_in_viewport()
    await expect(ada.page).to_have_url(f"{replicas[0]}/r/{room}")
    await ada.say("here all the same")


async def test_back_from_a_message_of_the_room_leads_to_its_end(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """Where one was before the link was followed."""
    await burst(replicas[1], room, TEXTS[:80])
    ada = await visit(replicas[0], room)
    await ada.say(f"{replicas[0]}/r/{room}#7")
    await ada.rows.last.get_by_role("link").click()
    await expect(found(ada)).to_have_text(re.compile("number 7$"))
    await expect(found(ada)).to_be_in_viewport()
    await ada.page.go_back()
    await expect(ada.rows.last).to_be_in_viewport()
    await expect(found(ada)).to_have_count(0)
    await expect(ada.page).to_have_url(f"{replicas[0]}/r/{room}")


async def test_an_address_that_is_no_room_opens_none(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Never the conversation one was in last; a link leads on. Without a name there it is the first room."""
    ada = await visit(replicas[0], room)
    await ada.page.goto(f"{replicas[0]}/r/a%2Fb")
    await expect(ada.page.get_by_role("heading", name="There is no such room")).to_be_visible()
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text("#a/b")
    await ada.connected()
    await expect(ada.composer).to_have_count(0)
    await expect(ada.page.get_by_role("link", name=room, exact=True)).not_to_have_attribute("aria-current", "page")
    await ada.page.get_by_role("button", name="Go to #lobby").click()
    await expect(ada.page).to_have_url(f"{replicas[0]}/r/lobby")
    await expect(ada.composer).to_be_visible()
    await ada.page.go_back()
    await expect(ada.page.get_by_role("heading", name="There is no such room")).to_be_visible()
    await ada.page.get_by_role("link", name=room, exact=True).click()
    await ada.say("here again")
    await ada.page.goto(f"{replicas[0]}/r/")
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text("#lobby")
    await ada.page.goto(replicas[0])
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text("#lobby")


async def test_the_link_to_a_message_is_copied_and_followed(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """From the toolbar into a message in another room; from there, within the page, to the message; Back comes back."""
    ada = await visit(replicas[0], room, permissions=["clipboard-read", "clipboard-write"])
    await ada.say("the one that counts")
    await ada.say("another")
    await ada.do("the one that counts", "Copy link")
    await expect(ada.page.get_by_text("The link to this message is copied.")).to_be_visible()
    link = await ada.page.evaluate("navigator.clipboard.readText()")
    assert link == f"{replicas[0]}/r/{room}#1"
    await ada.enter(f"{room}-b")
    await ada.say(link)
    loads = len(ada.requests)
    await ada.row(link).get_by_role("link").click()
    await expect(found(ada)).to_have_text(re.compile("the one that counts"))
    await expect(ada.page).to_have_url(link)
    await ada.page.go_back()
    await expect(ada.row(link)).to_be_visible()
    assert not [address for address in ada.requests[loads:] if "/r/" in address or address.endswith(".js")]


async def test_the_link_to_a_room_invites(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The copied address lets somebody else in; where the browser has no clipboard it is shown to be taken by hand."""
    ada = await visit(replicas[0], room, permissions=["clipboard-read", "clipboard-write"])
    await ada.page.get_by_role("button", name="Copy the link to this room").click()
    await expect(ada.page.get_by_text("The link to this room is copied.")).to_be_visible()
    link = await ada.page.evaluate("navigator.clipboard.readText()")
    assert link == f"{replicas[0]}/r/{room}"
    await ada.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')) }")
    await ada.page.get_by_role("button", name="Copy the link to this room").click()
    await expect(ada.page.get_by_role("dialog").get_by_role("textbox")).to_have_value(link)
