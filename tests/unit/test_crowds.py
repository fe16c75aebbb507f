"""What the guests of one network may do together, and that nobody else is counted with them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from app.config import Settings
from app.limits import Rate
from app.order import rate, rate_of_newcomers
from app.signin import Signin
from app.tokens import Expected, shared_keys
from tests.fakes.worker import PROMISES, WRITES, Visitor, Worker
from tests.unit.test_tokens import SECRET, signed

HERE, THERE = "203.0.113.9", "198.51.100.7"
LONG = dataclasses.replace(PROMISES, text_chars=4000)


async def talker(worker: Worker, address: str, **hello: Any) -> Visitor:
    """Somebody from an address, in the room."""
    visitor = await worker.visitor("Ada", address, **hello)
    await visitor.ask("join", room="lobby")
    return visitor


async def granted(visitor: Visitor, count: int, text: str = "x") -> int:
    """How many of so many messages are stored."""
    replies = [
        await visitor.ask("send", room="lobby", cid=f"{visitor.last}-{number}", text=text) for number in range(count)
    ]
    return [reply["type"] for reply in replies].count("ack")


async def test_guests_of_a_network_have_a_rate_together() -> None:
    """However many they are, and however short each stays; it says so, and names the time to wait."""
    worker = Worker(rates={"guest_sends": Rate(per_second=10, burst=50)})
    for _ in range(10):
        guest = await talker(worker, HERE)
        assert await granted(guest, 5) == 5
        guest.vanish()
    late = await talker(worker, HERE)
    refused = await late.ask("send", room="lobby", cid="late", text="x")
    assert (refused["code"], refused["temporary"], worker.counters.limit_guest_sends) == ("rate_limited", True, 1)
    assert "from your address" in refused["message"]
    worker.later(refused["retry"])
    assert (await late.ask("send", room="lobby", cid="late", text="x"))["type"] == "ack"


async def test_other_networks_signed_in_users_and_this_machine_are_not_counted_there() -> None:
    """IPv6 addresses of one /64 are."""
    signin = Signin(shared_keys([SECRET]), Expected())
    worker = Worker(rates={"guest_sends": Rate(per_second=1, burst=5)}, signin=signin)
    for address in (HERE, THERE, "2001:db8::1", "2001:db8:0:1::1"):
        assert await granted(await talker(worker, address), 10) == 5
    assert await granted(await talker(worker, "2001:db8::2"), 10) == 0
    assert await granted(await talker(worker, HERE, token=signed()), 10) == 10
    for address in ("127.0.0.1", "::1", ""):
        assert await granted(await talker(worker, address), 10) == 10


@pytest.mark.parametrize("kind", WRITES)
async def test_every_change_counts(kind: str) -> None:
    """Messages, edits, deletions, reactions, topics."""
    worker = Worker(rates={"guest_sends": Rate(per_second=1, burst=5)})
    ada, bob = await talker(worker, HERE), await talker(worker, HERE)
    assert await granted(ada, 4) == 4
    assert (await ada.ask(kind, room="lobby", cid="last", **WRITES[kind]))["type"] == "ack"
    assert (await bob.ask(kind, room="lobby", cid="more", **WRITES[kind]))["code"] == "rate_limited"


async def test_who_is_refused_for_others_pays_nothing_itself() -> None:
    """A guest's own rate is whole when the network's is back."""
    worker = Worker(rates={"guest_sends": Rate(per_second=50, burst=50), "sends": Rate(per_second=1, burst=10)})
    for _ in range(5):
        await granted(await talker(worker, HERE), 10)
    ada = await talker(worker, HERE)
    assert await granted(ada, 10) == 0
    worker.later(1.0)
    assert await granted(ada, 11) == 10


async def test_long_texts_count_by_the_kib() -> None:
    """Of a user and of a network, in messages and edits; the longest is taken as long as anything is left."""
    worker = Worker(
        promises=LONG, rates={"sends": Rate(per_second=1, burst=8), "guest_sends": Rate(per_second=1, burst=24)}
    )
    paste = "\U0001f600" * 4000  # 16 KiB
    ada, bob, eve = [await talker(worker, HERE) for _ in range(3)]
    assert await granted(ada, 2, paste) == 1
    assert worker.counters.limit_sends == 1
    assert await granted(bob, 1) == 1
    edit = await bob.ask("edit", room="lobby", cid="edit", seq=2, text=paste)
    assert edit["type"] == "ack"
    assert await granted(eve, 1) == 0
    assert worker.counters.limit_guest_sends == 1


async def test_new_guests_of_a_network_have_a_rate() -> None:
    """Beyond, hello is refused for now and the connection is closed so that clients come again; the name may be new."""
    worker = Worker(rates={"guests": Rate(per_second=1, burst=30)})
    for number in range(30):
        await worker.visitor(f"Pupil {number}", HERE)
    late = worker.connect(HERE)
    number, join = late.say("hello", name="Late"), late.say("join", room="lobby")
    refused = await late.reply(number)
    assert (refused["code"], refused["temporary"], late.code) == ("rate_limited", True, 1013)
    assert "new guests" in refused["message"]
    assert worker.counters.limit_guests == 1
    assert not any(message.get("id") == join for message in late.heard)
    await worker.visitor("Elsewhere", THERE)
    for _ in range(50):
        await worker.visitor("Near", "127.0.0.1")
    worker.later(refused["retry"])
    await worker.visitor("Late", HERE)


async def test_who_comes_again_is_not_new() -> None:
    """A guest with its token comes as often as it likes; so does a signed-in user. One with a dead token is new."""
    signin = Signin(shared_keys([SECRET]), Expected())
    worker = Worker(rates={"guests": Rate(per_second=1, burst=1)}, signin=signin)
    ada = await worker.visitor("Ada", HERE)
    guest = (await ada.reply(1))["guest"]
    for _ in range(10):
        await worker.visitor("Ada", HERE, guest=guest)
        await worker.visitor("Ada", HERE, token=signed())
    unknown = worker.connect(HERE)
    assert (await unknown.ask("hello", name="Ada", guest="too old"))["code"] == "rate_limited"


async def test_a_hello_that_is_refused_for_another_reason_counts_as_nobody() -> None:
    """Wrong names use nothing up."""
    worker = Worker(rates={"guests": Rate(per_second=1, burst=1)})
    visitor = worker.connect(HERE)
    for _ in range(5):
        assert (await visitor.ask("hello", name="\n"))["code"] == "bad_request"
    assert (await visitor.ask("hello", name="Ada"))["type"] == "welcome"


async def test_limits_that_are_off_are_none() -> None:
    """0 in the settings."""
    settings = Settings(guest_sends_per_second=50, guests_per_minute=30)
    assert rate(settings, "guest_sends") == Rate(50, 250)
    assert rate_of_newcomers(settings) == Rate(0.5, 30)
    worker = Worker(rates={"guest_sends": Rate(0, 0), "guests": Rate(0, 0)})
    assert [await granted(await talker(worker, HERE), 5) for _ in range(5)] == [5] * 5
