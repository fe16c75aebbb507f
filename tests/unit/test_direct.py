"""Direct rooms and mentions through workers that share a store."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.direct import AGAIN_SECONDS, TRIES
from app.errors import Unavailable
from app.protocol.names import direct_handles, direct_room, handle, room_name
from tests.fakes.worker import Visitor, Worker
from tests.support import until_async

_cids = itertools.count(1)


async def say(visitor: Visitor, room: str, text: str = "hi", **more: Any) -> dict[str, Any]:
    """Send a message; its ack."""
    return await visitor.ask("send", room=room, text=text, **{"cid": f"k{next(_cids)}"} | more)


def told(visitor: Visitor, type_: str) -> list[dict[str, Any]]:
    """What a visitor was told without asking, of one type."""
    return [push for push in visitor.pushes if push["type"] == type_]


async def two_workers() -> tuple[Worker, Worker, Visitor, Visitor]:
    """Ada on one worker, Bob on another."""
    here = Worker()
    there = Worker(here.store)
    return here, there, await here.visitor("Ada"), await there.visitor("Bob")


# Direct rooms


def test_the_name_of_a_direct_room_says_whose_it_is() -> None:
    """The same from both sides, a valid name, for any user id there can be."""
    users = ["u1", "g7Hd-_x", "\u00fc" * 255, 'a"b{}\n', "", "\ud800"]
    for one, other in itertools.combinations(users, 2):
        room = direct_room(handle(one), handle(other))
        assert room == direct_room(handle(other), handle(one)) == room_name(room)
        assert set(direct_handles(room) or ()) == {handle(one), handle(other)}
    assert len({direct_room(handle(a), handle(b)) for a, b in itertools.combinations(users, 2)}) == 15


@pytest.mark.parametrize(
    "name", ["dm:", "dm:x", "dm:" + "a" * 16, f"dm:{'b' * 16}.{'a' * 16}", f"dm:{'a' * 16}.{'a' * 16}"]
)
def test_a_name_that_only_looks_like_a_direct_room_is_nobodys(name: str) -> None:
    """Not in order, too short, twice the same."""
    assert direct_handles(name) == ("", "")
    assert direct_handles("dm") is None
    assert direct_handles("DM:x") is None


async def test_a_direct_room_is_opened_by_either_and_joined_by_nobody_else() -> None:
    """The name does not help a third one, nor do names of its kind that are nobody's."""
    here, _, ada, bob = await two_workers()
    mine = await ada.ask("direct", user=bob.member.user)
    theirs = await bob.ask("direct", user=ada.member.user)
    room = mine["room"]
    assert theirs["room"] == room
    assert theirs["with"]["user"] == ada.member.user
    eve = await here.visitor("Eve")
    for name in (room, "dm:x", "dm:", f"dm:{handle('x')}.{handle('y')}"):
        assert (await eve.ask("join", room=name))["code"] == "forbidden"
        assert (await eve.ask("join", room=name, since={"epoch": "e", "seq": 0, "mid": ""}))["code"] == "forbidden"
        assert (await eve.ask("history", room=name))["code"] == "not_joined"
        assert (await say(eve, name))["code"] == "not_joined"
    for visitor in (ada, bob):
        assert (await visitor.ask("join", room=room))["type"] == "joined"
    await say(ada, room, "between us")
    await until_async(lambda: told(bob, "message"), "it arrives")
    assert (await ada.ask("topic", room=room, cid="t", topic="x"))["code"] == "forbidden"
    assert (await ada.ask("direct", user=ada.member.user))["code"] == "bad_request"


async def test_the_other_one_learns_of_a_direct_room_with_its_first_message() -> None:
    """On all connections, once; of each message where the room is not joined; and it is kept."""
    here, _, ada, bob = await two_workers()
    room = (await ada.ask("direct", user=bob.member.user))["room"]
    await ada.ask("join", room=room)
    assert told(bob, "direct") == []
    seqs = [(await say(ada, room))["seq"] for _ in range(3)]
    await until_async(lambda: len(told(bob, "mentioned")) == 3, "Bob is told")
    person = {"user": ada.member.user, "name": "Ada"}
    assert told(bob, "direct") == [{"type": "direct", "room": room, "with": person}]
    assert [(push["room"], push["seq"], push["name"]) for push in told(bob, "mentioned")] == [
        (room, seq, "Ada") for seq in seqs
    ]
    await bob.ask("join", room=room)
    await say(ada, room)
    await say(bob, room)
    await until_async(lambda: len(told(ada, "message")) == 5, "all arrive")
    assert len(told(bob, "mentioned")) == 3
    assert [push["with"]["name"] for push in told(ada, "direct")] == ["Bob"]
    assert told(ada, "mentioned") == []
    assert {who: set(rooms) for who, rooms in here.store.directs.items()} == {
        ada.member.handle: {room},
        bob.member.handle: {room},
    }
    assert here.store.directs[ada.member.handle][room].name == "Bob"


