"""The people in a room: who is there, who writes, who is meant, and what two of them say to each other alone."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import EXPECT_MS, Visit
from tests.browser.test_reconnect import websocket
from tests.support import Peer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
WIDE = {"viewport": {"width": 1280, "height": 800}}


async def test_who_is_there_is_listed_and_counted(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Across replicas, each person once however many tabs they have; coming and going is noted in one line."""
    ada = await visit(replicas[0], room, **WIDE)
    await expect(ada.people.get_by_role("listitem")).to_have_count(1)
    bob = await visit(replicas[1], room, "Bob", **WIDE)
    await expect(ada.people.get_by_role("listitem")).to_have_text([re.compile("Ada"), re.compile("Bob")])
    await expect(ada.page.get_by_role("button", name="2 people")).to_be_visible()
    tab = await bob.context.new_page()
    await tab.goto(f"{replicas[1]}/r/{room}")
    await expect(tab.get_by_role("button", name="2 people")).to_be_visible()
    peer = await Peer.open(websocket(replicas[1]), "Grace Hopper")
    assert (await peer.ask("join", room=room))["type"] == "joined"
    await expect(ada.people.get_by_role("listitem")).to_have_count(3)
    await expect(ada.log.locator(".rule, .note")).to_have_text(["Today", "Bob and Grace Hopper joined"])
    await peer.ask("leave", room=room)
    await expect(bob.people.get_by_role("listitem")).to_have_count(2)
    await expect(ada.log.locator(".note")).to_have_text("Bob joined. Grace Hopper came and went")
    await peer.close()
    await expect(ada.rows).to_have_count(0)


