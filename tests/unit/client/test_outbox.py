"""Changes until they are acknowledged: what an event says of them, and what may be sent again after a long time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.client.errors import Refused, Unconfirmed
from app.client.link import Tuning
from app.client.outbox import Ack, Outbox
from tests.support import until_async

Message = dict[str, Any]
LONG = 100_000.0


class Wire:
    """Takes requests; each is lost with its connection, until `answers`. `now` is the wall's clock."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.answers = False
        self.now = 1_000_000.0

    async def request(self, _type: str, body: Message) -> Message:
        """As a client's."""
        self.asked.append(body)
        if not self.answers:
            raise Refused("unavailable", "the connection was lost", temporary=True)
        return {"seq": len(self.asked), "mid": f"m{len(self.asked)}", "ts": 1, "dup": False}


@pytest.fixture
def wire() -> Wire:
    """The other end."""
    return Wire()


@pytest.fixture
async def outbox(wire: Wire) -> AsyncIterator[Outbox]:
    """One of Ada's, for the room r."""
    outbox = Outbox(Tuning(), wire.request, lambda: wire.now)
    outbox.user = "ada"
    outbox.open("r")
    yield outbox
    await outbox.close()


async def tried(outbox: Outbox, wire: Wire) -> asyncio.Task[Ack]:
    """A change that went out, and whose connection was lost before an answer."""
    outbox.release("r", recovered=False)
    change = asyncio.create_task(outbox.change("send", {"room": "r", "cid": "c1", "text": "once"}))
    await until_async(lambda: wire.asked, "it is sent")
    outbox.hold("r")
    return change


def event(seq: int = 7, cid: str = "c1", user: str = "ada") -> Message:
    """What becomes of a change."""
    return {"type": "message", "room": "r", "seq": seq, "mid": f"m{seq}", "ts": 5, "cid": cid, "user": user}


async def test_an_event_is_as_good_as_an_ack(outbox: Outbox, wire: Wire) -> None:
    """Given before the room is open again, it keeps the change from being sent once more."""
    change = await tried(outbox, wire)
    outbox.settle(event())
    outbox.release("r", recovered=True)
    assert await change == Ack("r", "c1", 7, "m7", 5, False)
    wire.answers = True
    await outbox.change("send", {"room": "r", "cid": "c2", "text": "next"})
    assert [body["cid"] for body in wire.asked] == ["c1", "c2"]


@pytest.mark.parametrize("other", [event(cid="c9"), event(user="bob"), event() | {"room": "elsewhere"}])
async def test_another_event_settles_nothing(outbox: Outbox, wire: Wire, other: Message) -> None:
    """Of somebody else, of another change, of a room that is none of this client's."""
    change = await tried(outbox, wire)
    outbox.settle(other)
    wire.answers = True
    outbox.release("r", recovered=True)
    assert (await change).seq == 2
    outbox.settle(event())


async def test_what_was_never_sent_is_settled_by_nothing(outbox: Outbox, wire: Wire) -> None:
    """The cid of a change that waits may have been another session's as well."""
    change = asyncio.create_task(outbox.change("send", {"room": "r", "cid": "c1", "text": "once"}))
    await asyncio.sleep(0)
    outbox.settle(event())
    wire.answers = True
    outbox.release("r", recovered=False)
    assert (await change).seq == 1


async def test_a_change_is_not_sent_again_after_a_sleep(outbox: Outbox, wire: Wire) -> None:
    """The machine slept, and its clock with it, while the server forgot the cid; and what was missed cannot be had."""
    change = await tried(outbox, wire)
    wire.now += LONG
    wire.answers = True
    outbox.release("r", recovered=False)
    with pytest.raises(Unconfirmed):
        await change
    assert len(wire.asked) == 1


async def test_a_change_that_a_resume_did_not_show_is_sent_again(outbox: Outbox, wire: Wire) -> None:
    """However long ago it was tried: without a gap its event would have come, had it been stored."""
    change = await tried(outbox, wire)
    wire.now += LONG
    wire.answers = True
    outbox.release("r", recovered=True)
    assert (await change).cid == "c1"
    assert [body["cid"] for body in wire.asked] == ["c1", "c1"]


@pytest.mark.parametrize("recovered", [False, True])
async def test_a_change_tried_lately_is_sent_again(outbox: Outbox, wire: Wire, recovered: bool) -> None:
    """The server knows its cid; a wall clock that was set back changes nothing about that."""
    change = await tried(outbox, wire)
    wire.now -= LONG
    wire.answers = True
    outbox.release("r", recovered=recovered)
    assert (await change).cid == "c1"
    assert len(wire.asked) == 2
