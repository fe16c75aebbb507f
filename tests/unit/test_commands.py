"""What members ask, and what they are answered, in order."""

from __future__ import annotations

import asyncio

import pytest

from app.member import ERRORS_IN_A_ROW, WAITING_REQUESTS
from tests.fakes.wire import BINARY, frame
from tests.fakes.worker import Worker
from tests.support import until_async

# Bad messages


async def test_ten_bad_messages_in_a_row_are_the_end(worker: Worker) -> None:
    """4501; a good one in between begins the count anew."""
    ada = await worker.visitor()
    for _ in range(3):
        for _ in range(ERRORS_IN_A_ROW - 1):
            ada.raw(b"{}")
        await ada.ask("ping")
    ada.transport.receive(frame(BINARY, b"x") * (ERRORS_IN_A_ROW - 1))
    await asyncio.sleep(0)
    assert ada.code is None
    ada.raw(b"{}")
    assert ada.code == 4501
    assert worker.counters.refusals == 4 * ERRORS_IN_A_ROW - 3


async def test_a_bad_message_is_answered_with_its_id_if_it_has_one(worker: Worker) -> None:
    """As a reply, else as a push."""
    ada = await worker.visitor()
    ada.raw(b'{"type":"explode","id":77}')
    ada.raw(b"{")
    ada.transport.receive(frame(BINARY, b"x"))
    await asyncio.sleep(0)
    errors = [message for message in ada.heard if message["type"] == "error"]
    assert [error.get("id") for error in errors] == [77, None, None]
    assert {error["code"] for error in errors} == {"bad_request"}


# Order


async def test_requests_take_effect_in_the_order_sent(worker: Worker) -> None:
    """What follows a request that waits for Redis waits behind it."""
    ada = await worker.visitor()
    worker.broker.gate.clear()
    numbers = [ada.say("join", room="lobby")]
    numbers += [ada.say("send", room="lobby", cid=f"c{number}", text="x") for number in range(3)]
    numbers += [ada.say("history", room="lobby"), ada.say("leave", room="lobby"), ada.say("ping")]
    numbers += [ada.say("send", room="lobby", cid="late", text="x")]
    await until_async(lambda: worker.broker.reads, "the join waits for its read")
    assert [message["type"] for message in ada.heard] == ["welcome"]
    worker.broker.gate.set()
    await ada.reply(numbers[-1])
    replies = [message for message in ada.heard if "id" in message][1:]
    assert [reply["id"] for reply in replies if reply["type"] != "ack"] == [n for n in numbers if n not in numbers[1:4]]
    kinds = ["joined", "ack", "ack", "ack", "history", "left", "pong", "error"]
    assert [(await ada.reply(number))["type"] for number in numbers] == kinds
    assert (await ada.reply(numbers[-1]))["code"] == "not_joined"


async def test_one_members_waiting_holds_up_nobody_else(worker: Worker) -> None:
    """Others are answered meanwhile."""
    ada, bob = await worker.visitor("Ada"), await worker.visitor("Bob")
    worker.broker.gate.clear()
    ada.say("join", room="lobby")
    assert (await bob.ask("ping"))["type"] == "pong"
    worker.broker.gate.set()


async def test_too_many_waiting_requests_stop_the_reading(worker: Worker) -> None:
    """Memory for a member that asks without waiting is bounded; every request is answered in the end, in order."""
    ada = await worker.visitor()
    worker.broker.gate.clear()
    numbers = [ada.say("join", room="lobby"), *(ada.say("ping") for _ in range(5 * WAITING_REQUESTS))]
    await asyncio.sleep(0)
    assert ada.connection.held
    assert ada.member.waiting is not None
    assert len(ada.member.waiting) == WAITING_REQUESTS
    worker.broker.gate.set()
    await ada.reply(numbers[-1])
    assert [message["id"] for message in ada.heard][1:] == numbers
    assert not ada.connection.held


async def test_a_member_that_vanishes_while_it_waits_is_not_admitted(worker: Worker) -> None:
    """No room keeps a member whose connection is gone, and what waited behind is dropped."""
    ada = await worker.visitor()
    worker.broker.gate.clear()
    ada.say("join", room="lobby")
    ada.say("send", room="lobby", cid="c", text="x")
    await until_async(lambda: worker.broker.reads, "the join waits for its read")
    ada.vanish()
    await asyncio.sleep(0)
    worker.broker.gate.set()
    await worker.idle()
    room = worker.hub.get("lobby")
    assert room is not None
    assert (len(room), worker.store.rooms["lobby"].seq) == (0, 0)


# Ids and faults


async def test_no_two_connections_have_the_same_id(worker: Worker) -> None:
    """On no worker and at no time: it names the session of whoever gives none, and with it the cids that were used."""
    ids = {one.commands.next_conn() for one in (worker, Worker(), Worker()) for _ in range(100)}
    assert len(ids) == 300


async def test_a_fault_of_ours_is_answered_and_holds_up_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request gets an error that says no more than that, and what waits behind it is carried out."""

    async def fail(name: str) -> None:
        raise ValueError("a secret of the inside")

    monkeypatch.setattr(worker.hub, "enter", fail)
    ada = await worker.visitor()
    numbers = [ada.say("join", room="lobby"), *(ada.say("ping") for _ in range(3))]
    replies = [await ada.reply(number) for number in numbers]
    assert [reply["type"] for reply in replies] == ["error", "pong", "pong", "pong"]
    assert (replies[0]["code"], "secret" in replies[0]["message"]) == ("internal", False)
    assert not ada.connection.held
