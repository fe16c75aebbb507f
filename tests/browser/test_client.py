"""The browser client by itself: how it treats what a server may do."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.double import Message, ServerDouble
from tests.browser.visitor import Visitor
from tests.support import until_async

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def double(blank: Visitor) -> ServerDouble:
    """A server played by the test, for the page `blank`."""
    server = ServerDouble()
    await server.install(blank.page)
    await blank.page.reload()
    return server


async def run(visitor: Visitor, script: str, argument: Any = None) -> Any:
    """The value of an async JavaScript function."""
    return await visitor.page.evaluate(script, argument)


async def test_no_more_than_the_limit_are_unacknowledged(blank: Visitor, double: ServerDouble) -> None:
    """Of ten messages three are in flight; each ack lets the next one go, in order."""
    double.limits["unacked"] = 3
    held: list[Message] = []

    def hold(request: Message) -> None:
        held.append(request)

    double.answer["send"] = hold
    await blank.named("Ada")
    for number in range(10):
        await blank.write(f"text {number}")
    await expect(blank.rows).to_have_count(10)
    await until_async(lambda: len(held) == 3, "three are sent")
    del double.answer["send"]
    for number in range(10):
        await until_async(lambda wanted=number: len(held) > wanted, "the next one is sent")
        assert len(held) <= number + 3
        reply = double._send(held[number])
        if number == 0:
            double.answer["send"] = hold
        double.push(id=held[number]["id"], **reply)
        await expect(blank.row(f"text {number}")).to_have_attribute("data-state", "sent")
    assert [request["text"] for request in held] == [f"text {number}" for number in range(10)]


async def test_a_temporary_refusal_is_tried_again_with_the_same_cid(blank: Visitor, double: ServerDouble) -> None:
    """After the server's own delay, until it takes it; the row waits meanwhile."""
    refusals = iter(["rate_limited", "unavailable"])

    def refuse(request: Message) -> Message:
        code = next(refusals, None)
        if code is None:
            return double._send(request)
        return {"type": "error", "code": code, "temporary": True, "retry": 0.2, "message": "later"}

    double.answer["send"] = refuse
    await blank.named("Ada")
    await blank.say("patience")
    sends = double.requests("send")
    assert len(sends) == 3
    assert len({request["cid"] for request in sends}) == 1


async def test_a_final_refusal_offers_retry_and_discard(blank: Visitor, double: ServerDouble) -> None:
    """The row stays, says why, and is sent again or dropped as the author wishes, also after a reload."""
    double.answer["send"] = lambda _: {"type": "error", "code": "muted", "temporary": False, "message": "no"}
    await blank.named("Ada")
    await blank.write("first")
    await blank.write("second")
    await expect(blank.log.locator("[data-state=failed]")).to_have_count(2)
    await expect(blank.row("first")).to_contain_text("you are muted here")
    await blank.page.reload()
    await blank.connected()
    await expect(blank.log.locator("[data-state=failed]")).to_have_count(2)
    assert len(double.requests("send")) == 2
    await blank.row("first").get_by_role("button", name="Discard").click()
    await expect(blank.rows).to_have_count(1)
    del double.answer["send"]
    await blank.row("second").get_by_role("button", name="Retry").click()
    await expect(blank.row("second")).to_have_attribute("data-state", "sent")
    assert [request["text"] for request in double.requests("send")] == ["first", "second", "second"]


async def test_a_hole_is_closed_by_resuming_before_anything_behind_it_is_shown(
    blank: Visitor, double: ServerDouble
) -> None:
    """A server that skips a seq breaks its promise: the page comes back at its position and misses nothing."""
    blank.network_fails = True
    await blank.named("Ada")
    double.push(**double.event(1))
    await expect(blank.rows).to_have_count(1)
    double.position = {"epoch": "e1", "seq": 3, "mid": "m3"}
    double.answer["join"] = lambda request: {
        **double._join(request),
        "messages": [double.event(2), double.event(3)],
    }
    double.push(**double.event(3))
    await expect(blank.rows).to_have_count(3)
    assert await blank.texts() == ["text 1", "text 2", "text 3"]
    assert double.requests("join")[-1]["since"] == {"epoch": "e1", "seq": 1, "mid": "m1"}
    assert len(double.connections) == 2


async def test_events_of_unknown_types_count(blank: Visitor, double: ServerDouble) -> None:
    """What this version cannot show still moves the position; what it repeats is dropped."""
    blank.network_fails = True
    await blank.named("Ada")
    double.push(**double.event(1))
    double.push(**double.event(2, "reacted", of=1, emoji="+", on=True))
    double.push(**double.event(3, "something-new"))
    double.push(**double.event(2))
    double.push(type="typing", room="double", users=[])
    double.push(**double.event(4))
    await expect(blank.row("text 4")).to_be_visible()
    assert await blank.texts() == ["text 1", "text 4"]
    double.close(1012)
    await until_async(lambda: len(double.requests("join")) == 2, "it resumes")
    assert double.requests("join")[1]["since"] == {"epoch": "e1", "seq": 4, "mid": "m4"}