async def test_the_name_of_the_other_one_is_found_where_it_is_known() -> None:
    """Connected here, in a room that is joined, met before; else it is the id."""
    here, _, ada, bob = await two_workers()
    assert (await ada.ask("direct", user=bob.member.user))["with"]["name"] == bob.member.user
    room = (await bob.ask("direct", user=ada.member.user))["room"]
    await bob.ask("join", room=room)
    await say(bob, room)
    await until_async(lambda: told(ada, "direct"), "Ada is told")
    assert (await ada.ask("direct", user=bob.member.user))["with"] == {"user": bob.member.user, "name": "Bob"}
    eve = await here.visitor("Eve")
    assert (await ada.ask("direct", user=eve.member.user))["with"]["name"] == "Eve"


async def test_a_direct_room_that_redis_did_not_confirm_is_noted_again() -> None:
    """Until it is: the other one would not know of the message."""
    here, _, ada, bob = await two_workers()
    room = (await ada.ask("direct", user=bob.member.user))["room"]
    await ada.ask("join", room=room)
    here.personal.failure = Unavailable("away")
    await say(ada, room)
    for _ in range(3):
        here.later(AGAIN_SECONDS)
    assert told(bob, "direct") == []
    here.personal.failure = None
    here.later(AGAIN_SECONDS)
    await until_async(lambda: told(bob, "direct"), "Bob is told")
    here.later(AGAIN_SECONDS)
    here.later(AGAIN_SECONDS)
    assert len(told(bob, "direct")) == len(told(bob, "mentioned")) == 1


async def test_each_message_that_redis_did_not_confirm_is_told_when_it_is_back() -> None:
    """Also where several of one room wait: a later one does not take the place of those before it."""
    here, _, ada, bob = await two_workers()
    room = (await ada.ask("direct", user=bob.member.user))["room"]
    await ada.ask("join", room=room)
    here.personal.failure = Unavailable("away")
    seqs = [(await say(ada, room))["seq"] for _ in range(3)]
    await ada.ask("direct", user=bob.member.user)
    here.later(AGAIN_SECONDS)
    here.personal.failure = None
    here.later(AGAIN_SECONDS)
    await until_async(lambda: len(told(bob, "mentioned")) == 3, "Bob is told")
    assert ([push["seq"] for push in told(bob, "mentioned")], len(told(bob, "direct"))) == (seqs, 1)


async def test_only_so_much_waits_to_be_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes then is given up, and so is what Redis did not take for long; the log says so."""
    monkeypatch.setattr("app.direct.WAITING_MAX", 2)
    here, _, ada, bob = await two_workers()
    room = (await ada.ask("direct", user=bob.member.user))["room"]
    await ada.ask("join", room=room)
    here.personal.failure = Unavailable("away")

    def waiting() -> int:
        return sum(kind == "direct" for _, kind in here.deadlines._due)

    with capture_logs() as lines:
        for _ in range(3):
            await say(ada, room)
        assert (waiting(), len(lines)) == (2, 2)
        for _ in range(TRIES):
            here.later(AGAIN_SECONDS)
        assert (waiting(), len(lines)) == (0, 4)
    assert {line["event"] for line in lines} == {"somebody is not told of a direct room"}


async def test_who_writes_in_a_direct_room_keeps_it() -> None:
    """It is the writer's own from the first message on; the next ones cost nothing more for a minute."""
    here, _, ada, bob = await two_workers()
    room = (await ada.ask("direct", user=bob.member.user))["room"]
    await ada.ask("join", room=room)
    await say(ada, room)
    await bob.ask("join", room=room)
    assert room not in here.store.own_directs.get(bob.member.handle, set())
    for _ in range(3):
        await say(bob, room)
    await until_async(lambda: room in here.store.own_directs[bob.member.handle], "it is noted")
    here.store.own_directs[bob.member.handle].clear()
    await say(bob, room)
    assert not here.store.own_directs[bob.member.handle]


