"""Everything by keyboard alone; the focus is always somewhere, and seen."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def dialog(visitor: Visitor, name: str) -> Locator:
    """What lies over the page."""
    return visitor.page.get_by_role("dialog", name=name)


async def tab_to(visitor: Visitor, target: Locator, key: str = "Shift+Tab") -> None:
    """Press a key until the focus is there; every stop on the way can be seen."""
    for _ in range(40):
        await visitor.page.keyboard.press(key)
        assert await visitor.page.evaluate(
            "() => { const e = document.activeElement; const s = getComputedStyle(e);"
            " return e !== document.body && e.checkVisibility()"
            " && (s.outlineStyle !== 'none' || s.boxShadow !== 'none') }"
        )
        if await target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("it is not in the order of focus")


async def switch_rooms(ada: Visitor, room: str) -> None:
    """Add a room, then go from one to the other, step by step and by search."""
    keys = ada.page.keyboard
    heading = ada.page.get_by_role("heading", level=1)
    await tab_to(ada, ada.page.get_by_role("button", name="Add a room"))
    await keys.press("Enter")
    await expect(ada.page.get_by_label("Name of the room")).to_be_focused()
    await keys.type(f"{room}-b")
    await keys.press("Enter")
    await expect(heading).to_have_text(f"#{room}-b")
    await expect(ada.composer).to_be_focused()

    await keys.press("Alt+ArrowUp")
    await expect(heading).to_have_text(f"#{room}")
    await keys.press("Alt+ArrowDown")
    await expect(heading).to_have_text(f"#{room}-b")
    await keys.press("Control+k")
    await expect(dialog(ada, "Go to a room or a person")).to_be_visible()
    await keys.type(room)
    await expect(ada.page.get_by_role("option", selected=True)).to_contain_text(room)
    await keys.press("ArrowDown")
    await keys.press("ArrowUp")
    await keys.press("Enter")
    await expect(heading).to_have_text(f"#{room}")
    await expect(ada.composer).to_be_focused()


async def edit_and_delete(ada: Visitor) -> None:
    """The last message from the composer, another from its row."""
    keys = ada.page.keyboard
    await keys.press("ArrowUp")
    await expect(ada.page.get_by_role("textbox", name="Edit message")).to_be_focused()
    await keys.type(", all of it")
    await keys.press("Enter")
    await expect(ada.row("by keyboard, all of it")).to_have_attribute("data-state", "sent")
    await expect(ada.composer).to_be_focused()

    await keys.type("to be deleted")
    await keys.press("Enter")
    await expect(ada.row("to be deleted")).to_have_attribute("data-state", "sent")
    await keys.press("Shift+Tab")
    await expect(ada.log).to_be_focused()
    await keys.press("ArrowUp")
    await expect(ada.row("to be deleted")).to_be_focused()
    await keys.press("Delete")
    await expect(dialog(ada, "Delete this message?")).to_be_visible()
    await keys.press("Enter")
    await expect(ada.rows.last).to_contain_text("This message was deleted.")


async def react(ada: Visitor) -> None:
    """To the first message, from its row."""
    keys = ada.page.keyboard
    await ada.log.focus()
    await keys.press("Home")
    await expect(ada.row("by keyboard, all of it")).to_be_focused()
    await keys.press("r")
    await expect(dialog(ada, "Add a reaction")).to_be_visible()
    await keys.press("ArrowRight")
    await keys.press("Enter")
    await expect(ada.rows.first).to_contain_text("You reacted with heart")
    await expect(ada.rows.first).to_be_focused()
    await keys.press("Tab")
    await expect(ada.rows.first.get_by_role("button", name="You reacted with heart")).to_be_focused()
    await keys.press("Escape")
    await expect(ada.composer).to_be_focused()


async def ask_for_help(ada: Visitor) -> None:
    """The list of keys, which a question mark in a message does not open."""
    keys = ada.page.keyboard
    for opener, place in (("Control+/", ada.composer), ("?", ada.log)):
        await place.focus()
        await keys.press(opener)
        await expect(dialog(ada, "Keys and markup")).to_be_visible()
        await keys.press("Escape")
        await expect(place).to_be_focused()
    await ada.composer.focus()
    await keys.type("? what?")
    await expect(ada.composer).to_have_value("? what?")


async def test_the_whole_way_by_keyboard_alone(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Name, room, send, switch, edit, react, delete, leave."""
    ada = await visit(replicas[0], room, None)
    keys = ada.page.keyboard
    await expect(ada.page.get_by_label("Your name", exact=True)).to_be_focused()
    await keys.type("Ada")
    await keys.press("Enter")
    await expect(ada.composer).to_be_focused()
    await ada.connected()

    await keys.type("by keyboard")
    await keys.press("Enter")
    await expect(ada.row("by keyboard")).to_have_attribute("data-state", "sent")

    await switch_rooms(ada, room)
    await edit_and_delete(ada)
    await react(ada)
    await ask_for_help(ada)

    await tab_to(ada, ada.page.get_by_role("button", name=f"Leave {room}", exact=True))
    await keys.press("Enter")
    heading = ada.page.get_by_role("heading", level=1)
    await expect(heading).to_have_text(f"#{room}-b")
    await expect(ada.page.get_by_role("link", name=room, exact=True)).to_have_count(0)


