"""What was said is changed, taken back, answered; what a room is about is told. Between two replicas."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.proxy import Proxy
from tests.browser.visitor import Visitor
from tests.support import Valkey

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def editor(visitor: Visitor) -> Locator:
    """Where a message is changed."""
    return visitor.page.get_by_role("textbox", name="Edit message")


def reaction(visitor: Visitor, says: str) -> Locator:
    """The button under a message that says who reacted with what."""
    return visitor.log.get_by_role("button", name=says, exact=True)


async def test_an_edited_message_stays_where_it_is(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Everybody sees the new words in the old place, marked as edited, also who comes later."""
    ada = await visit(replicas[0], room)
    bob = await visit(replicas[1], room, "Bob")
    await ada.say("teh first")
    await bob.say("an answer")
    await expect(ada.row("an answer")).to_be_visible()  # coming later it would move the rows under the pointer
    await ada.do("teh first", "Edit")
    await expect(editor(ada)).to_be_focused()
    await editor(ada).fill("the first")
    await editor(ada).press("Enter")
    await expect(editor(ada)).to_have_count(0)
    await expect(ada.composer).to_be_focused()
    for page in (ada, bob):
        await expect(page.rows.first).to_contain_text("edited")
        assert await page.texts() == ["the first", "an answer"]
    await bob.page.reload()
    await bob.connected()
    await expect(bob.rows.first).to_contain_text("edited")
    assert await bob.texts() == ["the first", "an answer"]


