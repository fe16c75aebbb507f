"""Edits, deletions, reactions and topics through a worker, and what becomes of the events it keeps at hand."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from app.backplane import keys
from app.events import Batch
from app.room import Room, Verdict
from tests.fakes.broker import MemoryStore
from tests.fakes.log import batch, body, event, events, position, publication
from tests.fakes.worker import Visitor, Worker
from tests.support import until_async

HEART = "\u2764\ufe0f"
_cids = itertools.count(1)


async def change(visitor: Visitor, type_: str, **fields: Any) -> dict[str, Any]:
    """A change in the room r, and its answer."""
    return await visitor.ask(type_, room="r", cid=f"k{next(_cids)}", **fields)


async def told(visitor: Visitor, seq: int) -> None:
    """Wait until a visitor has been pushed the event of that seq."""
    await until_async(lambda: any(push.get("seq") == seq for push in visitor.pushes), f"{seq} was pushed")


async def two(store: MemoryStore | None = None) -> tuple[Worker, Visitor, Visitor]:
    """A worker, and two in the room r."""
    worker = Worker(store)
    ada, bob = await worker.visitor("Ada"), await worker.visitor("Bob")
    for visitor in (ada, bob):
        await visitor.ask("join", room="r")
    return worker, ada, bob


async def test_an_edit_reaches_everybody_and_is_what_joiners_see() -> None:
    """The event as a push; the message as it is now in a page."""
    worker, ada, bob = await two()
    sent = await change(ada, "send", text="helo")
    ack = await change(ada, "edit", seq=sent["seq"], text="hello")
    assert (ack["type"], ack["seq"], ack["dup"]) == ("ack", 2, False)
    await told(bob, 2)
    push = bob.pushes[-1]
    assert (push["type"], push["of"], push["text"], push["name"]) == ("edited", 1, "hello", "Ada")
    eve = await worker.visitor("Eve")
    for page in (await eve.ask("join", room="r"), await bob.ask("history", room="r")):
        message, edited = page["messages"]
        assert (message["text"], message["edited"], message["edit"]) == ("hello", ack["ts"], 2)
        assert {name: edited[name] for name in push} == push


async def test_a_deletion_leaves_no_text() -> None:
    """Neither in the page of a later join nor in a page of history."""
    worker, ada, bob = await two()
    await change(ada, "send", text="secret")
    await change(ada, "edit", seq=1, text="secret too")
    await change(bob, "react", seq=1, emoji=HEART)
    await change(ada, "delete", seq=1)
    await told(bob, 4)
    eve = await worker.visitor("Eve")
    for page in (await eve.ask("join", room="r"), await bob.ask("history", room="r", after=0)):
        assert "secret" not in str(page)
        message, edited, _, deleted = page["messages"]
        assert (message["text"], message["deleted"]) == ("", True)
        assert (edited["type"], edited["of"]) == ("superseded", 1)
        assert (deleted["type"], deleted["of"]) == ("deleted", 1)


async def test_reactions_come_and_go() -> None:
    """Each as an event; the page has who reacted how."""
    worker, ada, bob = await two()
    await change(ada, "send", text="x")
    await change(bob, "react", seq=1, emoji=HEART)
    await change(ada, "react", seq=1, emoji=HEART)
    await change(bob, "react", seq=1, emoji=HEART, on=False)
    await told(ada, 4)
    eve = await worker.visitor("Eve")
    page = await eve.ask("join", room="r")
    assert page["messages"][0]["reactions"] == [{"emoji": HEART, "users": [ada.member.user]}]
    assert [event["on"] for event in page["messages"][1:]] == [True, True, False]


async def test_a_topic_is_told_and_kept() -> None:
    """As an event to those who are there, in `joined` to those who come; an empty one is none."""
    worker, ada, bob = await two()
    await change(ada, "topic", topic="  Releases ")
    await told(bob, 1)
    assert (bob.pushes[-1]["type"], bob.pushes[-1]["topic"]) == ("topic", "Releases")
    other = Worker(worker.store)
    for one in (worker, other):
        eve = await one.visitor("Eve")
        assert (await eve.ask("join", room="r"))["topic"] == "Releases"
    await change(ada, "topic", topic="")
    for one in (worker, other):
        await until_async(lambda one=one: one.hub.get("r").at.seq == 2, "it is told")
        eve = await one.visitor("Eve")
        assert "topic" not in await eve.ask("join", room="r")


@pytest.mark.parametrize(
    ("type_", "fields", "code"),
    [
        ("edit", {"seq": 1, "text": "x"}, "forbidden"),
        ("delete", {"seq": 1}, "forbidden"),
        ("edit", {"seq": 2, "text": ""}, "bad_request"),
        ("edit", {"seq": 2, "text": 101 * "x"}, "too_large"),
        ("edit", {"seq": 9, "text": "x"}, "unknown_message"),
        ("edit", {"seq": 0, "text": "x"}, "bad_request"),
        ("edit", {"seq": -1, "text": "x"}, "bad_request"),
        ("delete", {"seq": 0}, "bad_request"),
        ("delete", {"seq": 3}, "unknown_message"),
        ("react", {"seq": 1, "emoji": "x"}, "bad_request"),
        ("react", {"seq": 1, "emoji": ""}, "bad_request"),
        ("react", {"seq": 1, "emoji": 17 * HEART[0]}, "bad_request"),
        ("react", {"seq": 3, "emoji": HEART}, "unknown_message"),
        ("topic", {"topic": "two\nlines"}, "bad_request"),
        ("topic", {"topic": 201 * "x"}, "bad_request"),
    ],
)
async def test_what_cannot_be_is_refused_for_good(type_: str, fields: dict[str, Any], code: str) -> None:
    """Another's message, one that is none, a text, emoji or topic that breaks the rules; nothing is stored."""
    worker, ada, bob = await two()
    await change(ada, "send", text="hers")
    await change(bob, "send", text="his")
    await change(bob, "delete", seq=2) if fields.get("seq") == 3 else None
    seq = worker.store.room("r").seq
    error = await change(bob, type_, **fields)
    assert (error["type"], error["code"], error["temporary"]) == ("error", code, False)
    assert worker.store.room("r").seq == seq
    assert bob.member.unacked == 0