async def test_the_toolbar_of_a_message_is_reached_by_tab(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """A focused row shows what can be done with it; the next stop is its first button."""
    ada = await visit(replicas[0], room)
    await ada.say("mine")
    await ada.composer.press("Shift+Tab")
    await ada.page.keyboard.press("ArrowUp")
    toolbar = ada.page.get_by_role("toolbar", name="Message actions")
    await expect(toolbar).to_be_visible()
    await ada.page.keyboard.press("Tab")
    await expect(toolbar.get_by_role("button").first).to_be_focused()
    await tab_to(ada, toolbar.get_by_role("button", name="Edit"), "Tab")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.get_by_role("textbox", name="Edit message")).to_be_focused()


async def test_the_switcher_prefers_the_name_that_was_typed(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Then names that begin so, before a room that has something unread and the name somewhere in it."""
    ada = await visit(replicas[0], f"a-{room}")
    for name in (f"{room}-b", room, "elsewhere"):
        await ada.enter(name)
    bob = await visit(replicas[1], f"a-{room}", "Bob")
    await bob.say("news")
    await expect(ada.page.get_by_role("link", name=f"a-{room}")).to_contain_text("1 unread")
    await ada.page.keyboard.press("Control+k")
    options = ada.page.get_by_role("option")
    await expect(options.first).to_contain_text(f"a-{room}")
    await ada.page.keyboard.type(room.upper())
    await expect(options.first).to_have_text(re.compile(f"^#{room}$"))
    await expect(options.nth(1)).to_contain_text(f"{room}-b")
    await expect(options.nth(2)).to_contain_text(f"a-{room}")
    await ada.page.keyboard.press("Enter")
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text(f"#{room}")


async def test_a_half_written_edit_waits_in_its_room(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """As a draft does; who cancels begins anew."""
    ada = await visit(replicas[0], room)
    await ada.say("mine")
    await ada.enter(f"{room}-b")
    await ada.page.keyboard.press("Alt+ArrowUp")
    await ada.do("mine", "Edit")
    editor = ada.page.get_by_role("textbox", name="Edit message")
    await editor.fill("mine, half")
    await editor.press("Alt+ArrowDown")
    await expect(editor).to_have_count(0)
    await ada.page.keyboard.press("Alt+ArrowUp")
    await expect(editor).to_have_value("mine, half")
    await editor.press("Escape")
    await ada.composer.press("ArrowUp")
    await expect(editor).to_have_value("mine")


async def test_caps_lock_does_not_hinder_the_keys_of_a_message(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """A capital letter without Shift is the same key."""
    ada = await visit(replicas[0], room)
    await ada.say("mine")
    await ada.row("mine").focus()
    await ada.row("mine").dispatch_event("keydown", {"key": "E", "bubbles": True, "cancelable": True})
    await expect(ada.page.get_by_role("textbox", name="Edit message")).to_be_focused()


async def test_alt_shift_arrows_lead_to_what_is_unread(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Rooms without anything new are passed over."""
    bob = await visit(replicas[1], f"{room}-c", "Bob")
    ada = await visit(replicas[0], room)
    for name in ("b", "c", "d"):
        await ada.enter(f"{room}-{name}")
    await ada.page.get_by_role("link", name=room, exact=True).click()
    await bob.say("news")
    await expect(ada.page.get_by_role("link", name=f"{room}-c")).to_contain_text("1 unread")
    await ada.composer.press("Alt+Shift+ArrowDown")
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text(f"#{room}-c")
    await expect(ada.row("news")).to_be_visible()


async def test_a_key_pressed_at_once_in_another_room_keeps_the_focus(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """The arrow comes with the very drawing of the room, before the next frame: the focus stays where it led."""
    ada = await visit(replicas[0], room)
    await ada.say("mine")
    await ada.enter(f"{room}-b")
    await expect(ada.composer).to_be_focused()
    await ada.page.evaluate(
        """() => {
            const field = () => document.querySelector(".composer textarea");
            const before = field();
            new MutationObserver((_, observer) => {
                if (!field() || field() === before) return;
                observer.disconnect();
                field().dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true }));
            }).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    await ada.page.keyboard.press("Alt+ArrowUp")
    editor = ada.page.get_by_role("textbox", name="Edit message")
    await expect(editor).to_be_visible()
    await ada.page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    await expect(editor).to_be_focused(timeout=1000)
