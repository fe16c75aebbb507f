"""What a worker missed, what happens meanwhile, and how much is held."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from app.backplane.moderation import Done
from app.errors import BadRequest, Forbidden, Unavailable
from app.limits import Rate
from app.sanctions import BAN, Sanction
from app.signin import Signin
from app.tokens import Expected, shared_keys
from tests.fakes.broker import MemoryStore
from tests.fakes.sent import running
from tests.fakes.worker import Worker
from tests.support import until_async
from tests.unit.moderation.people import SECRET, SOMEBODY, guest, moderator, signed_in, told


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


async def test_a_worker_knows_what_it_has_done_before_it_is_published(workers: list[Worker]) -> None:
    """Whoever is told that it is done finds it so there at once; the publication then does nothing again."""
    one, _ = workers
    mod, eve = await moderator(one), await guest(one, "lobby")
    user = eve.member.user
    for worker in workers:
        worker.subscriber.late = True
    await mod.ask("mute", room="lobby", user=user, seconds=60)
    assert [held["kind"] for held in (await mod.ask("moderation", room="lobby"))["held"]] == ["mute"]
    assert (await eve.ask("send", room="lobby", cid="a", text="x"))["code"] == "muted"
    assert (await mod.ask("unmute", room="lobby", user=user))["was"]
    assert (await eve.ask("send", room="lobby", cid="a", text="x"))["type"] == "ack"
    await mod.ask("ban", room="lobby", user=user)
    assert (await eve.ask("join", room="lobby"))["code"] == "forbidden"
    assert (await mod.ask("unban", room="lobby", user=user))["was"]
    assert (await eve.ask("join", room="lobby"))["type"] == "joined"
    assert (await mod.ask("moderation", room="lobby"))["held"] == []
    actions = [push["action"] for push in told(eve, "moderated")]
    for worker in workers:
        worker.subscriber.arrive()
    assert [push["action"] for push in told(eve, "moderated")] == actions == ["mute", "unmute", "ban"]
    assert (len(told(eve, "left")), eve.member.joined("lobby") is not None) == (1, True)
    assert all(worker.moderation.sanctions.version == one.deeds.kept.version for worker in workers)


async def test_a_worker_knows_what_others_did_before_its_own_deed(workers: list[Worker]) -> None:
    """What it has not heard yet it reads: the ban that it ends, and the one that holds beside."""
    one, two = workers
    eve = await guest(two, "lobby")
    two.subscriber.late = True
    await one.moderation.ban(SOMEBODY, user=eve.member.user, room="lobby")
    await one.moderation.ban(SOMEBODY, user="u2", room="lobby")
    assert (await two.moderation.unban(SOMEBODY, user=eve.member.user, room="lobby")).changed == 1
    assert [held.sanction.user for held in two.moderation.held("lobby")] == ["u2"]
    two.subscriber.arrive()
    assert [held.sanction.user for held in two.moderation.held("lobby")] == ["u2"]
    assert eve.member.joined("lobby") is not None


async def test_what_cannot_be_read_after_a_deed_is_read_soon(workers: list[Worker]) -> None:
    """The deed is done and said to be; what others did before it is found by the version."""
    one, two = workers
    two.subscriber.late = True
    await one.moderation.ban(SOMEBODY, user="u2")
    impose = two.deeds.impose

    async def last(sanction: Sanction, seconds: float) -> Done:
        done = await impose(sanction, seconds)
        two.deeds.failure = Unavailable("away")
        return done

    two.deeds.impose = last  # type: ignore[method-assign]
    assert (await two.moderation.ban(SOMEBODY, user="u3")).changed == 1
    assert two.moderation.held("") == []
    two.deeds.failure = None
    async with running(two.moderation.run()):
        await until_async(lambda: len(two.moderation.held("")) == 2, "both are known")


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


async def test_a_moderator_of_many_rooms_does_not_use_up_what_the_others_need(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So much is one's own share; those who moderate everywhere have none, and others go on."""
    monkeypatch.setattr("app.moderation.HELD_PER_AUTHOR", 2)
    one, two = workers
    mod, other = await moderator(one, **{"team-*": "moderate"}), await signed_in(two, "o", rooms={"club": "moderate"})
    for number in range(2):
        assert (await mod.ask("mute", room=f"team-{number}", user="u", seconds=0))["type"] == "mute"
    refused = await mod.ask("mute", room="team-2", user="u", seconds=0)
    assert (refused["code"], refused["temporary"]) == ("forbidden", False)
    assert (await mod.ask("mute", room="team-1", user="u", seconds=60))["type"] == "mute"
    assert (await other.ask("mute", room="club", user="u", seconds=0))["type"] == "mute"
    head = await signed_in(two, "head", rooms={"*": "moderate"})
    for number in range(3):
        assert (await head.ask("mute", room=f"team-{number + 3}", user="u", seconds=0))["type"] == "mute"
    await mod.ask("unmute", room="team-0", user="u")
    assert (await mod.ask("mute", room="team-2", user="u", seconds=0))["type"] == "mute"


async def test_what_moderators_do_and_their_lists_are_counted_by_user() -> None:
    """Over all connections; each has a rate."""
    rates = {"sends": Rate(1, 4), "lists": Rate(1, 2), "requests": Rate(1e6, 1e6)}
    worker = Worker(MemoryStore(), signin=Signin(shared_keys([SECRET]), Expected()), rates=rates)
    tabs = [await moderator(worker), await moderator(worker)]
    answers = [await tabs[number % 2].ask("mute", room="lobby", user="u", seconds=1) for number in range(5)]
    assert [answer["type"] for answer in answers] == ["mute"] * 4 + ["error"]
    assert (answers[4]["code"], answers[4]["temporary"]) == ("rate_limited", True)
    lists = [await tabs[number % 2].ask("moderation", room="lobby") for number in range(4)]
    assert "rate_limited" in [answer.get("code") for answer in lists]
    assert (await tabs[0].ask("ping"))["type"] == "pong"


def test_a_sanction_is_small_on_the_wire() -> None:
    """It is kept as an array, without names of fields."""
    from app.backplane.moderation import _encode

    assert json.loads(_encode(Sanction(BAN, "r", "u")))[:3] == ["ban", "r", "u"]