async def test_amendments_need_the_room_and_count_as_unacknowledged() -> None:
    """Like sends."""
    _, ada, _ = await two()
    eve = await ada.worker.visitor("Eve")
    assert (await change(eve, "react", seq=1, emoji=HEART))["code"] == "not_joined"
    await change(ada, "send", text="x")
    numbers = [ada.say("edit", room="r", cid=f"e{n}", seq=1, text=f"{n}") for n in range(33)]
    answers = [await ada.reply(number) for number in numbers]
    assert [answer["type"] for answer in answers] == ["ack"] * 32 + ["error"]
    assert answers[-1]["code"] == "rate_limited"


async def test_changes_of_one_connection_take_effect_in_order() -> None:
    """Sent without waiting: the edit finds the message sent just before it."""
    _, ada, bob = await two()
    for number in range(5):
        ada.say("send", room="r", cid=f"s{number}", text="x")
        ada.say("edit", room="r", cid=f"e{number}", seq=2 * number + 1, text=f"{number}")
    await told(bob, 10)
    page = await bob.ask("history", room="r")
    assert [event["text"] for event in page["messages"] if event["type"] == "message"] == list("01234")


# What a worker keeps at hand


def amendment(seq: int, *folds: tuple[int, bytes]) -> Batch:
    """The publication of an amendment that changed these bodies."""
    entry = publication(seq, seq).replace(b" 0 ", b" %d " % len(folds), 1)
    return Batch.parse(b"\n".join([entry, *(b"%d %b" % fold for fold in folds)]))


def reacted(seq: int) -> bytes:
    """An event that is no message."""
    return event(seq).replace(b'"message"', b'"reacted"')


def test_recent_events_are_as_the_amendment_made_them() -> None:
    """Head as before, body replaced; what is not at hand is not missed."""
    room = Room("r", position(3))
    room.settle(position(3), events(2, 3))
    assert room.receive(amendment(4, (3, body("new")), (1, body("old")), (0, b'"about"'))) is Verdict.DELIVER
    assert room.latest(9) == [event(2), event(3, text="new"), event(4)]
    assert (room.topic, room.amended, room.others) == (b'"about"', 4, 1)
    assert room.receive(amendment(5, (0, b'""'))) is Verdict.DELIVER
    assert room.topic == b""


def test_the_bytes_of_recent_events_are_counted_through_amendments() -> None:
    """A message that grows by its edits counts as large as it is: the bound holds."""
    room = Room("r", position(0))
    room.settle(position(0), [])
    for seq in range(1, 40):
        room.receive(batch(seq, seq))
    for seq in range(40, 70):
        room.receive(amendment(seq, (seq - 30, body("x" * 5000))))
    room.receive(batch(70, 70))
    assert sum(map(len, room.latest(999))) <= 64 * 1024