async def test_who_writes_is_said_until_it_is_written(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Others see it, the one who writes does not; the message takes its place."""
    ada = await visit(replicas[0], room)
    bob = await visit(replicas[1], room, "Bob")
    await bob.composer.press_sequentially("a thought")
    await expect(ada.page.get_by_text("Bob is writing")).to_be_visible()
    await expect(bob.page.get_by_text("is writing")).to_have_count(0)
    await bob.composer.press("Enter")
    await expect(ada.row("a thought")).to_be_visible()
    await expect(ada.page.get_by_text("is writing")).to_have_count(0)


async def test_a_mention_is_completed_marked_and_counted(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """`@` offers who is there; who is meant sees it in the message, and at the room when looking elsewhere."""
    bob = await visit(replicas[1], room, "Bob Builder")
    ada = await visit(replicas[0], room)
    await expect(ada.page.get_by_role("button", name="2 people")).to_be_visible()
    await bob.enter(f"{room}-b")
    await ada.composer.press_sequentially("look, @b")
    await expect(ada.page.get_by_role("option", name="Bob Builder")).to_have_attribute("aria-selected", "true")
    await ada.composer.press("Enter")
    await expect(ada.composer).to_have_value("look, @Bob Builder ")
    await ada.composer.press("Enter")
    await expect(ada.row("look, @Bob Builder").locator(".mention")).to_have_text("@Bob Builder")
    await expect(bob.page.get_by_role("link", name=re.compile(f"{room} "))).to_contain_text("1 unread, 1 mention you")
    await bob.page.get_by_role("link", name=re.compile(f"{room} ")).click()
    await expect(bob.row("look, @Bob Builder")).to_contain_text("mentions you")
    await expect(bob.row("look, @Bob Builder").locator(".mention.self")).to_be_visible()
    await ada.say("mail a@Bob Builder, or ask @bob builder")
    await expect(ada.rows.last.locator(".mention")).to_have_text("@bob builder")
    await ada.say("no one is meant by @nobody here")
    await expect(ada.rows.last.locator(".mention")).to_have_count(0)


async def test_who_has_written_and_left_can_be_mentioned(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Completion offers them still, and whoever comes back sees that the message is meant for them."""
    ada = await visit(replicas[0], room, **WIDE)
    bob = await visit(replicas[1], room, "Bob Builder")
    await bob.say("back soon")
    await expect(ada.row("back soon")).to_be_visible()
    await bob.enter(f"{room}-b")
    await bob.page.get_by_role("button", name=f"Leave {room}", exact=True).click()
    await expect(ada.people.get_by_role("listitem")).to_have_count(1)
    await ada.composer.press_sequentially("look, @bo")
    await expect(ada.page.get_by_role("option", name="Bob Builder")).to_be_visible()
    await ada.composer.press("Enter")
    await ada.composer.press("Enter")
    await expect(ada.row("look, @Bob Builder").locator(".mention")).to_have_text("@Bob Builder")
    await bob.enter(room)
    await expect(bob.row("look, @Bob Builder")).to_contain_text("mentions you")


async def test_rooms_and_people_are_named_as_their_languages_write(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """A room whose name has marks, somebody whose name has a joiner and is meant as a whole."""
    hindi = f"{room}-\u0939\u093f\u0928\u094d\u0926\u0940"
    ada = await visit(replicas[0], room, "\u0930\u093e\u092e")
    await ada.enter(hindi)
    ali = await visit(replicas[1], hindi, "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627")
    await ali.say("@\u0930\u093e\u092e, not @\u0930\u093e\u092e\u093e")
    await expect(ada.rows.last.locator(".mention")).to_have_text("@\u0930\u093e\u092e")
    await expect(ada.rows.last.locator(".name")).to_have_text("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627")


async def test_two_people_talk_alone(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """A click on a person opens a room of the two; it appears by itself with the other, with what was said there."""
    ada = await visit(replicas[0], room, **WIDE)
    bob = await visit(replicas[1], room, "Bob", **WIDE)
    await ada.people.get_by_role("button", name="Bob").click()
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text(re.compile("Bob$"))
    await expect(ada.log).to_contain_text("Only you and Bob")
    await ada.say("between us")
    link = bob.page.get_by_role("link", name=re.compile("Ada"))
    await expect(link).to_contain_text("1 unread")
    await link.click()
    await expect(bob.row("between us")).to_be_visible()
    await bob.say("of course")
    await expect(ada.row("of course")).to_be_visible()
    await bob.page.reload()
    await bob.connected()
    await expect(bob.page.get_by_role("heading", level=1)).to_have_text(re.compile("Ada$"))
    assert await bob.texts() == ["between us", "of course"]
    grace = await visit(replicas[0], bob.page.url.rpartition("/")[2], None)
    await grace.page.get_by_label("Your name", exact=True).fill("Grace")
    await grace.page.get_by_role("button", name="Join", exact=True).click()
    await expect(grace.page.get_by_text("This room cannot be entered")).to_be_visible()


async def test_writing_to_somebody_keeps_the_list_of_people(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Where it stands beside the conversation it is in nobody's way."""
    ada = await visit(replicas[0], room, **WIDE)
    await visit(replicas[1], room, "Bob", **WIDE)
    await ada.people.get_by_role("button", name="Bob").click()
    await expect(ada.log).to_contain_text("Only you and Bob")
    await expect(ada.people).to_be_visible()
    await ada.page.reload()
    await expect(ada.people).to_be_visible()


async def test_a_direct_room_that_was_left_comes_back_with_the_next_message(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """Not with a reload alone."""
    ada = await visit(replicas[0], room, **WIDE)
    bob = await visit(replicas[1], room, "Bob", **WIDE)
    await ada.people.get_by_role("button", name="Bob").click()
    await ada.say("between us")
    await bob.page.get_by_role("link", name=re.compile("Ada")).click()
    await expect(bob.row("between us")).to_be_visible()
    await ada.page.get_by_role("button", name="Leave Bob").click()
    link = ada.page.get_by_role("link", name=re.compile("Bob"))
    await expect(link).to_have_count(0)
    listed = asyncio.Event()
    ada.page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda frame: '"direct"' in frame and listed.set())
    )
    await ada.page.reload()
    await asyncio.wait_for(listed.wait(), EXPECT_MS / 1000)
    await ada.say("the list is here")
    await expect(link).to_have_count(0)
    await bob.say("one more")
    await expect(link).to_contain_text("1 unread")
    await ada.page.reload()
    await expect(link).to_contain_text("1 unread")


async def test_a_direct_room_is_called_by_the_name_of_now(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Who takes another name has it at the other's, in title and list, before writing again; after a reload too."""
    ada = await visit(replicas[0], room, **WIDE)
    bob = await visit(replicas[1], room, "Bob", **WIDE)
    await ada.people.get_by_role("button", name="Bob").click()
    await ada.say("between us")
    await expect(bob.page.get_by_role("link", name=re.compile("Ada"))).to_be_visible()
    await bob.page.get_by_role("button", name="Change your name").click()
    await bob.page.get_by_label("Your name", exact=True).fill("Robert")
    await bob.page.keyboard.press("Enter")
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text(re.compile("Robert$"))
    await expect(ada.page.get_by_role("link", name=re.compile("Robert"))).to_be_visible()
    await expect(ada.page.get_by_role("link", name=re.compile("Bob"))).to_have_count(0)
    await ada.page.reload()
    await ada.connected()
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text(re.compile("Robert$"))


async def test_what_was_said_to_one_alone_waits_for_them(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Whoever was away finds the direct room, and what is unread in it, on a device that never heard of it."""
    ada = await visit(replicas[0], room, **WIDE)
    bob = await visit(replicas[1], room, "Bob")
    await expect(ada.people.get_by_role("button", name="Bob")).to_be_visible()
    guest = await bob.page.evaluate("localStorage.getItem('parley.guest')")
    await bob.page.goto("about:blank")
    await ada.people.get_by_role("button", name="Bob").click()
    await expect(ada.log).to_contain_text("Only you and Bob")
    await ada.say("are you there?")
    device = await visit(replicas[1], f"{room}-other", None)
    await device.page.evaluate("guest => localStorage.setItem('parley.guest', guest)", guest)
    await device.page.evaluate("localStorage.setItem('parley.name', '\"Bob\"')")
    await device.page.reload()
    await device.connected()
    link = device.page.get_by_role("link", name=re.compile("Ada"))
    await expect(link).to_contain_text("1 unread")
    await link.click()
    await expect(device.row("are you there?")).to_be_visible()


async def test_notifications_come_only_when_wanted_and_not_looked_at(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """Asked for by a click; then for mentions and direct messages, while the viewer is elsewhere."""
    ada = await visit(replicas[0], room, permissions=["notifications"])
    bob = await visit(replicas[1], room, "Bob")
    await ada.page.evaluate(
        "() => { window.shown = []; window.looking = false;"
        " document.hasFocus = () => window.looking;"
        " window.Notification = class { static permission = 'granted';"
        " static requestPermission = async () => 'granted';"
        " constructor(title, options) { shown.push([title, options.body]) } } }"
    )
    await expect(bob.page.get_by_role("button", name="2 people")).to_be_visible()
    await bob.say("@Ada before she wanted it")
    await expect(ada.row("@Ada before she wanted it")).to_be_visible()
    await ada.page.get_by_role("button", name="Notify me of mentions and direct messages").click()
    await bob.say("not about her")
    await bob.say("@Ada are you there?")
    await expect(ada.row("@Ada are you there?")).to_be_visible()
    # The room is in view, only the window has no focus.
    await expect(ada.page).to_have_title(f"(3) {room} · Parley")
    assert await ada.page.evaluate("shown.splice(0)") == [[f"Bob in #{room}", "@Ada are you there?"]]
    await expect(ada.page.get_by_role("button", name="new message")).to_have_count(0)
    await ada.page.evaluate("window.looking = true; dispatchEvent(new Event('focus'))")
    await expect(ada.page).to_have_title(f"{room} · Parley")
    await bob.say("@Ada I see you are")
    await expect(ada.row("@Ada I see you are")).to_be_visible()
    assert await ada.page.evaluate("shown") == []
    await ada.enter(f"{room}-b")
    await ada.page.evaluate("window.looking = false")
    await bob.say("not about her again")
    await bob.say("@Ada come back")
    await expect(ada.page.get_by_role("link", name=re.compile(f"{room} "))).to_contain_text("2 unread, 1 mention you")
    assert await ada.page.evaluate("shown") == [[f"Bob in #{room}", "@Ada come back"]]


async def test_emoji_of_all_kinds_stand_for_words_and_names(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """One to three alone are shown large, flags and keycaps too; who is called by emoji has the first as initial."""
    ada = await visit(replicas[0], room, "\U0001f469\u200d\U0001f4bb\U0001f98a")
    flag, keycap = "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3"
    scotland = "\U0001f3f4" + "".join(chr(0xE0000 + ord(char)) for char in "gbsct") + "\U000e007f"
    for text in (flag, keycap, scotland, f"\U0001f98a {flag} {keycap}"):
        await ada.say(text)
        await expect(ada.rows.last.locator(".words")).to_have_class("words emoji")
    for text in ("1", "12 #", "\U0001f1e9", f"{flag} yes", 4 * flag):
        await ada.say(text)
        await expect(ada.rows.last.locator(".words")).to_have_class("words")
    await expect(ada.rows.first.locator(".avatar")).to_have_text("\U0001f469\u200d\U0001f4bb")
