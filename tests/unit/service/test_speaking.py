"""What services say, between the HTTP API and the broker."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from typing import Any

import pytest
from msgspec import UNSET

from app.apikeys import ApiKey, make
from app.backplane.personal import read_notice
from app.errors import BadRequest, NotConfirmed, TooLarge, Unavailable
from app.protocol.names import handle
from app.protocol.problems import KeyReused
from app.protocol.service import PageQuery, Sent
from app.service.reading import Reading
from app.service.speaking import Speaking
from tests.fakes.worker import Worker
from tests.support import until_async

TEXT_CHARS = 100


def new_key(name: str = "Robot") -> ApiKey:
    """A service's key."""
    return make(name, ["send"], [], 5.0, 0, None)[0]


class Desk:
    """The HTTP API of a worker, behind its door."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.reading = Reading(worker.broker, worker.activity, worker.rosters, worker.presence, worker.directory)
        self._speaking = Speaking(worker.broker, worker.personal, self.reading, worker.counters, TEXT_CHARS)

    async def say(self, text: str, *idempotency: str, room: str = "r", name: str = "Robot") -> Sent:
        """Have something said."""
        return await self._speaking.say(new_key(name), room, text, list(idempotency))


@pytest.fixture
def desk(worker: Worker) -> Desk:
    """Without Redis."""
    return Desk(worker)


async def test_members_hear_what_a_service_says(desk: Desk) -> None:
    """As its own, in the room's order."""
    ada = await desk.worker.visitor("Ada")
    await ada.ask("join", room="r")
    sent = await desk.say("hi")
    await ada.ask("send", room="r", cid="c1", text="hello")
    await until_async(lambda: ada.seqs == [1, 2], "both are heard")
    first = next(push for push in ada.pushes if push["type"] == "message")
    assert (first["user"], first["name"], first["text"]) == ("svc:Robot", "Robot", "hi")
    assert (first["seq"], first["mid"], first["ts"], first["cid"]) == (sent.seq, sent.mid, sent.ts, sent.cid)


async def test_who_is_meant_and_elsewhere_is_told(desk: Desk) -> None:
    """By handle, once; a retry tells nobody."""
    ada = await desk.worker.visitor("Ada")
    await ada.ask("join", room="r")
    told: list[Any] = []
    desk.worker.store.person_listeners.append(lambda channel, data: told.append(read_notice(data)))

    async def named() -> dict[str, str]:
        await desk.worker.presence.sweep()
        return await desk.reading.names("r")

    assert await named() == {ada.member.user: "Ada"}
    for _ in range(2):
        await desk.say("@Ada look", "k1")
    (notice,) = told
    assert (notice.to, notice.elsewhere) == (handle(ada.member.user), "r")
    assert json.loads(bytes(notice.push)) == {
        "type": "mentioned",
        "room": "r",
        "seq": 1,
        "user": "svc:Robot",
        "name": "Robot",
    }


async def test_who_has_written_is_meant_though_away(desk: Desk) -> None:
    """The log says who that is; nobody is there."""
    ada = await desk.worker.visitor("Ada")
    await ada.ask("join", room="r")
    await ada.ask("send", room="r", cid="c1", text="back soon")
    await ada.ask("leave", room="r")
    await desk.worker.presence.sweep()
    sent = await desk.say("@Ada and @Robot look")
    event = json.loads(desk.worker.store.rooms["r"].log[-1])
    assert (event["seq"], event["mentions"]) == (sent.seq, [ada.member.user])


async def test_an_idempotency_key_belongs_to_its_service_and_room(desk: Desk) -> None:
    """Elsewhere it is another message; without one every message is another."""
    sent = [
        await desk.say("a", "k"),
        await desk.say("a", "k"),
        await desk.say("a", '"k"'),
        await desk.say("a", "k", name="Other"),
        await desk.say("a"),
        await desk.say("a"),
    ]
    assert [(one.seq, one.dup) for one in sent] == [
        (1, False),
        (1, True),
        (1, True),
        (2, False),
        (3, False),
        (4, False),
    ]
    assert (await desk.say("a", "k", room="r2")).seq == 1
    with pytest.raises(KeyReused):
        await desk.say("b", "k")
    assert desk.worker.store.rooms["r"].seq == 4


async def test_of_a_message_that_was_amended_or_is_gone_the_first_text_is_not_known(desk: Desk) -> None:
    """Then a retry is one, whatever it says."""
    await desk.say("a", "k")
    room = desk.worker.store.rooms["r"]
    room.log[0] = room.log[0].replace(b'"text":"a"', b'"text":"","deleted":true')
    assert (await desk.say("a", "k")).dup is True
    await desk.say("b")
    del room.log[0]
    again = await desk.say("a", "k")
    assert (again.seq, again.dup) == (1, True)
    assert (again.mid, again.ts) == (UNSET, UNSET)


@pytest.mark.parametrize("keys", [["a b"], [""], ["x" * 65], ['"'], ["a", "b"], ["\u0660"]])
async def test_a_wrong_idempotency_key_is_refused(desk: Desk, keys: list[str]) -> None:
    """Before anything is said."""
    with pytest.raises(BadRequest):
        await desk.say("a", *keys)
    assert "r" not in desk.worker.store.rooms


async def test_a_wrong_text_is_refused(desk: Desk) -> None:
    """As it is to members."""
    with pytest.raises(BadRequest):
        await desk.say("")
    with pytest.raises(TooLarge):
        await desk.say("x" * (TEXT_CHARS + 1))


async def test_what_is_not_confirmed_is_said(desk: Desk) -> None:
    """Not sent, or not known; the counters know of nothing under way."""
    desk.worker.broker.loss = NotConfirmed("lost")
    with pytest.raises(NotConfirmed):
        await desk.say("a", "k")
    desk.worker.broker.loss, desk.worker.broker.failure = None, Unavailable("away")
    with pytest.raises(Unavailable):
        await desk.say("a", "k")
    assert desk.worker.counters.unconfirmed == 0
    desk.worker.broker.failure = None
    assert (await desk.say("a", "k")).dup is False


async def test_who_asks_may_be_gone_before_the_answer(desk: Desk) -> None:
    """The message is stored or not, and nothing is left behind."""
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    for loss in (None, NotConfirmed("lost")):
        desk.worker.broker.loss = loss
        asking = asyncio.create_task(desk.say("a"))
        await asyncio.sleep(0)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []
    assert desk.worker.counters.unconfirmed == 0


async def test_a_page_leaves_as_it_is_stored(desk: Desk) -> None:
    """Byte for byte."""
    await desk.say("hé")
    page = await desk.reading.messages("r", PageQuery())
    assert [bytes(event) for event in page.messages] == desk.worker.store.rooms["r"].log  # type: ignore[call-overload]