# Mentions


async def test_a_message_says_who_is_meant_and_tells_those_elsewhere() -> None:
    """Whoever is in the room by name; the event has the users; connections in the room need no telling."""
    here, there, ada, bob = await two_workers()
    grace = await here.visitor("Grace")
    for visitor in (ada, grace):
        await visitor.ask("join", room="r")
    token = next(message["guest"] for message in grace.heard if message["type"] == "welcome")
    elsewhere = await there.visitor("Grace", guest=token)
    sent = await say(ada, "r", "@Grace, @Nobody and @Ada: look")
    await until_async(lambda: told(elsewhere, "mentioned"), "Grace is told")
    assert told(elsewhere, "mentioned") == [
        {"type": "mentioned", "room": "r", "seq": sent["seq"], "user": ada.member.user, "name": "Ada"}
    ]
    event = told(grace, "message")[-1]
    assert event["mentions"] == [grace.member.user, ada.member.user]
    assert told(grace, "mentioned") == told(ada, "mentioned") == told(bob, "mentioned") == []
    await say(ada, "r", "nobody at all @")
    await until_async(lambda: len(told(grace, "message")) == 2, "it arrives")
    assert "mentions" not in told(grace, "message")[-1]


async def test_a_message_sent_again_mentions_once() -> None:
    """A retry is no new message."""
    here, there, ada, _ = await two_workers()
    grace = await here.visitor("Grace")
    await ada.ask("join", room="r")
    await grace.ask("join", room="r")
    token = next(message["guest"] for message in grace.heard if message["type"] == "welcome")
    elsewhere = await there.visitor("Grace", guest=token)
    for dup in (False, True):
        assert (await say(ada, "r", "@Grace", cid="same"))["dup"] is dup
    assert len(told(elsewhere, "mentioned")) == 1


async def test_an_edit_changes_who_is_meant() -> None:
    """The message has those of its present text; nobody is told again."""
    here, _, ada, _ = await two_workers()
    grace = await here.visitor("Grace")
    for visitor in (ada, grace):
        await visitor.ask("join", room="r")
    await say(ada, "r", "@Ada")
    await ada.ask("edit", room="r", cid="e1", seq=1, text="@Grace")
    await until_async(lambda: told(grace, "edited"), "it arrives")
    assert told(grace, "edited")[0]["mentions"] == [grace.member.user]
    page = await grace.ask("history", room="r")
    assert page["messages"][0]["mentions"] == [grace.member.user]
    await ada.ask("edit", room="r", cid="e2", seq=1, text="nobody")
    page = await grace.ask("history", room="r")
    assert "mentions" not in page["messages"][0]
    assert page["messages"][1]["type"] == "superseded"
    assert told(grace, "mentioned") == []


@pytest.mark.parametrize("crowd", [0, 6])
async def test_who_has_written_is_meant_though_away(crowd: int) -> None:
    """On every worker, those that open the room later too, and where people are only counted; by an edit as well."""
    here, there, ada, bob = await two_workers()
    for visitor in (ada, bob, *[await here.visitor(f"g{number}") for number in range(crowd)]):
        await visitor.ask("join", room="r")
    await say(bob, "r", "back soon")
    await until_async(lambda: told(ada, "message"), "it arrives")
    await bob.ask("leave", room="r")
    for worker in (here, there):
        await worker.presence.sweep()
    assert bob.member.user not in here.presence.people("r")
    grace = await Worker(here.store).visitor("Grace")
    await grace.ask("join", room="r")
    for visitor in (ada, grace):
        sent = await say(visitor, "r", "@Bob please look")
        await until_async(lambda visitor=visitor, sent=sent: sent["seq"] in visitor.seqs, "it arrives")
        assert told(visitor, "message")[-1]["mentions"] == [bob.member.user]
    await until_async(lambda: len(told(bob, "mentioned")) == 2, "Bob is told elsewhere")
    seq = (await say(ada, "r", "nobody"))["seq"]
    await ada.ask("edit", room="r", cid="e1", seq=seq, text="@Bob after all")
    await until_async(lambda: told(ada, "edited"), "it arrives")
    assert told(ada, "edited")[0]["mentions"] == [bob.member.user]
