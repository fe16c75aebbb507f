"""Barriers to people with disabilities, by axe: none in any state the page can be in."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.double import ServerDouble
from tests.browser.proxy import Proxy
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
VENDOR = Path(__file__).parent / "vendor"
AXE = (VENDOR / "axe.min.js").read_text()
COLOURS = ["color-contrast", "link-in-text-block"]
PHONE = {"viewport": {"width": 320, "height": 568}, "has_touch": True, "is_mobile": True}


async def barriers(visitor: Visitor) -> list[str]:
    """What axe objects to now, by day and by night, with the elements it means. At night only colours differ."""
    await visitor.page.evaluate(AXE)
    found: list[str] = []
    for scheme, rules in (("light", {}), ("dark", {"runOnly": COLOURS})):
        await visitor.page.emulate_media(color_scheme=scheme)
        # What fades in is judged by the colours it ends with.
        await visitor.page.evaluate(
            "Promise.all(document.getAnimations().filter(one => one.effect.getTiming().iterations !== Infinity)"
            ".map(one => one.finished.catch(() => {})))"
        )
        violations: list[dict[str, Any]] = await visitor.page.evaluate(
            "async rules => (await axe.run(document, { ...rules, resultTypes: ['violations'] })).violations", rules
        )
        found += [
            f"{scheme}: {one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes']]}"
            for one in violations
        ]
    return found


async def furnish(visitor: Visitor, other: Visitor) -> None:
    """Everything at once: words of all kinds, reactions, an edit, a deletion, a topic, unread messages elsewhere."""
    await visitor.write("plain words, *stressed*, **strong**, ~~struck~~ and `code`")
    await visitor.write("> quoted\n- one\n- two\n```\ncode\n```\nhttps://example.org/")
    await other.say("hello @Ada")
    await visitor.do("hello @Ada", "React with heart")
    await expect(other.log.get_by_role("button", name=re.compile("reacted with heart"))).to_be_visible()
    await visitor.say("to be deleted")
    await visitor.do("to be deleted", "Delete")
    await visitor.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(visitor.log.get_by_text("This message was deleted.")).to_be_visible()


async def test_a_busy_page_has_no_barriers(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """With all kinds of words, a row in hand, a dialog, the switcher, the help, an editor open."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(replicas[0], room, viewport={"width": 1280, "height": 800})
    await furnish(ada, bob)
    assert await barriers(ada) == []
    await ada.row("hello @Ada").hover()
    await expect(ada.page.get_by_role("toolbar")).to_be_visible()
    assert await barriers(ada) == []
    await ada.do("hello @Ada", "Add a reaction")
    await expect(ada.page.get_by_role("dialog", name="Add a reaction")).to_be_visible()
    assert await barriers(ada) == []
    await ada.page.keyboard.press("Escape")
    await expect(ada.page.get_by_role("dialog")).to_have_count(0)
    for keys, name in (("Control+k", "Go to a room or a person"), ("Control+/", "Keys and markup")):
        await ada.composer.focus()
        await ada.page.keyboard.press(keys)
        await expect(ada.page.get_by_role("dialog", name=name)).to_be_visible()
        assert await barriers(ada) == [], name
        await ada.page.keyboard.press("Escape")
        await expect(ada.page.get_by_role("dialog")).to_have_count(0)
    await ada.composer.press("ArrowUp")
    await expect(ada.page.get_by_role("textbox", name="Edit message")).to_be_focused()
    assert await barriers(ada) == []


async def test_the_door_and_an_empty_room_have_no_barriers(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Before a name is given, when it is refused, and where nobody has written yet."""
    ada = await visit(replicas[0], room, None)
    assert await barriers(ada) == []
    await ada.page.get_by_role("button", name="Join", exact=True).click()
    await expect(ada.page.get_by_role("alert")).to_be_visible()
    assert await barriers(ada) == []
    await ada.named("Ada")
    await expect(ada.log).to_contain_text("It is quiet in")
    assert await barriers(ada) == []


async def test_a_page_without_connection_has_no_barriers(visit: Visit, proxy: Proxy, room: str) -> None:
    """With the banner, its countdown, and messages that wait."""
    ada = await visit(proxy.url, room)
    ada.network_fails = True
    await ada.say("sent")
    proxy.refusing = True
    proxy.cut()
    await ada.write("waiting")
    await expect(ada.row("waiting")).to_have_attribute("data-state", "pending")
    await expect(ada.banner).to_be_visible()
    assert await barriers(ada) == []


async def test_refused_messages_and_rooms_have_no_barriers(replicas: tuple[str, str], visit: Visit) -> None:
    """A failed row with its buttons, a notice, and a room that may not be entered."""
    ada = await visit(replicas[0], "double", None)
    double = ServerDouble()
    await double.install(ada.page)
    await ada.page.reload()
    await ada.named("Ada")
    await ada.say("stays")
    no = {"type": "error", "code": "muted", "temporary": False, "message": "no"}
    double.answer["send"] = double.answer["react"] = lambda _: no
    await ada.write("not taken")
    await expect(ada.row("not taken")).to_have_attribute("data-state", "failed")
    await ada.do("stays", "React with heart")
    await expect(ada.page.get_by_text("No reaction given: no")).to_be_visible()
    assert await barriers(ada) == []
    double.answer["join"] = lambda _: {"type": "error", "code": "forbidden", "message": "This room is private."}
    await ada.enter("secret")
    await expect(ada.page.get_by_text("This room is private.")).to_be_visible()
    assert await barriers(ada) == []


async def test_a_phone_shows_no_barriers(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The conversation, a message in hand, the emoji at the bottom, the rooms and the people over it."""
    bob = await visit(replicas[1], room, "Bob")
    ada = await visit(replicas[0], room, **PHONE)
    await bob.say("hello @Ada")
    await ada.say("hello @Bob")
    await ada.row("hello @Ada").tap()
    await expect(ada.page.get_by_role("toolbar")).to_be_visible()
    assert await barriers(ada) == []
    await ada.page.get_by_role("toolbar").get_by_role("button", name="Add a reaction").tap()
    await expect(ada.page.get_by_role("dialog")).to_be_visible()
    assert await barriers(ada) == []
    await ada.page.keyboard.press("Escape")
    await ada.page.get_by_role("button", name="Rooms").tap()
    await expect(ada.page.get_by_role("link", name=room)).to_be_in_viewport()
    assert await barriers(ada) == []
    await ada.page.keyboard.press("Escape")
    await ada.page.get_by_role("button", name=re.compile("people|person|People")).tap()
    await expect(ada.page.get_by_role("complementary", name="People")).to_be_in_viewport()
    assert await barriers(ada) == []


async def test_axe_is_the_one_its_readme_describes() -> None:
    """The hash in the README is that of the file."""
    digest = hashlib.sha256((VENDOR / "axe.min.js").read_bytes()).hexdigest()
    assert f"`{digest}`" in (VENDOR / "README.md").read_text()


async def test_the_reference_has_no_barriers(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """On a screen and on a phone, and the browser has nothing to object to under the page's policy."""
    for more in ({"viewport": {"width": 1280, "height": 800}}, PHONE):
        ada = await visit(replicas[0], room, **more)
        said: list[str] = []
        ada.page.on("console", lambda message, said=said: said.append(message.text))
        await ada.page.goto(f"{replicas[0]}/docs")
        await expect(ada.page.get_by_role("heading", name="HTTP API")).to_be_visible()
        assert await barriers(ada) == []
        assert said == []
        assert await ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