@pytest.mark.parametrize("lost", [False, True])
async def test_a_resync_replaces_what_follows(blank: Visitor, double: ServerDouble, lost: bool) -> None:
    """Without loss the events simply come; with loss a marker stands before them."""
    await blank.named("Ada")
    double.push(**double.event(1))
    await expect(blank.rows).to_have_count(1)
    events = [double.event(seq) for seq in ((5, 6) if lost else (2, 3, 4, 5, 6))]
    double.push(type="resync", room="double", epoch="e1", seq=6, mid="m6", lost=lost, messages=events)
    double.push(**double.event(7))
    await expect(blank.row("text 7")).to_be_visible()
    numbers = (1, 5, 6, 7) if lost else (1, 2, 3, 4, 5, 6, 7)
    assert await blank.texts() == [f"text {number}" for number in numbers]
    await expect(blank.log.locator("[data-gap]")).to_have_count(1 if lost else 0)


async def test_a_gap_is_filled_when_the_events_can_be_had(blank: Visitor, double: ServerDouble) -> None:
    """`Load them` brings what is between, and the marker goes when nothing is missing any more."""
    await blank.named("Ada")
    double.push(**double.event(1))
    await expect(blank.rows).to_have_count(1)
    double.push(
        type="resync",
        room="double",
        epoch="e1",
        seq=6,
        mid="m6",
        lost=True,
        messages=[double.event(5), double.event(6)],
    )
    double.answer["history"] = lambda request: {
        "type": "history",
        "room": "double",
        "messages": [double.event(seq) for seq in range(1, request["before"])],
        "more": False,
    }
    await blank.page.get_by_role("button", name="Load them").click()
    await expect(blank.log.locator("[data-gap]")).to_have_count(0)
    assert await blank.texts() == [f"text {number}" for number in range(1, 7)]
    assert double.requests("history")[-1]["before"] == 5


async def test_an_unknown_guest_comes_as_a_new_one(blank: Visitor, double: ServerDouble) -> None:
    """A token the server does not know is forgotten; nobody is locked out by what their browser remembers."""
    blank.network_fails = True
    await blank.named("Ada")

    def strict(request: Message) -> Message:
        if "guest" in request:
            return {"type": "error", "code": "unauthorized", "temporary": False, "message": "unknown guest"}
        return double._hello(request)

    double.answer["hello"] = strict
    await blank.page.reload()
    await blank.connected()
    first, second, third = double.requests("hello")
    assert "guest" not in first
    assert second["guest"] == "token-of-u1"
    assert "guest" not in third
    assert first["session"] == second["session"] == third["session"]


async def test_going_away_is_answered_after_the_personal_delay(replicas: tuple[str, str], visit: Visit) -> None:
    """Neither sooner nor with a backoff of its own on top."""
    ada = await visit(replicas[0], "double", None, clock=True)
    double = ServerDouble()
    await double.install(ada.page)
    await ada.page.reload()
    await ada.named("Ada")
    double.push(type="going-away", after=30, reason="drain")
    double.push(**double.event(1))
    await expect(ada.row("text 1")).to_be_visible()
    await ada.page.clock.fast_forward(20_000)
    await expect(ada.status).to_have_attribute("data-connection", "online")
    assert len(double.connections) == 1
    await ada.page.clock.fast_forward(11_000)
    await until_async(lambda: len(double.connections) == 2, "a second connection")
    await ada.connected()
    assert double.closed == [4000]  # 1000 would be a leave at once


@pytest.mark.parametrize(
    "answer", [None, {"type": "error", "code": "already_joined", "message": "joined already"}], ids=["none", "joined"]
)
async def test_a_join_whose_answer_did_not_come_is_asked_for_on_another_connection(
    replicas: tuple[str, str], visit: Visit, answer: Message | None
) -> None:
    """On the old one the member may be in the room already, or be let in yet: the room is never given up for that."""
    ada = await visit(replicas[0], "double", None, clock=True)
    double = ServerDouble()
    await double.install(ada.page)
    await ada.page.reload()
    await ada.named("Ada")
    double.push(**double.event(1))
    await expect(ada.row("text 1")).to_be_visible()
    double.position = {"epoch": "e1", "seq": 1, "mid": "m1"}
    double.answer["join"] = lambda request: answer if len(double.connections) == 2 else double._join(request)
    double.close(1012)
    await until_async(lambda: len(double.requests("join")) == 2, "it resumes")
    if answer is None:
        await ada.page.clock.fast_forward(15_500)
    await until_async(lambda: len(double.connections) == 3, "another connection")
    await ada.connected()
    await ada.say("still here")
    assert [join.get("since") for join in double.requests("join")[1:]] == [
        double.position | {"seq": 1, "mid": "m1"}
    ] * 2


