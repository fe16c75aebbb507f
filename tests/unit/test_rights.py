"""Signed-in users at a worker: their tokens end, are refreshed, and say what they may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from app.grants import Right, Rules
from app.signin import Signin
from app.tokens import Expected, make, shared_keys
from tests.fakes.sent import running
from tests.fakes.worker import PROMISES, WRITES, Visitor, Worker

SECRET = "one secret of more than thirty-two characters"
RULES = Rules([("news", Right.READ), ("team-*", Right.NONE)])


def token(user: str = "u1", seconds: int = 60, **claims: Any) -> str:
    """A token by the secret of these workers."""
    return make(SECRET, user, seconds, {"name": "Ada", **claims})


def new_worker(**more: Any) -> Worker:
    """A worker that knows signed-in users, with rules for some rooms."""
    return Worker(signin=Signin(shared_keys([SECRET]), Expected(leeway_seconds=5)), rules=RULES, **more)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    """A worker whose relay heals gaps."""
    worker = new_worker()
    async with running(worker.relay.run()):
        yield worker
    await worker.tasks.cancel()


async def signed_in(worker: Worker, **given: Any) -> Visitor:
    """Somebody who has said hello with a token."""
    visitor = worker.connect()
    assert (await visitor.ask("hello", token=token(**given)))["type"] == "welcome"
    return visitor


async def test_a_signed_in_user_is_told_when_the_token_ends(worker: Worker) -> None:
    """And gets no guest token; the name is that of the token, whatever hello says."""
    welcome = await worker.connect().ask("hello", token=token(), name="Root", session="s1")
    assert (welcome["user"], welcome["name"], welcome["session"]) == ("u1", "Ada", "s1")
    assert "guest" not in welcome
    assert 55 <= welcome["exp"] <= 60


async def test_a_token_that_ends_is_the_end_of_the_connection(worker: Worker) -> None:
    """4004, after what clocks may differ; a refreshed one goes on; a guest's never ends so."""
    ada, bob, guest = await signed_in(worker), await signed_in(worker, user="u2"), await worker.visitor()
    answer = await bob.ask("refresh", token=token("u2", 600))
    assert answer["type"] == "refreshed"
    assert 595 <= answer["exp"] <= 600
    worker.later(64)
    assert ada.code is None
    worker.later(2)
    assert (ada.code, bob.code, guest.code) == (4004, None, None)
    worker.later(600)
    assert (bob.code, guest.code) == (4004, None)


async def test_a_refresh_is_for_the_same_user(worker: Worker) -> None:
    """Somebody else's, a wrong one and a guest's are refused, and change nothing."""
    ada, guest = await signed_in(worker), await worker.visitor()
    assert (await ada.ask("refresh", token=token("u2")))["code"] == "forbidden"
    assert (await ada.ask("refresh", token="wrong"))["code"] == "unauthorized"
    assert (await ada.ask("refresh", token=token(seconds=-60)))["code"] == "expired"
    assert (await ada.ask("refresh", token="x" * 8193))["code"] == "bad_request"
    assert (await guest.ask("refresh", token=token()))["code"] == "forbidden"
    assert (ada.member.user, ada.code, guest.code) == ("u1", None, None)
    worker.later(66)
    assert ada.code == 4004


async def test_an_expired_token_is_told_from_a_wrong_one(worker: Worker) -> None:
    """4004: come with a new one; 4500: stay away."""
    late, wrong = worker.connect(), worker.connect()
    assert (await late.ask("hello", token=token(seconds=-60)))["code"] == "expired"
    assert (await wrong.ask("hello", token="a.b.c"))["code"] == "unauthorized"
    assert (late.code, wrong.code) == (4004, 4500)


async def test_guests_can_be_kept_out() -> None:
    """By name and by guest token: 4500; signed-in users come in."""
    worker = new_worker(promises=replace(PROMISES, guests=False))
    for hello in ({"name": "Ada"}, {"guest": worker.guests.token(worker.guests.new("Ada"))}):
        visitor = worker.connect()
        assert (await visitor.ask("hello", **hello))["code"] == "unauthorized"
        assert visitor.code == 4500
    await signed_in(worker)


async def test_a_room_read_only_is_read_by_all_and_written_by_some(worker: Worker) -> None:
    """Every way of writing is refused to the others."""
    guest, editor = await worker.visitor(), await signed_in(worker, rooms={"news": "write"})
    for visitor in (guest, editor):
        assert (await visitor.ask("join", room="news"))["type"] == "joined"
    assert (await editor.ask("send", room="news", cid="a", text="hi"))["type"] == "ack"
    for type_, fields in WRITES.items():
        assert (await guest.ask(type_, room="news", cid="b", **fields))["code"] == "forbidden", type_
    guest.say("typing", room="news")
    worker.presence.typists.sweep(busy=False)
    assert not [push for push in editor.pushes if push["type"] == "typing"]
    assert guest.seqs == [1]


async def test_a_room_for_members_is_for_those_whom_their_token_lets_in(worker: Worker) -> None:
    """Others neither join it nor find it in the list."""
    guest, ada = await worker.visitor(), await signed_in(worker, rooms={"team-*": "write"})
    bob = await signed_in(worker, user="u2", rooms={"other": "moderate"})
    assert (await ada.ask("join", room="team-red"))["type"] == "joined"
    assert (await ada.ask("send", room="team-red", cid="a", text="hi"))["type"] == "ack"
    worker.directory.write()
    for stranger in (guest, bob):
        assert (await stranger.ask("join", room="team-red"))["code"] == "forbidden"
        assert (await stranger.ask("rooms"))["rooms"] == []
    assert [entry["room"] for entry in (await ada.ask("rooms"))["rooms"]] == ["team-red"]


async def test_a_token_may_grant_less_than_the_rule(worker: Worker) -> None:
    """Where a pattern of it fits, it decides."""
    ada = await signed_in(worker, rooms={"lobby": "read"})
    await ada.ask("join", room="lobby")
    assert (await ada.ask("send", room="lobby", cid="a", text="hi"))["code"] == "forbidden"


async def test_whoever_moderates_deletes_what_others_wrote(worker: Worker) -> None:
    """In the rooms that the token names, and never between two others."""
    guest, ada = await worker.visitor(), await signed_in(worker, rooms={"*": "moderate"})
    for visitor in (guest, ada):
        await visitor.ask("join", room="lobby")
    await guest.ask("send", room="lobby", cid="a", text="hi")
    assert (await ada.ask("delete", room="lobby", cid="b", seq=1))["type"] == "ack"
    other = await worker.visitor("Eve")
    direct = await guest.ask("direct", user=other.member.user)
    assert (await ada.ask("join", room=direct["room"]))["code"] == "forbidden"


async def test_what_a_new_token_no_longer_grants_is_over(worker: Worker) -> None:
    """The room is left, with a push that says so, and writing ends."""
    ada, bob = [await signed_in(worker, user=user, rooms={"team-*": "write"}) for user in ("u1", "u2")]
    for visitor in (ada, bob):
        await visitor.ask("join", room="team-red")
    await ada.ask("send", room="team-red", cid="a", text="hi")
    await bob.ask("refresh", token=token("u2", rooms={"team-red": "read"}))
    assert (await bob.ask("send", room="team-red", cid="a", text="hi"))["code"] == "forbidden"
    assert (await ada.ask("refresh", token=token()))["type"] == "refreshed"
    assert [push for push in ada.pushes if push["type"] == "left"] == [
        {"type": "left", "room": "team-red", "reason": "rights"}
    ]
    assert (await ada.ask("send", room="team-red", cid="b", text="hi"))["code"] == "not_joined"
