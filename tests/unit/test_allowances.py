"""What a connection may send and ask, and what becomes of it when it goes on regardless."""

from __future__ import annotations

import asyncio

import pytest

from app.allowances import KINDS, SWEEP_SECONDS
from app.commands import FREE_REQUESTS
from app.connection import LOT
from app.limits import Rate
from tests.fakes.wire import TEXT, frame
from tests.fakes.worker import Visitor, Worker

FEW = Rate(per_second=2, burst=10)
SENDS = Rate(per_second=20, burst=100)


async def asked(visitor: Visitor, type_: str, count: int, **fields: object) -> list[dict[str, object]]:
    """The replies to so many requests, asked at once."""
    numbers = [visitor.say(type_, **fields) for _ in range(count)]
    return [await visitor.reply(number) for number in numbers]


@pytest.mark.parametrize(
    ("kind", "type_", "fields"),
    [
        ("pings", "ping", {}),
        ("joins", "join", {"room": "lobby"}),
        ("histories", "history", {"room": "lobby"}),
        ("requests", "rooms", {}),
        ("requests", "read", {"room": "lobby", "seq": 0}),
        ("requests", "direct", {"user": "u"}),
        ("requests", "refresh", {"token": "x"}),
    ],
)
async def test_each_kind_of_request_has_its_rate(kind: str, type_: str, fields: dict[str, object]) -> None:
    """Beyond, it is refused for now, and after the time named it is answered again."""
    worker = Worker(rates={kind: FEW})
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    replies = await asked(ada, type_, FREE_REQUESTS + 20, **fields)
    refused = [reply for reply in replies if reply.get("code") == "rate_limited"]
    assert len(replies) - len(refused) == FREE_REQUESTS - 2 + FEW.burst
    assert replies[-len(refused) :] == refused
    assert {reply["temporary"] for reply in refused} == {True}
    assert getattr(worker.counters, f"limit_{kind}") == len(refused)
    retry = refused[-1]["retry"]
    assert isinstance(retry, float)
    worker.later(retry)
    assert (await ada.ask(type_, **fields)).get("code") != "rate_limited"


async def test_sends_and_all_other_changes_share_the_users_rate() -> None:
    """Over all connections of the user; a change that is refused is not stored, and its cid may be used again."""
    worker = Worker(rates={"sends": SENDS})
    ada = await worker.visitor("Ada")
    other = await worker.visitor("Ada", guest=(await ada.reply(1))["guest"])
    for visitor in (ada, other):
        await visitor.ask("join", room="lobby")
    for number in range(40):
        assert (await ada.ask("send", room="lobby", cid=f"a{number}", text="x"))["type"] == "ack"
        assert (await other.ask("react", room="lobby", cid=f"b{number}", seq=1, emoji="👍"))["type"] == "ack"
    for number in range(20):
        assert (await ada.ask("edit", room="lobby", cid=f"c{number}", seq=1, text="x"))["type"] == "ack"
    refused = await ada.ask("send", room="lobby", cid="late", text="x")
    assert (refused["code"], refused["temporary"], worker.counters.limit_sends) == ("rate_limited", True, 1)
    assert (await other.ask("topic", room="lobby", cid="late", topic="x"))["code"] == "rate_limited"
    assert worker.store.rooms["lobby"].seq == 100
    worker.later(refused["retry"])
    assert (await ada.ask("send", room="lobby", cid="late", text="x"))["seq"] == 101
    assert (await (await worker.visitor("Bob")).ask("join", room="lobby"))["type"] == "joined"


async def test_a_pipelined_send_does_not_overtake_a_refused_one() -> None:
    """What comes behind a refusal is refused until the time named, so that all can be sent again in their order."""
    worker = Worker(rates={"sends": SENDS})
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    for number in range(100):
        await ada.ask("send", room="lobby", cid=f"{number}", text="x")
    refused = await ada.ask("send", room="lobby", cid="100", text="x")
    worker.clock.pass_(0.9)
    for number in range(101, 105):
        assert (await ada.ask("send", room="lobby", cid=f"{number}", text="x"))["code"] == "rate_limited"
    worker.clock.pass_(refused["retry"] - 0.9)
    for number in range(100, 105):
        assert (await ada.ask("send", room="lobby", cid=f"{number}", text="x"))["type"] == "ack"


