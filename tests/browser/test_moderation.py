"""What moderators do on the page, and what those see to whom it is done."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator

import pytest
from playwright.async_api import Locator, expect

from app.auth import Guests, Identity
from tests.browser.conftest import Visit
from tests.browser.double import ServerDouble
from tests.browser.test_barriers import barriers
from tests.browser.visitor import Visitor
from tests.support import SECRET, Server, Valkey

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
WIDE = {"viewport": {"width": 1280, "height": 800}}
ROOMS = '[rooms]\n"news-*" = "read only"\n[moderators]\n"*" = ["g-moderator"]\n'

Moderator = Callable[[str], Awaitable[Visitor]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Iterator[Server]:
    """A server whose rules name a guest as moderator of everything."""
    directory = tmp_path_factory.mktemp("moderated")
    (directory / "rooms.toml").write_text(ROOMS)
    started = Server(
        directory / "server.log",
        *("--port", "0", "--workers", "2", "--node", "moderated", "--redis-url", valkey.url),
        *("--room-rules", str(directory / "rooms.toml")),
    )
    yield started
    started.stop()


@pytest.fixture
def url(server: Server) -> str:
    """Its address."""
    return server.url.rstrip("/")


@pytest.fixture
def moderator(url: str, visit: Visit) -> Moderator:
    """Opens a room as the guest that the rules name."""
    token = Guests(SECRET).token(Identity("g-moderator", "Mod"))

    async def open_(room: str) -> Visitor:
        mod = await visit(url, room, None, **WIDE)
        for key, value in (("guest", token), ("name", "Mod")):
            await mod.page.evaluate(f"localStorage.setItem('parley.{key}', {json.dumps(json.dumps(value))})")
        await mod.page.reload()
        await mod.connected()
        return mod

    return open_


def dialog(visitor: Visitor) -> Locator:
    """What lies over the page."""
    return visitor.page.get_by_role("dialog")


async def moderate(mod: Visitor, name: str, action: str, reason: str = "", term: str = "10 minutes") -> None:
    """Do something to somebody of the list."""
    await mod.people.get_by_role("button", name=f"Moderate {name}").click()
    await dialog(mod).get_by_label(re.compile("Reason")).fill(reason)
    await dialog(mod).get_by_label("Mute or ban for").select_option(term)
    await dialog(mod).get_by_role("button", name=action, exact=True).click()
    await expect(dialog(mod)).to_have_count(0)


async def test_whoever_is_muted_sees_until_when(url: str, visit: Visit, moderator: Moderator, room: str) -> None:
    """In place of the field, with the reason; the draft is kept, and the field comes back when it is over."""
    mod, eve = await moderator(room), await visit(url, room, "Eve")
    await eve.say("before")
    await eve.composer.fill("half a thought")
    await moderate(mod, "Eve", "Mute", "count to ten")
    note = eve.page.get_by_role("note")
    await expect(note).to_contain_text(re.compile(r"You are muted here until \d"))
    await expect(note).to_contain_text("count to ten")
    await expect(eve.composer).to_have_count(0)
    assert await barriers(eve) == []
    await eve.page.reload()
    await expect(note).to_contain_text(re.compile(r"You are muted here until \d"))
    await mod.page.get_by_role("button", name="Bans and mutes").click()
    await expect(dialog(mod)).to_contain_text(re.compile("Eve is muted until .*, by Mod: count to ten"))
    assert await barriers(mod) == []
    await dialog(mod).get_by_role("button", name="End this mute of Eve").click()
    await expect(dialog(mod)).to_contain_text("Nobody is banned or muted here.")
    await expect(dialog(mod)).to_contain_text("Mod unmuted Eve")
    await expect(eve.composer).to_have_value("half a thought")
    await eve.say("after")


async def test_whoever_is_removed_is_told_and_does_not_come_back_by_itself(
    url: str, visit: Visit, moderator: Moderator, room: str
) -> None:
    """It says why; nobody sees that one there; a reload of the connection changes nothing, a click does."""
    mod, eve = await moderator(room), await visit(url, room, "Eve")
    await moderate(mod, "Eve", "Remove", "this is not the place")
    await expect(eve.page.get_by_role("heading", name="You were removed from this room")).to_be_visible()
    await expect(eve.page.get_by_text("this is not the place")).to_be_visible()
    await expect(mod.people.get_by_role("listitem")).to_have_count(1)
    assert await barriers(eve) == []
    await eve.page.evaluate("dispatchEvent(new Event('online'))")
    await expect(mod.people.get_by_role("listitem")).to_have_count(1)
    await eve.page.get_by_role("button", name="Enter again").click()
    await expect(mod.people.get_by_role("listitem")).to_have_count(2)
    await eve.say("I am sorry")


async def test_whoever_is_banned_stays_out(url: str, visit: Visit, moderator: Moderator, room: str) -> None:
    """Of that room, not of others; also after a reload."""
    mod, eve = await moderator(room), await visit(url, room, "Eve")
    await moderate(mod, "Eve", "Ban", "enough", "1 day")
    await expect(eve.page.get_by_role("heading", name="You are banned from this room")).to_be_visible()
    await expect(eve.page.get_by_text("It holds for 1 day.")).to_be_visible()
    await expect(eve.page.get_by_role("button", name="Enter again")).to_have_count(0)
    await eve.page.reload()
    await expect(eve.page.get_by_text(re.compile("you are banned from this room"))).to_be_visible()
    await eve.enter(f"{room}-other")
    await eve.say("somewhere else")


async def test_messages_of_others_are_deleted_and_their_authors_moderated_by_key(
    url: str, visit: Visit, moderator: Moderator, room: str
) -> None:
    """Without the pointer; only a moderator has these actions, and none of them for itself."""
    mod, eve = await moderator(room), await visit(url, room, "Eve")
    await eve.say("rude words")
    await mod.say("my own")
    row = mod.row("rude words")
    await row.hover()
    await expect(row.get_by_role("button", name="Moderate Eve")).to_be_visible()
    assert await barriers(mod) == []
    await mod.row("my own").hover()
    await expect(mod.row("my own").get_by_role("button", name=re.compile("Moderate"))).to_have_count(0)
    await eve.row("my own").hover()
    await expect(eve.row("my own").get_by_role("toolbar")).to_be_visible()
    await expect(eve.row("my own").get_by_role("button", name=re.compile("Moderate|Delete"))).to_have_count(0)
    await expect(eve.people.get_by_role("button", name=re.compile("Moderate"))).to_have_count(0)
    await row.focus()
    await mod.page.keyboard.press("Delete")
    await dialog(mod).get_by_role("button", name="Delete").press("Enter")
    await expect(eve.log.get_by_text("This message was deleted.")).to_be_visible()
    await eve.say("more of it")
    await mod.row("more of it").focus()
    await mod.page.keyboard.press("m")
    await expect(dialog(mod).get_by_label(re.compile("Reason"))).to_be_focused()
    assert await barriers(mod) == []
    for _ in range(4):
        await mod.page.keyboard.press("Tab")
    await expect(dialog(mod).get_by_role("button", name="Mute")).to_be_focused()
    await mod.page.keyboard.press("Enter")
    await expect(eve.page.get_by_role("note")).to_contain_text("You are muted here until")


async def test_a_room_to_be_read_has_no_field(url: str, visit: Visit, moderator: Moderator, room: str) -> None:
    """It says so; whoever may write there has one."""
    mod, eve = await moderator(f"news-{room}"), await visit(url, f"news-{room}", "Eve")
    await expect(eve.page.get_by_role("note")).to_have_text("You can read this room, but not write in it.")
    await expect(eve.composer).to_have_count(0)
    await mod.say("the news")
    await expect(eve.row("the news")).to_be_visible()
    assert await barriers(eve) == []


async def test_names_that_look_alike_are_marked(url: str, visit: Visit, room: str) -> None:
    """In the list and at what they write, for as long as both are there."""
    ada = await visit(url, room, **WIDE)
    await ada.say("I am Ada")
    await expect(ada.page.locator(".alike")).to_have_count(0)
    other = await visit(url, room, "\u0410da")  # with a Cyrillic first letter
    await other.say("So am I")
    marks = ada.people.get_by_text("looks like another name here")
    await expect(marks).to_have_count(2)
    for text in ("I am Ada", "So am I"):
        await expect(ada.row(text).get_by_text("looks like another name here")).to_have_count(1)
    assert await barriers(ada) == []
    await other.page.get_by_role("button", name=re.compile("Leave")).click()
    await expect(marks).to_have_count(0)
    await expect(ada.row("I am Ada").get_by_text("looks like another name here")).to_have_count(0)


async def test_a_mute_ends_by_itself(visit: Visit, url: str) -> None:
    """When its time is over, without a word of the server."""
    ada = await visit(url, "double", None, clock=True)
    double = ServerDouble()
    await double.install(ada.page)
    await ada.page.reload()
    await ada.named("Ada")
    await expect(ada.composer).to_be_visible()
    double.push(type="moderated", action="mute", room="double", seconds=600)
    await expect(ada.page.get_by_text("A moderator has muted you in #double for 10 minutes.")).to_be_visible()
    await expect(ada.page.get_by_role("note")).to_be_visible()
    await ada.page.clock.fast_forward(601_000)
    await expect(ada.composer).to_be_visible()


async def test_a_mute_longer_than_a_timer_can_wait_ends_no_sooner(visit: Visit, url: str) -> None:
    """A browser's timers end after 24.8 days at the latest; a mute of 30 days goes on then, and ends by itself."""
    ada = await visit(url, "double", None, clock=True)
    double = ServerDouble()
    await double.install(ada.page)
    await ada.page.reload()
    await ada.named("Ada")
    double.push(type="moderated", action="mute", room="double", seconds=30 * 86_400)
    await expect(ada.page.get_by_role("note")).to_be_visible()
    await ada.page.clock.fast_forward(2**31)
    double.push(**double.event(1))
    await expect(ada.row("text 1")).to_be_visible()
    await expect(ada.page.get_by_role("note")).to_be_visible()
    await ada.page.clock.fast_forward(30 * 86_400_000 - 2**31)
    await expect(ada.composer).to_be_visible()


async def test_whoever_is_kicked_from_the_server_stays_away(visit: Visit, url: str) -> None:
    """It is said, and no new connection is made until the visitor wants one."""
    ada = await visit(url, "double", None)
    double = ServerDouble()
    await double.install(ada.page)
    await ada.page.reload()
    await ada.named("Ada")
    double.close(4503)
    await expect(ada.status).to_contain_text("You were removed from this server.")
    assert len(double.connections) == 1
    await ada.page.get_by_role("button", name="Try now").click()
    await ada.connected()
    double.close(4504)
    await expect(ada.status).to_contain_text("You are banned from this server.")
