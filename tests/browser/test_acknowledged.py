"""Between the ack of a message and its event, which may be long, the author can do with it all that can be done."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect

from tests.browser.conftest import Visit
from tests.browser.double import Message, ServerDouble
from tests.browser.visitor import Visitor
from tests.support import until_async

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

IS_FOCUSED = "element => element.isConnected && element === document.activeElement"


@pytest.fixture
def double() -> ServerDouble:
    """The other end, which answers what the test wants."""
    return ServerDouble()


@pytest_asyncio.fixture(loop_scope="session")
async def ada(replicas: tuple[str, str], visit: Visit, double: ServerDouble) -> Visitor:
    """A page whose server acknowledges what is said, and holds the events back."""
    visitor = await visit(replicas[0], "double", None)
    await double.install(visitor.page)
    await visitor.page.reload()
    await visitor.named("Ada")
    double.hold()
    return visitor


def toolbar(ada: Visitor) -> Locator:
    """What can be done with the message in hand."""
    return ada.page.get_by_role("toolbar", name="Message actions")


def editor(ada: Visitor) -> Locator:
    """Where a message is changed."""
    return ada.page.get_by_role("textbox", name="Edit message")


async def to_the_last(ada: Visitor) -> None:
    """Go to the last message by keyboard."""
    await ada.composer.press("Shift+Tab")
    await expect(ada.log).to_be_focused()
    await ada.page.keyboard.press("ArrowUp")
    await expect(ada.rows.last).to_be_focused()


async def arrived(ada: Visitor, double: ServerDouble) -> None:
    """Let the events come, with one of somebody else after them, and wait for that."""
    seq = double.position["seq"] = int(double.position["seq"]) + 1
    double.release()
    double.push(**double.event(seq, text="the end"))
    await expect(ada.row("the end")).to_be_visible()


async def test_the_focus_stays_from_pending_to_arrived(ada: Visitor, double: ServerDouble) -> None:
    """Who goes to a message before its ack finds its actions when that comes, and keeps them when the event does."""
    requests: list[Message] = []
    double.answer["send"] = lambda request: requests.append(request)
    await ada.write("mine")
    await to_the_last(ada)
    await expect(ada.row("mine")).to_have_attribute("data-state", "pending")
    row = await ada.row("mine").element_handle()
    del double.answer["send"]
    double.push(**double.event(1, text="before mine"))
    double.position["seq"] = 1
    double.push(id=requests[0]["id"], **double._send(requests[0]))
    await expect(ada.row("mine")).to_have_attribute("data-state", "sent")
    await expect(toolbar(ada)).to_be_visible()
    assert await row.evaluate(IS_FOCUSED)
    await ada.page.keyboard.press("Tab")
    first = await toolbar(ada).get_by_role("button").first.element_handle()
    assert await first.evaluate(IS_FOCUSED)
    await arrived(ada, double)
    assert await first.evaluate(IS_FOCUSED)
    assert await ada.texts() == ["before mine", "mine", "the end"]
    assert await row.evaluate("row => row.isConnected && row.dataset.seq") == "2"


async def test_a_pointer_that_rests_on_a_row_finds_its_actions_with_the_ack(ada: Visitor, double: ServerDouble) -> None:
    """It need not be moved away and back."""
    requests: list[Message] = []
    double.answer["send"] = lambda request: requests.append(request)
    await ada.write("mine")
    await ada.row("mine").hover()
    await expect(ada.row("mine")).to_have_attribute("data-state", "pending")
    await expect(toolbar(ada)).to_have_count(0)
    double.push(id=requests[0]["id"], **double._send(requests[0]))
    await expect(toolbar(ada)).to_be_visible()


async def test_arrow_up_changes_the_message_just_sent(ada: Visitor, double: ServerDouble) -> None:
    """Not the one before it; and what is being written there stays when the event comes."""
    double.release()
    await ada.say("long ago")
    double.hold()
    await ada.say("teh last")
    await ada.composer.press("ArrowUp")
    await expect(editor(ada)).to_have_value("teh last")
    await editor(ada).fill("the last")
    field = await editor(ada).element_handle()
    await arrived(ada, double)
    assert await field.evaluate(IS_FOCUSED)
    await expect(editor(ada)).to_have_value("the last")
    await editor(ada).press("Enter")
    await expect(ada.row("the last")).to_have_attribute("data-state", "sent")
    assert await ada.texts() == ["long ago", "the last", "the end"]
    assert [request["seq"] for request in double.requests("edit")] == [2]


async def test_arrow_up_opens_nothing_while_the_last_message_waits(ada: Visitor, double: ServerDouble) -> None:
    """The one before it is not the one that is meant; from the ack on it is the last that opens."""
    double.release()
    await ada.say("long ago")
    requests: list[Message] = []
    double.answer["send"] = lambda request: requests.append(request)
    await ada.write("teh last")
    await expect(ada.row("teh last")).to_have_attribute("data-state", "pending")
    await ada.composer.press("ArrowUp")
    await ada.composer.press_sequentially("on")
    await expect(ada.composer).to_have_value("on")
    await expect(editor(ada)).to_have_count(0)
    double.push(id=requests[0]["id"], **double._send(requests[0]))
    await expect(ada.row("teh last")).to_have_attribute("data-state", "sent")
    await ada.composer.fill("")
    await ada.composer.press("ArrowUp")
    await expect(editor(ada)).to_have_value("teh last")


async def test_changes_are_made_and_shown_before_the_event(ada: Visitor, double: ServerDouble) -> None:
    """Edited, reacted to, deleted by key; all of it reads the same when the events have come."""
    await ada.say("one")
    await ada.say("two")
    await ada.say("unchanged")
    await ada.do("one", "Edit")
    await editor(ada).fill("one, changed")
    await editor(ada).press("Enter")
    await expect(ada.row("one, changed")).to_contain_text("edited")
    await ada.do("one, changed", "React with heart")
    await expect(ada.row("one, changed")).to_contain_text("You reacted with heart")
    await ada.do("unchanged", "Edit")
    await editor(ada).press("Enter")
    await ada.row("two").focus()
    await ada.page.keyboard.press("Delete")
    await ada.page.get_by_role("dialog", name="Delete this message?").get_by_role("button", name="Delete").click()
    await expect(ada.rows.nth(1)).to_contain_text("This message was deleted.")
    texts = ["one, changed", "This message was deleted.", "unchanged"]
    assert await ada.texts() == texts
    await arrived(ada, double)
    assert await ada.texts() == [*texts, "the end"]
    await expect(ada.rows.first).to_contain_text("You reacted with heart")
    changes = [change for change in double.received if "cid" in change and change["type"] != "send"]
    assert [(change["type"], change["seq"]) for change in changes] == [("edit", 1), ("react", 1), ("delete", 2)]


async def test_an_open_question_is_not_lost_to_the_event(ada: Visitor, double: ServerDouble) -> None:
    """The dialog stays, and gives the focus back to the very row."""
    await ada.say("mine")
    await to_the_last(ada)
    await ada.page.keyboard.press("r")
    picker = ada.page.get_by_role("dialog", name="Add a reaction")
    await expect(picker).to_be_visible()
    await arrived(ada, double)
    await ada.page.keyboard.press("Enter")
    await expect(picker).to_have_count(0)
    await expect(ada.row("mine")).to_contain_text("You reacted with")
    await expect(ada.row("mine")).to_be_focused()


async def test_what_was_acknowledged_stays_when_the_seqs_start_anew(ada: Visitor, double: ServerDouble) -> None:
    """Its event will never come: it stands with the rest of what was, before the gap, and can no longer be changed."""
    double.release()
    await ada.say("arrived")
    double.hold()
    await ada.do("arrived", "Edit")
    await editor(ada).fill("changed")
    await editor(ada).press("Enter")
    await expect(ada.row("changed")).to_have_attribute("data-state", "sent")
    await ada.say("acknowledged")
    double.position = {"epoch": "e2", "seq": 0, "mid": "m0"}
    double.held = None
    double.close(1012)
    await expect(ada.log.locator("[data-gap]")).to_have_count(1)
    await ada.say("new")
    await ada.say("newer")
    await ada.say("newest")
    assert await ada.texts() == ["changed", "acknowledged", "new", "newer", "newest"]
    await ada.row("acknowledged").hover()
    await expect(toolbar(ada)).to_have_count(0)
    shown = ada.log.locator("[data-gap], [data-row]")
    for index, text in enumerate(["changed", "acknowledged", "no longer available", "new", "newer", "newest"]):
        await expect(shown.nth(index)).to_contain_text(text)


@pytest.mark.parametrize("tried", [False, True], ids=["waiting", "tried"])
async def test_a_change_waiting_for_old_seqs_is_not_made_to_a_new_message(
    ada: Visitor, double: ServerDouble, tried: bool
) -> None:
    """The seqs start anew while it waits: it names the message it was meant for, and the new one stays as it is."""
    double.release()
    await ada.say("old")
    if tried:
        double.answer["edit"] = lambda _: None
    else:
        # Nobody is in the room while the change is made.
        double.answer["join"] = lambda _: {"type": "error", "code": "unavailable", "temporary": True, "retry": 0.2}
        double.close(1012)
        await until_async(lambda: len(double.requests("join")) == 2, "a join that is put off")
    await ada.do("old", "Edit")
    await editor(ada).fill("changed")
    await editor(ada).press("Enter")
    await expect(ada.row("changed")).to_have_attribute("data-state", "pending")
    double.position = {"epoch": "e2", "seq": 1, "mid": "n1"}
    double.answer["edit"] = lambda _: {"type": "error", "code": "unknown_message", "message": "no such message"}
    double.answer["join"] = lambda request: {
        **double._join(request),
        "messages": [double.event(1, mid="n1", user="u1", name="Ada", text="new")],
    }
    if tried:
        double.close(1012)
    await expect(ada.row("new")).to_be_visible()
    await expect(ada.row("old")).to_have_attribute("data-state", "sent")
    await expect(ada.page.get_by_text("Not changed: no such message")).to_be_visible()
    await ada.say("newer")
    assert await ada.texts() == ["old", "new", "newer"]
    assert [message["mid"] for message in double.requests("edit")] == ["m1"] * (1 + tried)