async def test_who_goes_on_regardless_is_sent_away() -> None:
    """4005, after so many refusals that no client that waits as it is told has them."""
    worker = Worker(rates={"pings": FEW, "refusals": Rate(per_second=5, burst=25)})
    ada = await worker.visitor()
    replies = await asked(ada, "ping", FREE_REQUESTS - 1 + 10 + 25)
    assert (replies[-1]["code"], ada.code) == ("rate_limited", None)
    assert (await ada.ask("ping"))["code"] == "rate_limited"
    assert ada.code == 4005
    assert worker.counters.closed_4005 == 0  # counted where the worker wires its closings


async def test_who_waits_as_told_is_never_sent_away() -> None:
    """However long it asks for more than it may."""
    worker = Worker(rates={"pings": FEW, "refusals": Rate(per_second=1, burst=5)})
    ada = await worker.visitor()
    answers = 0
    for _ in range(200):
        reply = await ada.ask("ping")
        if reply["type"] == "pong":
            answers += 1
        else:
            worker.later(reply["retry"])
    assert ada.code is None
    assert answers > 100


async def test_too_many_frames_stop_the_reading() -> None:
    """Nothing is lost: what was sent is read later; the peer is told for how long it is not heard."""
    worker = Worker(rates={"frames": Rate(per_second=100, burst=200)})
    ada = await worker.visitor()
    for _ in range(5):
        ada.transport.receive(frame(TEXT, b'{"type":"ping","id":7}') * LOT)
    await asyncio.sleep(0)
    assert ada.connection.held
    (told,) = [message for message in ada.heard if message["type"] == "error"]
    assert (told["code"], "id" in told, worker.counters.limit_frames) == ("rate_limited", False, 1)
    for _ in range(20):
        worker.later(0.25)
        await asyncio.sleep(0)
    assert not ada.connection.held
    assert [message["type"] for message in ada.heard].count("pong") == 5 * LOT


async def test_too_many_bytes_stop_the_reading() -> None:
    """Counted in what was read, whatever it was."""
    worker = Worker(rates={"bytes": Rate(per_second=100_000, burst=200_000)})
    ada = await worker.visitor()
    for _ in range(6):
        ada.transport.receive(frame(TEXT, b'{"type":"ping","id":7,"x":"' + b"x" * 50_000 + b'"}'))
    await asyncio.sleep(0)
    assert ada.connection.held
    (told,) = [message for message in ada.heard if message["type"] == "error"]
    assert (told["code"], worker.counters.limit_bytes) == ("rate_limited", 1)
    assert 0.9 < told["retry"] < 1.0


async def test_a_flood_of_frames_is_the_end_after_a_while() -> None:
    """4005 for a connection that always has more to read than it may send."""
    worker = Worker(rates={"frames": Rate(per_second=100, burst=200), "refusals": Rate(per_second=50, burst=250)})
    ada = await worker.visitor()
    seconds = 0.0
    while ada.code is None and seconds < 100:
        for _ in range(10):
            if not ada.connection.held:
                ada.transport.receive(frame(TEXT, b'{"type":"typing","room":"r"}') * LOT)
        worker.later(0.25)
        await asyncio.sleep(0)
        seconds += 0.25
    assert ada.code == 4005
    assert 5 < seconds < 40


async def test_nothing_is_kept_of_a_connection_that_has_only_joined() -> None:
    """Nor of one that was busy and rests."""
    worker = Worker(rates={kind: Rate(per_second=100, burst=500) for kind in KINDS})
    ada = await worker.visitor()
    await ada.ask("join", room="lobby")
    assert len(worker.allowances) == 0
    await asked(ada, "ping", 200)
    assert len(worker.allowances) == 2  # pings and frames
    worker.later(SWEEP_SECONDS)
    worker.later(SWEEP_SECONDS)
    worker.later(SWEEP_SECONDS)
    assert len(worker.allowances) == 0
