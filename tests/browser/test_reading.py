"""What has been read: on every tab and device of a person, over reloads."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import EXPECT_MS, Visit
from tests.browser.proxy import Proxy
from tests.browser.test_reconnect import burst
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def told(visitor: Visitor, room: str) -> asyncio.Event:
    """Set when the server has answered a read mark of the room, on a connection that is yet to be made."""
    answered = asyncio.Event()

    def heard(frame: str | bytes) -> None:
        message = json.loads(frame)
        if message["type"] == "read" and message["room"] == room:
            answered.set()

    visitor.page.on("websocket", lambda socket: socket.on("framereceived", heard))
    return answered


async def test_what_one_tab_reads_is_read_in_the_others(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The count at a room goes when another tab of the same person shows it; the title follows."""
    bob = await visit(replicas[1], f"{room}-b", "Bob")
    ada = await visit(replicas[0], f"{room}-b")
    await ada.enter(room)
    page = await ada.context.new_page()
    tab = Visitor(ada.context, page, replicas[0])
    await page.goto(f"{replicas[0]}/r/{room}")
    await tab.connected()
    await bob.say("news")
    for one in (ada, tab):
        await expect(one.page.get_by_role("link", name=f"{room}-b")).to_contain_text("1 unread")
    await tab.page.get_by_role("link", name=f"{room}-b").click()
    await expect(tab.row("news")).to_be_visible()
    await expect(ada.page.get_by_role("link", name=f"{room}-b")).not_to_contain_text("unread")
    await expect(ada.page).to_have_title(f"{room} · Parley")
    tab.check()


async def test_an_empty_room_that_was_visited_counts_from_its_first_message(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """There was nothing to put a mark on; what came afterwards is unread all the same, over a reload."""
    ada = await visit(replicas[0], f"{room}-b")
    await ada.enter(room)
    bob = await visit(replicas[1], f"{room}-b", "Bob")
    await bob.say("the very first")
    await expect(ada.page.get_by_role("link", name=f"{room}-b")).to_contain_text("1 unread")
    await ada.page.reload()
    await expect(ada.page.get_by_role("link", name=f"{room}-b")).to_contain_text("1 unread")


async def test_the_mark_survives_a_reload_and_a_new_device(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Where the new begins is the server's to know: the line stands at the first message that was not seen."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(replicas[0], room, None)
    marked = told(ada, room)
    await ada.named("Ada")
    await bob.say("seen")
    await expect(ada.row("seen")).to_be_visible()
    await asyncio.wait_for(marked.wait(), EXPECT_MS / 1000)
    guest = await ada.page.evaluate("localStorage.getItem('parley.guest')")
    await ada.page.goto("about:blank")
    await bob.say("not seen")
    device = await visit(replicas[1], f"{room}-other", None)
    await device.page.evaluate(
        "guest => { localStorage.setItem('parley.guest', guest); localStorage.setItem('parley.name', '\"Ada\"') }",
        guest,
    )
    await device.page.goto(f"{replicas[1]}/r/{room}")
    await device.connected()
    await expect(device.row("not seen")).to_be_visible()
    order = await device.log.locator(".unread, [data-state]").evaluate_all(
        "all => all.map(one => one.dataset.state ? one.querySelector('.words').textContent : 'new')"
    )
    assert order == ["seen", "new", "not seen"]


async def test_many_new_messages_are_read_from_the_first_on(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """A button leads from the end to where the new begins, also where that is not loaded yet; once there it is gone."""
    ada = await visit(replicas[0], room)
    bob = await visit(replicas[1], room, "Bob")
    await bob.say("seen")
    await expect(ada.row("seen")).to_be_visible()
    await ada.enter(f"{room}-b")
    texts = [f"news {number}" for number in range(1, 151)]
    await burst(replicas[1], room, texts)
    link = ada.page.get_by_role("link", name=re.compile(f"{room} "))
    await expect(link).to_contain_text("150 unread")
    await ada.page.goto(f"{replicas[0]}/r/{room}")
    up = ada.page.get_by_role("button", name="150 new, jump up")
    await expect(up).to_be_visible()
    await expect(ada.row("news 150")).to_be_in_viewport()
    await expect(ada.row("news 1")).to_have_count(0)
    await ada.composer.press("Shift+Tab")
    await expect(ada.log).to_be_focused()
    await ada.page.keyboard.press("Shift+Tab")
    await expect(up).to_be_focused()
    await up.click()
    await expect(ada.row("news 1")).to_be_focused()
    await expect(ada.row("news 1")).to_be_in_viewport()
    await expect(ada.log.locator(".unread")).to_be_in_viewport()
    await expect(up).to_have_count(0)
    await ada.page.get_by_role("button", name="Latest messages").click()
    await expect(ada.row("news 150")).to_be_in_viewport()
    await expect(up).to_have_count(0)


async def test_what_is_read_offline_is_told_later(
    replicas: tuple[str, str], proxy: Proxy, visit: Visit, room: str
) -> None:
    """A mark that was lost with the connection is told again with the next one."""
    bob = await visit(replicas[1], f"{room}-b", "Bob")
    ada = await visit(proxy.url, f"{room}-b")
    ada.network_fails = True
    await ada.enter(room)
    await bob.say("news")
    link = ada.page.get_by_role("link", name=f"{room}-b")
    await expect(link).to_contain_text("1 unread")
    proxy.refusing = True
    proxy.cut()
    await expect(ada.status).not_to_have_attribute("data-connection", "online")
    await link.click()
    await expect(ada.row("news")).to_be_visible()
    await ada.page.get_by_role("link", name=room, exact=True).click()
    marked = told(ada, f"{room}-b")
    proxy.refusing = False
    await ada.connected()
    await asyncio.wait_for(marked.wait(), EXPECT_MS / 1000)
    await ada.page.reload()
    await ada.connected()
    await ada.say("and on")
    await expect(link).not_to_contain_text("unread")
