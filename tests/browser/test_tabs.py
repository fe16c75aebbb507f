"""Several tabs of one browser are one guest: with one name, and one list of rooms."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.proxy import Proxy
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def tab_of(visitor: Visitor, url: str, room: str) -> Visitor:
    """Another tab of the same browser."""
    page = await visitor.context.new_page()
    tab = Visitor(visitor.context, page, url)
    await page.goto(f"{url}/r/{room}")
    await tab.connected()
    return tab


def link(visitor: Visitor, room: str) -> Locator:
    """A room in the list."""
    return visitor.page.get_by_role("link", name=room, exact=True)


async def test_a_guest_has_one_name_in_all_tabs(
    replicas: tuple[str, str], visit: Visit, proxy: Proxy, room: str
) -> None:
    """The other tab takes a new name over; after a loss of the connection nobody is called by the old one again."""
    bob = await visit(replicas[1], room, "Bob", viewport={"width": 1280, "height": 800})
    ada = await visit(proxy.url, room)
    tab = await tab_of(ada, proxy.url, room)
    ada.network_fails = tab.network_fails = True
    await ada.page.get_by_role("button", name="Change your name").click()
    await ada.page.get_by_label("Your name", exact=True).fill("Countess")
    await ada.page.get_by_role("button", name="Save").click()
    for one in (ada, tab):
        await expect(one.page.locator(".me .name")).to_have_text("Countess")
        await one.connected()
    await tab.say("from the other tab")
    await expect(bob.row("from the other tab").locator(".author .name")).to_have_text("Countess")
    async with ada.page.expect_event("websocket"), tab.page.expect_event("websocket"):
        proxy.cut()
    for one in (ada, tab):
        await one.connected()
    await tab.say("again")
    await ada.say("and again")
    await expect(bob.rows).to_have_count(3)
    await expect(bob.log.locator(".author .name")).to_have_text(["Countess"])
    await expect(bob.people.get_by_role("button", name="Countess")).to_be_visible()
    tab.check()


async def test_a_tab_that_slept_does_not_bring_an_old_name_back(
    replicas: tuple[str, str], visit: Visit, proxy: Proxy, room: str
) -> None:
    """It hears of no change meanwhile; its next hello has the name of today all the same."""
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await ada.page.evaluate("addEventListener('storage', event => event.stopImmediatePropagation(), true)")
    await ada.page.evaluate("localStorage.setItem('parley.name', '\"Countess\"')")
    await ada.reconnects(proxy.cut)
    await expect(ada.page.locator(".me .name")).to_have_text("Countess")


async def test_each_tab_keeps_the_rooms_of_the_others(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """What one enters or leaves is entered and left in all, now and after a reload."""
    ada = await visit(replicas[0], room)
    tab = await tab_of(ada, replicas[0], room)
    await ada.enter(f"{room}-b")
    await expect(link(tab, f"{room}-b")).to_be_visible()
    await tab.enter(f"{room}-c")
    await expect(link(ada, f"{room}-c")).to_be_visible()
    await link(ada, room).click()
    await link(tab, f"{room}-b").hover()
    await tab.page.get_by_role("button", name=f"Leave {room}-b").click()
    await expect(link(ada, f"{room}-b")).to_have_count(0)
    for one in (ada, tab):
        await one.page.reload()
        await one.connected()
        await expect(one.page.get_by_role("list", name="Rooms").get_by_role("link")).to_have_text(
            [f"#{room}", f"#{room}-c"]
        )
    tab.check()