async def test_a_room_that_may_not_be_entered_says_so(blank: Visitor, double: ServerDouble) -> None:
    """The refusal is shown in the room's place, and the other rooms work on."""
    double.answer["join"] = lambda request: (
        {"type": "error", "code": "forbidden", "message": "This room is private."}
        if request["room"] == "secret"
        else double._join(request)
    )
    await blank.named("Ada")
    await blank.page.get_by_role("button", name="Add a room").click()
    await blank.page.get_by_label("Name of the room").fill("secret")
    await blank.page.keyboard.press("Enter")
    await expect(blank.page.get_by_text("This room is private.")).to_be_visible()
    await blank.page.get_by_role("button", name="Take it off the list").click()
    await expect(blank.page.get_by_role("heading", level=1)).to_have_text("#double")
    await blank.say("here it goes on")


async def test_the_client_works_without_the_page(replicas: tuple[str, str], blank: Visitor, room: str) -> None:
    """The example of its own documentation: connect, join, listen, send, history, leave, close."""
    heard = await run(
        blank,
        """async (room) => {
            const { Parley } = await import("/client/parley.js");
            const parley = new Parley({ name: "Ada" });
            const heard = [];
            parley.on("message", ({ room, name, text }) => heard.push([room, name, text]));
            const arrival = new Promise(arrived => parley.on("message", arrived));
            parley.connect();
            const { messages } = await parley.join(room);
            const { seq } = await parley.send(room, "hi");
            await arrival; // its ack may come before it
            const history = await parley.history(room, { before: seq + 1 });
            const refused = await parley.send(room, "x".repeat(100_000)).catch(error => error.code);
            parley.leave(room);
            const outside = await parley.send(room, "too late").catch(error => error.code);
            const states = [parley.state];
            parley.close();
            states.push(parley.state);
            const kept = history.messages.map(message => message.text);
            return { heard, before: messages.length, seq, kept, refused, outside, states };
        }""",
        room,
    )
    assert heard == {
        "heard": [[room, "Ada", "hi"]],
        "before": 0,
        "seq": 1,
        "kept": ["hi"],
        "refused": "too_large",
        "outside": "not_joined",
        "states": ["online", "offline"],
    }


async def test_who_leaves_a_room_is_told_that_it_was_not_joined(blank: Visitor, double: ServerDouble) -> None:
    """Whoever waits to be in, whether the server was asked already or not; a room joined anew is another one."""
    double.answer["join"] = lambda request: None if request["room"] == "slow" else double._join(request)
    told = await run(
        blank,
        """async () => {
            const { Parley } = await import("/client/parley.js");
            const parley = new Parley({ name: "Ada" });
            const early = parley.join("early").catch(error => error.code);
            parley.leave("early");
            parley.connect();
            await parley.join("double");
            const slow = parley.join("slow").catch(error => error.code);
            parley.leave("slow");
            parley.leave("double");
            const { room } = await parley.join("double");
            const late = new Promise(resolve => setTimeout(resolve, 10_000, "still waiting"));
            const codes = await Promise.race([Promise.all([early, slow]), late]);
            parley.close();
            return { codes, room };
        }""",
    )
    assert told == {"codes": ["not_joined", "not_joined"], "room": "double"}


async def test_changes_wait_for_the_server_and_typing_is_not_repeated(blank: Visitor, double: ServerDouble) -> None:
    """Edits, deletions, reactions and topics have a cid and resolve when stored; refused ones reject and are over."""
    double.answer["delete"] = lambda _: {"type": "error", "code": "forbidden", "temporary": False, "message": "no"}
    told = await run(
        blank,
        """async () => {
            const { Parley } = await import("/client/parley.js");
            const parley = new Parley({ name: "Ada" });
            parley.connect();
            await parley.join("double");
            const { seq } = await parley.send("double", "hi");
            const stored = [await parley.edit("double", seq, "hi!"), await parley.react("double", seq, "+"),
                await parley.topic("double", "Greetings")];
            const refused = await parley.delete("double", seq).catch(error => error.code);
            for (let key = 0; key < 5; key++) parley.typing("double");
            await parley.send("double", "more");
            parley.typing("double");
            const { seq: read } = await parley.read("double", 3);
            const { room } = await parley.direct("u2");
            const { rooms } = await parley.list();
            const left = parley.pending().length;
            parley.close();
            return { seqs: stored.map(ack => ack.seq), refused, read, room, rooms, left };
        }""",
    )
    assert told == {
        **{"seqs": [2, 3, 4], "refused": "forbidden", "read": 3},
        **{"room": "direct-u1-u2", "rooms": [], "left": 0},
    }
    changes = [message for message in double.received if "cid" in message]
    assert [change["type"] for change in changes] == ["send", "edit", "react", "topic", "delete", "send"]
    assert len({change["cid"] for change in changes}) == len(changes)
    assert changes[2] == {**changes[2], "seq": 1, "emoji": "+", "on": True}
    assert len(double.requests("typing")) == 2
