"""People talk: two pages on two replicas, names, rooms, addresses, and what is remembered."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_two_pages_on_two_replicas_talk_to_each_other(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """What one says on the one replica is read on the other, in the same order on both pages."""
    ada = await visit(replicas[0], room, "Ada")
    bob = await visit(replicas[1], room, "Bob")
    for number in range(5):
        await ada.say(f"question {number}")
        await expect(bob.row(f"question {number}")).to_be_visible()
        await bob.say(f"answer {number}")
        await expect(ada.row(f"answer {number}")).to_be_visible()
    assert await ada.texts() == await bob.texts()
    assert len(await ada.texts()) == 10
    await expect(bob.log.get_by_text("Ada", exact=True).first).to_be_visible()
    await expect(ada.page.get_by_text(re.compile(r"^worker left(\.\d+)?, \d+ ms$"))).to_be_visible()
    await expect(bob.page.get_by_text(re.compile(r"^worker right(\.\d+)?, \d+ ms$"))).to_be_visible()


async def test_a_message_stays_one_row_from_typing_to_echo(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The row that appears at once is the very element that carries the seq later."""
    ada = await visit(replicas[0], room)
    await ada.write("just once")
    await ada.row("just once").evaluate("row => { row.marked = true }")
    await expect(ada.row("just once")).to_have_attribute("data-state", "sent")
    await expect(ada.row("just once")).to_have_attribute("data-seq", "1")
    assert await ada.row("just once").evaluate("row => row.marked === true")
    await expect(ada.rows).to_have_count(1)
    assert await ada.row("just once").get_attribute("data-cid")