def test_a_duplicate_amendment_changes_nothing() -> None:
    """What was read from the log is newer than a publication that comes late."""
    room = Room("r", position(5))
    room.settle(position(5), [event(4, text="newest"), event(5)])
    assert room.receive(amendment(5, (4, body("older")))) is Verdict.DUPLICATE
    assert room.latest(2)[0] == event(4, text="newest")


def test_a_gap_healed_by_amendments_forgets_what_they_may_have_changed() -> None:
    """The log's events are as they are now; those at hand may be as they were."""
    room = Room("r", position(5))
    room.settle(position(5), events(1, 5))
    room.catch_up(position(6), [event(6)])
    assert room.recent_first == 1
    room.catch_up(position(8), [event(7), reacted(8)])
    assert (room.recent_first, room.amended) == (7, 8)


async def test_a_held_amendment_is_folded_when_the_room_is_settled() -> None:
    """It comes while the log is being read; the read has it, or it has it afterwards."""
    for late in (True, False):
        worker, ada, bob = await two()
        await change(ada, "send", text="x")
        await told(bob, 1)
        room = worker.hub.get("r")
        worker.broker.gate.clear()
        reads = len(worker.broker.reads)
        worker.relay.gap(room)
        healing = asyncio.ensure_future(worker.relay.run())
        if late:
            await until_async(lambda: len(worker.broker.reads) > reads, "the log is being read")  # noqa: B023
        number = ada.say("edit", room="r", cid="e", seq=1, text="new")
        assert (await ada.reply(number))["seq"] == 2
        worker.broker.gate.set()
        await until_async(lambda: room.settled and room.at.seq == 2, "it is settled")  # noqa: B023
        healing.cancel()
        eve = await worker.visitor("Eve")
        assert (await eve.ask("join", room="r"))["messages"][0]["text"] == "new"
        assert [push["seq"] for push in bob.pushes] == [1, 2]


async def test_a_page_that_an_amendment_overtook_is_read_again() -> None:
    """Its reader got the amendment before the page, and would keep the old text for ever."""
    worker, ada, bob = await two()
    await change(ada, "send", text="old")
    worker.broker.gate.clear()
    number = bob.say("history", room="r")
    await until_async(lambda: worker.broker.reads, "the log is being read")
    await change(ada, "edit", seq=1, text="new")
    await told(bob, 2)
    worker.broker.gate.set()
    assert [event["text"] for event in (await bob.reply(number))["messages"]] == ["new", "new"]


async def test_events_reached_back_for_know_of_amendments_that_overtook_them() -> None:
    """Old events are read while one of them is edited: whoever joins gets the text that holds."""
    worker, ada, _ = await two()
    for _ in range(300):
        await change(ada, "send", text="old")
    room = worker.hub.get("r")
    await until_async(lambda: room.at.seq == 300, "all have arrived")
    room.shrink()
    assert room.recent_first > 101
    worker.broker.gate.clear()
    eve = await worker.visitor("Eve")
    before = len(worker.broker.reads)
    number = eve.say("join", room="r", limit=200)
    await until_async(lambda: len(worker.broker.reads) > before, "the log is being read")
    await change(ada, "edit", seq=110, text="new")
    await until_async(lambda: room.at.seq == 301, "the edit has arrived")
    worker.broker.gate.set()
    joined = await eve.reply(number)
    texts = {event["seq"]: event["text"] for event in joined["messages"] if event["type"] == "message"}
    assert texts[110] == "new"
    assert len(joined["messages"]) == 200


async def test_a_lost_amendment_is_healed_with_all_it_changed() -> None:
    """Its publication never came: the next event shows the gap, and what was at hand is read anew."""
    worker, ada, bob = await two()
    await change(ada, "send", text="old")
    await told(bob, 1)
    healing = asyncio.ensure_future(worker.relay.run())
    channel = keys.events("r")
    deaf, worker.subscriber.on_messages = worker.subscriber.on_messages, lambda messages: None
    await change(ada, "edit", seq=1, text="new")
    worker.subscriber.on_messages = deaf
    assert channel in worker.hub.chats
    await change(ada, "send", text="next")
    await told(bob, 3)
    healing.cancel()
    eve = await worker.visitor("Eve")
    joined = await eve.ask("join", room="r")
    assert [event["text"] for event in joined["messages"]] == ["new", "new", "next"]
    assert [push["seq"] for push in bob.pushes] == [1, 2, 3]