async def test_arrow_up_changes_the_last_message_and_escape_leaves_it(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """Only from an empty field, only one's own; Esc keeps the words as they were."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(replicas[0], room)
    await ada.say("mine")
    await bob.say("not mine")
    await expect(ada.row("not mine")).to_be_visible()
    await ada.composer.fill("draft")
    await ada.composer.press("ArrowUp")
    await expect(editor(ada)).to_have_count(0)
    await ada.composer.fill("")
    await ada.composer.press("ArrowUp")
    await expect(editor(ada)).to_have_value("mine")
    await editor(ada).fill("something else")
    await editor(ada).press("Escape")
    await expect(ada.composer).to_be_focused()
    assert await ada.texts() == ["mine", "not mine"]
    await ada.composer.press("ArrowUp")
    await editor(ada).press_sequentially("!")
    await editor(ada).press("Enter")
    await expect(bob.row("mine!")).to_be_visible()


async def test_a_deleted_message_is_gone_for_everybody(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """After a question its words are nowhere any more, and that something was there is said."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(replicas[0], room)
    await ada.say("a slip of the tongue")
    await ada.say("what follows")
    await ada.do("a slip of the tongue", "Delete")
    await ada.page.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    await expect(ada.row("a slip of the tongue")).to_be_visible()
    await ada.do("a slip of the tongue", "Delete")
    await ada.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for page in (ada, bob):
        await expect(page.rows.first).to_contain_text("This message was deleted.")
        assert "slip" not in await page.page.content()
    await bob.page.reload()
    await bob.connected()
    await expect(bob.rows).to_have_count(2)
    await expect(bob.rows.first).to_contain_text("This message was deleted.")


async def test_only_one_s_own_messages_can_be_changed(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Those of others offer a reaction and their link, by pointer and by key."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(replicas[0], room)
    await bob.say("by Bob")
    await ada.row("by Bob").hover()
    await expect(ada.page.get_by_role("toolbar").get_by_role("button", name="Copy link")).to_be_visible()
    for name in ("Edit", "Delete"):
        await expect(ada.page.get_by_role("toolbar").get_by_role("button", name=name)).to_have_count(0)
    await ada.row("by Bob").focus()
    await ada.page.keyboard.press("e")
    await ada.page.keyboard.press("Delete")
    await expect(editor(ada)).to_have_count(0)
    await expect(ada.page.get_by_role("dialog")).to_have_count(0)


async def test_reactions_are_counted_and_taken_back(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """One of each kind and person; who gave it is said; a reload shows the same."""
    ada = await visit(replicas[0], room)
    bob = await visit(replicas[1], room, "Bob")
    await ada.say("it works")
    await bob.do("it works", "React with heart")
    await reaction(ada, "Bob reacted with heart").click()
    await expect(reaction(ada, "You and Bob reacted with heart")).to_have_attribute("aria-pressed", "true")
    await expect(reaction(bob, "You and Ada reacted with heart")).to_contain_text("2")
    await bob.do("it works", "Add a reaction")
    await bob.page.get_by_role("dialog").get_by_role("button", name="rocket").click()
    await expect(reaction(ada, "Bob reacted with rocket")).to_be_visible()
    await reaction(bob, "You and Ada reacted with heart").click()
    await expect(reaction(ada, "You reacted with heart")).to_contain_text("1")
    await ada.page.reload()
    await ada.connected()
    await expect(reaction(ada, "You reacted with heart")).to_be_visible()
    await expect(reaction(ada, "Bob reacted with rocket")).to_be_visible()
    await reaction(ada, "You reacted with heart").click()
    await expect(bob.log.get_by_role("button", name=re.compile("reacted with heart"))).to_have_count(0)


async def test_a_change_made_offline_waits_and_is_made(
    replicas: tuple[str, str], proxy: Proxy, visit: Visit, room: str
) -> None:
    """The author sees it at once, as on its way; it survives a reload and arrives with the connection."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await ada.say("before")
    await ada.say("to go")
    proxy.refusing = True
    proxy.cut()
    await expect(ada.status).not_to_have_attribute("data-connection", "online")
    await ada.do("before", "Edit")
    await editor(ada).fill("after")
    await editor(ada).press("Enter")
    await expect(ada.row("after")).to_have_attribute("data-state", "pending")
    await ada.do("to go", "React with heart")
    await expect(reaction(ada, "You reacted with heart")).to_be_visible()
    assert await bob.texts() == ["before", "to go"]
    proxy.refusing = False
    await ada.page.reload()
    await ada.connected()
    await expect(ada.row("after")).to_have_attribute("data-state", "sent")
    await expect(bob.row("after")).to_be_visible()
    await expect(reaction(bob, "Ada reacted with heart")).to_be_visible()


async def test_changes_to_older_messages_are_seen_when_those_come(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """A message beyond the first page is changed while a page is open: scrolling up shows it changed."""
    ada = await visit(replicas[0], room)
    await ada.say("the oldest")
    for number in range(60):
        await ada.write(f"number {number}")
    await expect(ada.row("number 59")).to_have_attribute("data-state", "sent")
    bob = await visit(replicas[1], room, "Bob")
    await expect(bob.row("number 59")).to_be_visible()
    await expect(bob.row("the oldest")).to_have_count(0)
    await ada.row("the oldest").scroll_into_view_if_needed()
    await ada.do("the oldest", "React with heart")
    await ada.do("the oldest", "Edit")
    await editor(ada).fill("the very oldest")
    await editor(ada).press("Enter")
    await expect(ada.row("the very oldest")).to_have_attribute("data-state", "sent")
    await bob.say("done?")
    await bob.log.evaluate("log => { log.scrollTop = 0 }")
    await expect(bob.row("the very oldest")).to_be_attached()
    await expect(reaction(bob, "Ada reacted with heart")).to_have_count(1)


async def test_a_topic_is_set_and_told(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """It stands beside the room's name, for those who are there and those who come; setting it is part of the log."""
    ada = await visit(replicas[0], room)
    bob = await visit(replicas[1], room, "Bob")
    await ada.page.get_by_role("button", name="Set a topic").click()
    await ada.page.get_by_role("dialog").get_by_role("textbox").fill("Releases and what keeps us from them")
    await ada.page.keyboard.press("Enter")
    for page in (ada, bob):
        await expect(page.page.locator(".topic")).to_have_text("Releases and what keeps us from them")
        await expect(page.log).to_contain_text("Ada set the topic: Releases and what keeps us from them")
    await bob.page.reload()
    await bob.connected()
    await expect(bob.page.locator(".topic")).to_have_text("Releases and what keeps us from them")
    await ada.page.get_by_role("button", name="Change the topic").click()
    await ada.page.get_by_role("dialog").get_by_role("textbox").fill("")
    await ada.page.keyboard.press("Enter")
    await expect(bob.page.locator(".topic")).to_have_count(0)
    await expect(bob.log).to_contain_text("Ada removed the topic")


async def test_a_topic_goes_with_the_log_that_had_it(
    replicas: tuple[str, str], visit: Visit, room: str, valkey: Valkey
) -> None:
    """Where a room's log starts anew, those who are there see no topic that those who come do not."""
    ada = await visit(replicas[0], room)
    await ada.page.get_by_role("button", name="Set a topic").click()
    await ada.page.get_by_role("dialog").get_by_role("textbox").fill("Plans")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.locator(".topic")).to_have_text("Plans")
    assert valkey.command("DEL", *(f"parley:{{{room}}}:{key}" for key in ("log", "meta"))) == ":2"
    bob = await visit(replicas[1], room, "Bob")
    await bob.write("a new beginning")
    await expect(ada.log).to_contain_text("a new beginning")
    await expect(ada.page.locator(".topic")).to_have_count(0)
