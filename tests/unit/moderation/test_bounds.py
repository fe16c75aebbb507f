"""What a worker missed, what happens meanwhile, and how much is held."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from app.errors import BadRequest, Forbidden, Unavailable
from app.sanctions import BAN, Sanction
from tests.fakes.sent import running
from tests.fakes.worker import Worker
from tests.support import until_async
from tests.unit.moderation.people import SOMEBODY, guest, moderator, told


async def test_a_worker_that_missed_something_finds_it_by_the_version(workers: list[Worker]) -> None:
    """Bans, kicks and ends alike, when it compares; and at once with the next that it hears."""
    one, two = workers
    eve, bob = await guest(two, "lobby"), await guest(two, "lobby", name="Bob")
    ann = await guest(two, "lobby", name="Ann")
    async with running(two.moderation.run()):
        await until_async(lambda: two.deeds.reads or two.subscriber.asked.count(b"parley:moderation"), "it runs")
        one.deeds.deaf = True
        await one.moderation.ban(SOMEBODY, user=eve.member.user)
        await one.moderation.kick(bob.member.user, SOMEBODY, "lobby")
        assert eve.code is None
        two.moderation.subscribed_again()
        await until_async(lambda: eve.code == 4504, "the ban is found")
        assert told(bob, "left") == [{"type": "left", "room": "lobby", "reason": "kicked"}]
        await one.moderation.mute(ann.member.user, 60, SOMEBODY, "lobby")
        one.deeds.deaf = False
        await one.moderation.unban(SOMEBODY, user=eve.member.user)
        await until_async(lambda: told(ann, "moderated"), "the mute is found")
        assert two.moderation.sanctions.version == one.deeds.kept.version
        one.deeds.deaf = True
        await one.moderation.unmute(ann.member.user, SOMEBODY, "lobby")
        await until_async(lambda: len(told(ann, "moderated")) == 2, "the end is found by itself")


async def test_what_changes_while_everything_is_read_is_not_forgotten(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before it was heard does not replace it."""
    one, two = workers
    read, heard = two.deeds.read, asyncio.Event()
    over: list[Any] = []

    async def slow() -> Any:
        known = await read()
        await heard.wait()
        over.append(known)
        return known

    await one.moderation.mute("u1", 60, SOMEBODY)
    two.moderation.sanctions.version = 1
    monkeypatch.setattr(two.deeds, "read", slow)
    async with running(two.moderation.run()):
        await until_async(lambda: two.deeds.reads, "it is being read")
        two.moderation.sanctions.version = one.deeds.kept.version
        await one.moderation.ban(SOMEBODY, user="u2")
        assert two.moderation.sanctions.ban("u2", "", "") is not None
        heard.set()
        await until_async(lambda: over, "the read is over")
    assert two.moderation.sanctions.ban("u2", "", "") is not None
    assert two.moderation.sanctions.version == one.deeds.kept.version


async def test_a_redis_that_is_away_is_said_to_the_moderator(workers: list[Worker]) -> None:
    """As temporary; nothing has happened."""
    one, _ = workers
    mod = await moderator(one)
    one.deeds.failure = Unavailable("away")
    answer = await mod.ask("mute", room="lobby", user="x", seconds=1)
    assert (answer["code"], answer["temporary"]) == ("unavailable", True)


async def test_a_ban_that_comes_while_a_join_waits_is_heeded(workers: list[Worker]) -> None:
    """Whoever is banned meanwhile does not get in."""
    one, two = workers
    eve = await guest(two)
    two.broker.gate.clear()
    number = eve.say("join", room="lobby")
    await one.moderation.ban(SOMEBODY, user=eve.member.user, room="lobby")
    two.broker.gate.set()
    assert (await eve.reply(number))["code"] == "forbidden"
    assert not eve.member.rooms


async def test_a_publication_that_is_none_of_ours_does_no_harm(workers: list[Worker]) -> None:
    """Whatever others publish there."""
    _, two = workers
    for data in (b"", b"x", b"hold 1 2 3\n{}", b"hold a b c\n[]\nk", b"\xff\n\n", b"lift 0 1\n[]"):
        two.moderation.hear(data)
    assert len(two.moderation.sanctions) == 0


async def test_a_room_holds_a_bounded_number(workers: list[Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    """So that one room's moderators do not use up what is there for all; those that hold can be renewed."""
    monkeypatch.setattr("app.moderation.HELD_PER_ROOM", 2)
    one, _ = workers
    for user in ("u1", "u2", "u2"):
        await one.moderation.ban(SOMEBODY, user=user, room="lobby")
    with pytest.raises(Forbidden):
        await one.moderation.ban(SOMEBODY, user="u3", room="lobby")
    await one.moderation.ban(SOMEBODY, user="u3", room="other")
    with pytest.raises(BadRequest):
        await one.moderation.ban(SOMEBODY, user="", room="other")


def test_a_sanction_is_small_on_the_wire() -> None:
    """It is kept as an array, without names of fields."""
    from app.backplane.moderation import _encode

    assert json.loads(_encode(Sanction(BAN, "r", "u")))[:3] == ["ban", "r", "u"]