async def test_a_visitor_is_asked_for_a_name_once(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The first visit asks, before anything is sent; the next remembers."""
    ada = await visit(replicas[0], room, None)
    await expect(ada.composer).to_have_count(0)
    assert not [address for address in ada.requests if address.startswith("ws")]
    await ada.page.get_by_role("button", name="Join", exact=True).click()
    await expect(ada.page.get_by_role("alert")).to_have_text("A name is needed.")
    await ada.named("Ada")
    await ada.page.reload()
    await ada.connected()
    await expect(ada.page.get_by_label("Your name", exact=True)).to_have_count(0)
    await expect(ada.composer).to_be_focused()


async def test_a_name_the_server_refuses_is_asked_for_again(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The door says why, and lets one in with a better name."""
    ada = await visit(replicas[0], room, None)
    await ada.page.get_by_label("Your name", exact=True).fill("Ada\u202e")
    await ada.page.get_by_role("button", name="Join", exact=True).click()
    await expect(ada.page.get_by_role("alert")).to_contain_text("control, bidi or zero-width")
    await ada.named("Ada")
    await ada.say("here I am")


async def test_a_refused_new_name_leaves_the_old_one(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """What is wrong is said at the field; the conversation goes on under the name before, over a reload too."""
    ada = await visit(replicas[0], room, "Zoe")
    await ada.page.get_by_role("button", name="Change your name").click()
    field = ada.page.get_by_label("Your name", exact=True)
    await field.fill("Zoe\u200d")
    await ada.page.get_by_role("button", name="Save").click()
    await expect(ada.page.get_by_role("alert")).to_contain_text("control, bidi or zero-width")
    await expect(field).to_have_value("Zoe\u200d")
    await ada.connected()
    await ada.say("still here")
    await field.fill("Zoé")
    await ada.page.get_by_role("button", name="Save").click()
    await expect(field).to_have_count(0)
    await ada.say("under another name")
    await ada.page.get_by_role("button", name="Change your name").click()
    await field.fill("Zoé\u200d")
    await ada.page.get_by_role("button", name="Save").click()
    await expect(ada.page.get_by_role("alert")).to_be_visible()
    await ada.page.reload()
    await ada.connected()
    assert await ada.texts() == ["still here", "under another name"]
    await expect(ada.log.locator(".row .name")).to_have_text(["Zoe", "Zoé"])


async def test_a_new_name_is_seen_by_others_and_is_the_same_person(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """Renaming keeps the user: old messages stay one's own, new ones carry the new name."""
    ada = await visit(replicas[0], room, "Ada")
    bob = await visit(replicas[1], room, "Bob")
    await ada.say("before")
    await ada.page.get_by_role("button", name="Change your name").click()
    await ada.page.get_by_label("Your name", exact=True).fill("Countess")
    await ada.page.get_by_role("button", name="Save").click()
    await expect(ada.page.get_by_role("button", name="Change your name")).to_be_visible()
    await ada.connected()
    await ada.say("after")
    await expect(bob.row("after")).to_be_visible()
    await expect(bob.log.get_by_text("Countess", exact=True).first).to_be_visible()
    users = await ada.log.locator(".you").count()
    assert users >= 1
    await expect(ada.rows).to_have_count(2)


async def test_a_reload_keeps_history_name_and_draft(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """After a reload all is there as it was, each message once."""
    ada = await visit(replicas[0], room)
    for word in ("one", "two", "three"):
        await ada.say(word)
    await ada.composer.fill("half a thou")
    await ada.page.reload()
    await ada.connected()
    await expect(ada.rows).to_have_count(3)
    assert await ada.texts() == ["one", "two", "three"]
    await expect(ada.composer).to_have_value("half a thou")
    await expect(ada.log.get_by_text("you", exact=True)).to_be_visible()


async def test_an_address_opens_its_room(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """`/r/<room>` leads there, also with letters beyond ASCII, and joins the list of rooms."""
    name = f"café-{room}"
    ada = await visit(replicas[0], quote(name))
    await expect(ada.page.get_by_role("heading", level=1)).to_contain_text(name)
    await ada.say("salut")
    bob = await visit(replicas[1], quote(name), "Bob")
    await expect(bob.row("salut")).to_be_visible()
    await bob.page.goto(replicas[1])
    await expect(bob.page).to_have_url(f"{replicas[1]}/r/{quote(name)}")
    await expect(bob.page.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")


async def test_rooms_are_added_left_and_gone_back_to(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """A room typed by name opens, Back returns, leaving forgets."""
    ada = await visit(replicas[0], room)
    await ada.say("in the first")
    await ada.page.get_by_role("button", name="Add a room").click()
    await ada.page.get_by_label("Name of the room").fill("not / allowed")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.get_by_role("alert")).to_be_visible()
    await ada.page.get_by_label("Name of the room").fill(f"{room}-b")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page).to_have_url(re.compile(f"/r/{room}-b$"))
    await expect(ada.log).to_contain_text("It is quiet in")
    await ada.say("in the second")
    await ada.page.go_back()
    await expect(ada.row("in the first")).to_be_visible()
    await expect(ada.row("in the second")).to_have_count(0)
    await ada.page.get_by_role("link", name=f"{room}-b").hover()
    await ada.page.get_by_role("button", name=f"Leave {room}-b").click()
    await expect(ada.page.get_by_role("link", name=f"{room}-b")).to_have_count(0)
    await ada.page.reload()
    await ada.connected()
    await expect(ada.page.get_by_role("link", name=f"{room}-b")).to_have_count(0)


async def test_a_room_that_is_not_open_counts_what_is_unread(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """The count stands at the room and in the title, survives a reload, and goes when the room is opened."""
    bob = await visit(replicas[1], f"{room}-b", "Bob")
    ada = await visit(replicas[0], f"{room}-b")
    await bob.say("seen")
    await expect(ada.row("seen")).to_be_visible()
    await ada.page.goto(f"{replicas[0]}/r/{room}")
    await ada.connected()
    for number in range(3):
        await bob.say(f"news {number}")
    link = ada.page.get_by_role("link", name=f"{room}-b")
    await expect(link).to_contain_text("3 unread")
    await expect(ada.page).to_have_title(f"(3) {room} · Parley")
    await ada.page.reload()
    await expect(link).to_contain_text("3 unread")
    await link.click()
    await expect(ada.page).to_have_title(f"{room}-b · Parley")
    await expect(ada.log.get_by_text("New", exact=True)).to_be_visible()
    await expect(ada.rows).to_have_count(4)
    await expect(link).not_to_contain_text("unread")


async def test_enter_sends_and_shift_enter_breaks_the_line(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """One message of two lines; blank ones are not sent."""
    ada = await visit(replicas[0], room)
    await ada.composer.press_sequentially("first line")
    await ada.composer.press("Shift+Enter")
    await ada.composer.press_sequentially("second line")
    await ada.composer.press("Enter")
    await expect(ada.row("first line second line")).to_have_attribute("data-state", "sent")
    await ada.composer.fill("  \n ")
    await ada.composer.press("Enter")
    await ada.write("\n\n    if indented:\n        stays()\n\n")
    await expect(ada.rows).to_have_count(2)
    assert await ada.rows.last.locator(".words").evaluate("words => words.textContent.trimEnd()") == (
        "    if indented:\n        stays()"
    )
    await ada.say("last")
    assert (await ada.texts())[::2] == ["first line\nsecond line", "last"]


async def test_enter_while_composing_does_not_send(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Enter in an input method picks a word: nothing is sent until composing has ended."""
    ada = await visit(replicas[0], room)
    await ada.composer.focus()
    await ada.page.evaluate(
        "() => { window.enters = [];"
        " addEventListener('keydown', e => e.key === 'Enter' && enters.push(e.isComposing), true) }"
    )
    keyboard = await ada.context.new_cdp_session(ada.page)
    await keyboard.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    # The key as the input method gets it: the browser reports it and inserts nothing.
    await keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", "key": "Enter", "code": "Enter"})
    assert await ada.page.evaluate("enters") == [True]
    await expect(ada.composer).to_have_value("にほん")
    await expect(ada.rows).to_have_count(0)
    await keyboard.send("Input.insertText", {"text": "日本"})
    await ada.page.keyboard.press("Enter")
    await expect(ada.row("日本")).to_have_attribute("data-state", "sent")
    await expect(ada.rows).to_have_count(1)


async def test_what_is_too_long_is_not_sent_and_not_lost(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """The composer says by how much, and keeps the text."""
    ada = await visit(replicas[0], room)
    await ada.composer.fill("x" * 70_005)
    await expect(ada.page.get_by_text("5 characters too long")).to_be_visible()
    await expect(ada.page.get_by_role("button", name="Send")).to_be_disabled()
    await ada.composer.press("Enter")
    await expect(ada.rows).to_have_count(0)
    assert len(await ada.composer.input_value()) == 70_005
