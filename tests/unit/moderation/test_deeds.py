"""Kick, mute and ban at workers: who may, and what it means for those concerned."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.errors import Forbidden, NotConfirmed, ParleyError
from tests.fakes.worker import WRITES, Visitor, Worker
from tests.support import until_async
from tests.unit.moderation.people import SOMEBODY, guest, moderator, signed_in, token_of, told


async def test_whoever_is_kicked_is_out_of_the_room_on_every_worker(workers: list[Worker]) -> None:
    """It is told why, nobody sees it there any more, other rooms go on, and it may come back."""
    one, two = workers
    mod, eve = await moderator(one), await guest(two, "lobby", "other")
    reply = await mod.ask("kick", room="lobby", user=eve.member.user, reason="be nice")
    assert reply == {"type": "kick", "id": mod.last, "user": eve.member.user, "room": "lobby"}
    assert told(eve, "moderated") == [{"type": "moderated", "action": "kick", "room": "lobby", "reason": "be nice"}]
    assert told(eve, "left") == [{"type": "left", "room": "lobby", "reason": "kicked"}]
    assert two.presence.people("lobby") == {}
    assert (await eve.ask("send", room="lobby", cid="a", text="x"))["code"] == "not_joined"
    assert (await eve.ask("send", room="other", cid="b", text="x"))["type"] == "ack"
    assert (await eve.ask("join", room="lobby"))["type"] == "joined"
    assert eve.code is None


async def test_whoever_is_kicked_from_the_server_is_cut(workers: list[Worker]) -> None:
    """With 4503, all its connections, and nobody sees it anywhere."""
    one, two = workers
    mod, eve = await moderator(one, **{"*": "moderate"}), await guest(two, "lobby", "other")
    tab = two.connect()
    await tab.ask("hello", guest=token_of(eve))
    assert (await mod.ask("kick", user=eve.member.user))["type"] == "kick"
    assert (eve.code, tab.code) == (4503, 4503)
    assert [two.presence.people(room) for room in ("lobby", "other")] == [{}, {}]


async def test_whoever_is_muted_writes_nothing_until_it_is_over(workers: list[Worker]) -> None:
    """In no way, and in that room alone; the answer says how long. Others are not concerned."""
    one, two = workers
    mod, eve = await moderator(one), await guest(two, "lobby", "other")
    await mod.ask("join", room="lobby")
    await eve.ask("send", room="lobby", cid="a", text="x")
    reply = await mod.ask("mute", room="lobby", user=eve.member.user, seconds=60, reason="enough")
    assert reply["type"] == "mute"
    (push,) = told(eve, "moderated")
    assert (push["action"], push["room"], push["reason"]) == ("mute", "lobby", "enough")
    assert 59 < push["seconds"] <= 60
    for type_, fields in WRITES.items():
        refused = await eve.ask(type_, room="lobby", cid="b", **fields)
        assert (refused["code"], refused["temporary"]) == ("muted", False), type_
        assert 59 < refused["retry"] <= 60
    eve.say("typing", room="lobby")
    two.presence.typists.sweep(busy=False)
    assert told(eve, "typing") == []
    assert (await eve.ask("send", room="other", cid="c", text="x"))["type"] == "ack"
    assert (await mod.ask("send", room="lobby", cid="a", text="x"))["type"] == "ack"
    one.clock.pass_(61), two.clock.pass_(61)
    assert (await eve.ask("send", room="lobby", cid="d", text="x"))["type"] == "ack"


async def test_a_join_tells_what_one_may(workers: list[Worker]) -> None:
    """And for how long one is muted."""
    one, two = workers
    mod, eve = await moderator(one), await guest(two)
    reader = await signed_in(two, "reader", rooms={"lobby": "read"})
    assert (await mod.ask("join", room="lobby"))["rights"] == ["read", "write", "moderate"]
    assert (await reader.ask("join", room="lobby"))["rights"] == ["read"]
    await mod.ask("mute", room="lobby", user=eve.member.user, seconds=60)
    joined = await eve.ask("join", room="lobby")
    assert joined["rights"] == ["read", "write"]
    assert 59 < joined["muted"] <= 60
    assert "muted" not in await eve.ask("join", room="other")


async def test_a_mute_can_be_ended(workers: list[Worker]) -> None:
    """The user is told, and writes again; ending it again ends nothing."""
    one, two = workers
    mod, eve = await moderator(one), await guest(two, "lobby")
    await mod.ask("mute", room="lobby", user=eve.member.user, seconds=0)
    assert "retry" not in await eve.ask("send", room="lobby", cid="a", text="x")
    assert [(await mod.ask("unmute", room="lobby", user=eve.member.user))["was"] for _ in range(2)] == [True, False]
    assert told(eve, "moderated")[1:] == [{"type": "moderated", "action": "unmute", "room": "lobby"}]
    assert (await eve.ask("send", room="lobby", cid="a", text="x"))["type"] == "ack"


async def test_a_mute_for_everywhere_holds_in_direct_rooms_too(workers: list[Worker]) -> None:
    """And comes from who moderates everywhere alone."""
    one, two = workers
    mod, eve = await moderator(one, **{"*": "moderate"}), await guest(two, "lobby")
    assert (await mod.ask("mute", user=eve.member.user, seconds=60))["type"] == "mute"
    direct = (await eve.ask("direct", user=mod.member.user))["room"]
    await eve.ask("join", room=direct)
    for room in ("lobby", direct):
        assert (await eve.ask("send", room=room, cid="a", text="x"))["code"] == "muted"
    assert (await mod.ask("mute", room=direct, user=eve.member.user, seconds=60))["code"] == "forbidden"


async def test_whoever_is_banned_from_a_room_stays_out_of_it(workers: list[Worker]) -> None:
    """It is told so, also on another connection, and does not find the room listed; in other rooms nothing changes."""
    one, two = workers
    mod, eve = await moderator(one), await guest(two, "lobby", "other")
    await eve.ask("send", room="lobby", cid="a", text="x")
    two.directory.write()
    reply = await mod.ask("ban", room="lobby", user=eve.member.user, seconds=60, reason="spam")
    assert reply["type"] == "ban"
    assert told(eve, "moderated")[0]["action"] == "ban"
    assert told(eve, "left") == [{"type": "left", "room": "lobby", "reason": "banned"}]
    refused = await eve.ask("join", room="lobby")
    assert refused["code"] == "forbidden"
    assert 59 < refused["retry"] <= 60
    assert "lobby" not in [entry["room"] for entry in (await eve.ask("rooms"))["rooms"]]
    assert (await eve.ask("send", room="other", cid="b", text="x"))["type"] == "ack"
    one.clock.pass_(61), two.clock.pass_(61)
    assert (await eve.ask("join", room="lobby"))["type"] == "joined"


async def test_whoever_is_banned_from_the_server_does_not_come_in_again(workers: list[Worker]) -> None:
    """4504 at once, and at every hello with its guest token, until the ban is ended."""
    one, two = workers
    mod, eve = await moderator(one, **{"*": "moderate"}), await guest(two, "lobby")
    token = token_of(eve)
    await mod.ask("ban", user=eve.member.user)
    assert eve.code == 4504
    assert two.presence.people("lobby") == {}
    again = one.connect()
    assert (await again.ask("hello", guest=token))["code"] == "forbidden"
    assert again.code == 4504
    assert (await mod.ask("unban", user=eve.member.user))["was"]
    assert (await one.connect().ask("hello", guest=token))["type"] == "welcome"


async def test_a_banned_address_is_kept_out_with_whoever_comes_from_it(workers: list[Worker]) -> None:
    """Those here are cut; others of the network too, if it was one; those elsewhere are not concerned."""
    one, two = workers
    mod = await moderator(one, **{"*": "moderate"})
    eve, bob, far = [await guest(two, "lobby", address=f"203.0.113.{host}") for host in (7, 8, 200)]
    await mod.ask("ban", address="203.0.113.7")
    await two.idle()
    assert (eve.code, bob.code) == (4504, None)
    await mod.ask("ban", address="203.0.113.0/25", room="lobby")
    await two.idle()
    assert (bob.code, far.code) == (None, None)
    assert told(bob, "left") == [{"type": "left", "room": "lobby", "reason": "banned"}]
    assert told(far, "left") == []
    stranger = two.connect()
    stranger.connection.address = "203.0.113.7"
    assert (await stranger.ask("hello", name="New"))["code"] == "forbidden"
    assert stranger.code == 4504
    assert not two.commands.may_feed("feed", "203.0.113.7")
    assert [two.commands.may_feed(room, "203.0.113.8") for room in ("lobby", "other")] == [False, True]


async def test_a_ban_takes_the_addresses_along_if_wanted(workers: list[Worker]) -> None:
    """Of all connections on all workers; ending it ends those. Who moderates a room does not see them."""
    one, two = workers
    mod, head = await moderator(one), await signed_in(one, "head", rooms={"*": "moderate"})
    eve = await guest(two, "lobby", address="203.0.113.7")
    tab = one.connect()
    tab.connection.address = "2001:db8::7"
    await tab.ask("hello", guest=token_of(eve))
    await mod.ask("ban", room="lobby", user=eve.member.user, addresses=True)
    await until_async(lambda: len(one.moderation.held("lobby")) == 3, "all are banned")
    new = await guest(one, "other", address="2001:db8::8")
    assert (await new.ask("join", room="lobby"))["code"] == "forbidden"
    listed = {
        who: {entry.get("address", "") for entry in (await who.ask("moderation", room="lobby"))["held"]}
        for who in (mod, head)
    }
    assert list(listed.values()) == [{""}, {"", "203.0.113.7/32", "2001:db8::/64"}]
    assert (await mod.ask("ban", room="lobby", address="203.0.113.7"))["code"] == "forbidden"
    await mod.ask("unban", room="lobby", user=eve.member.user)
    assert one.moderation.held("lobby") == two.moderation.held("lobby") == []
    assert (await new.ask("join", room="lobby"))["type"] == "joined"


async def test_addresses_are_banned_with_a_user_when_redis_is_back(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, as long as the user's ban holds; who asked is told that it will be so."""
    monkeypatch.setattr("app.moderation.SPREAD_SECONDS", 0)
    monkeypatch.setattr("app.moderation.SPREAD_TRIES", 10**9)
    one, two = workers
    head = await moderator(one, **{"*": "moderate"})
    eve, bob = [await guest(two, "lobby", address=f"203.0.113.{host}") for host in (7, 8)]
    two.deeds.failure = NotConfirmed("away")
    assert (await head.ask("ban", room="lobby", user=eve.member.user, addresses=True))["type"] == "ban"
    await until_async(lambda: two.counters.sanctions_imposed > 2, "it has been tried")
    two.deeds.failure = None
    await until_async(lambda: len(one.moderation.held("lobby")) == 2, "the address is banned")
    two.deeds.failure = NotConfirmed("away")
    await head.ask("ban", room="lobby", user=bob.member.user, addresses=True)
    await head.ask("unban", room="lobby", user=bob.member.user)
    await two.idle()
    two.deeds.failure = None
    assert {held.sanction.user for held in one.moderation.held("lobby")} == {eve.member.user}


@pytest.mark.parametrize(
    ("failure", "code", "limit"),
    [(NotConfirmed("away"), "unavailable", ""), (Forbidden("no", limit="sanctions"), "forbidden", "sanctions")],
)
async def test_an_address_that_is_not_banned_with_its_user_is_in_the_log(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch, failure: ParleyError, code: str, limit: str
) -> None:
    """Where and why, once it is given up; not which."""
    monkeypatch.setattr("app.moderation.SPREAD_SECONDS", 0)
    one, two = workers
    head, eve = await moderator(one, **{"*": "moderate"}), await guest(two, "lobby", address="203.0.113.7")
    two.deeds.failure = failure
    with capture_logs() as lines:
        await head.ask("ban", room="lobby", user=eve.member.user, addresses=True)
        await two.idle()
    (line,) = [line for line in lines if "not banned" in line["event"]]
    assert (line["log_level"], line["room"], line["code"], line["limit"]) == ("warning", "lobby", code, limit)
    assert "203.0.113" not in str(lines)


async def foreign(worker: Worker) -> tuple[Visitor, Visitor]:
    """A moderator, and somebody else who has written a message, in a room of one worker."""
    mod, eve = await moderator(worker), await guest(worker, "lobby")
    await mod.ask("join", room="lobby")
    await eve.ask("send", room="lobby", cid="a", text="x")
    return mod, eve


async def test_a_deletion_is_written_down_when_redis_is_back(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which message, whose, by whom: though Redis did not take it at first. A worker that stops waits for that."""
    monkeypatch.setattr("app.moderating.RECORD_SECONDS", 0)
    monkeypatch.setattr("app.moderating.RECORD_TRIES", 10**9)
    one, _ = workers
    mod, eve = await foreign(one)
    one.deeds.failure = NotConfirmed("away")
    assert (await mod.ask("delete", room="lobby", cid="d", seq=1))["type"] == "ack"
    stopping = asyncio.create_task(one.commands.finish())
    await asyncio.sleep(0)
    assert not one.deeds.kept.deeds
    one.deeds.failure = None
    await stopping
    (deed,) = one.deeds.kept.deeds["lobby"]
    assert (deed.sanction.kind, deed.sanction.user, deed.sanction.by) == ("delete", eve.member.user, mod.member.user)
    assert deed.sanction.seq == 1


async def test_a_deed_that_cannot_be_written_down_is_in_the_log(
    workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is given up, and when the worker stops before that: in which room, and of which message."""
    one, _ = workers
    mod, _ = await foreign(one)
    one.deeds.failure = NotConfirmed("away")
    monkeypatch.setattr("app.moderating.FINISH_SECONDS", 0)
    for cid, tries, pause in (("d1", 3, 0), ("d2", 1, 3600)):
        monkeypatch.setattr("app.moderating.RECORD_TRIES", tries)
        monkeypatch.setattr("app.moderating.RECORD_SECONDS", pause)
        with capture_logs() as lines:
            await mod.ask("edit", room="lobby", cid=cid, seq=1, text="y")
            if not pause:
                await until_async(lambda lines=lines: lines, "it is given up")
            await one.commands.finish()
        assert [(line["event"], line["room"], line["seq"]) for line in lines] == [
            ("a deed is not written down", "lobby", 1)
        ]


async def test_nobody_bans_the_address_he_comes_from(workers: list[Worker]) -> None:
    """Behind a proxy that the server does not know of it would be everybody's; the user alone is banned then."""
    one, two = workers
    head = await moderator(one, **{"*": "moderate"})
    head.connection.address = "203.0.113.7"
    eve, bob = [await guest(two, "lobby", name=name, address="203.0.113.7") for name in ("Eve", "Bob")]
    for address in ("203.0.113.7", "203.0.113.0/24", "::ffff:203.0.113.7"):
        assert (await head.ask("ban", room="lobby", address=address))["code"] == "bad_request"
    assert (await head.ask("ban", room="lobby", user=eve.member.user, addresses=True))["type"] == "ban"
    await two.idle()
    assert len(one.moderation.held("lobby")) == 1
    assert (await bob.ask("send", room="lobby", cid="a", text="still here"))["type"] == "ack"
    assert (await head.ask("ban", room="lobby", address="203.0.113.8"))["type"] == "ban"


async def test_whoever_is_muted_does_not_seem_to_type(workers: list[Worker]) -> None:
    """What was typed before is over at once."""
    one, two = workers
    eve = await guest(two, "lobby")
    eve.say("typing", room="lobby")
    assert two.presence.typists.rooms["lobby"].people
    await one.moderation.mute(eve.member.user, 60, SOMEBODY, "lobby")
    assert not two.presence.typists.rooms["lobby"].people


async def test_only_moderators_moderate(workers: list[Worker]) -> None:
    """Of that room, or everywhere where no room is given; by a token or by the rules."""
    one, _ = workers
    eve, mod = await guest(one, "lobby"), await moderator(one)
    rule, head = await signed_in(one, "by-rule"), await moderator(one, **{"*": "moderate"})
    wide = await signed_in(one, "wide", rooms={"l*": "moderate"})
    requests: list[tuple[str, dict[str, Any]]] = [
        ("kick", {}),
        ("mute", {"seconds": 1}),
        ("unmute", {}),
        ("ban", {"seconds": 1}),
        ("unban", {}),
        ("moderation", {}),
    ]
    for type_, fields in requests:
        codes = {}
        for who, asker in {"eve": eve, "mod": mod, "rule": rule, "wide": wide, "head": head}.items():
            for room in ("lobby", "other", ""):
                answer = await asker.ask(type_, room=room, **({"user": "nobody"} | fields))
                codes[who, room] = answer.get("code", "done")
        done = {place for place, code in codes.items() if code == "done"}
        assert done == {(who, "lobby") for who in ("mod", "rule", "wide")} | {
            ("head", r) for r in ("lobby", "other", "")
        }
        assert {codes[place] for place in codes.keys() - done} == {"forbidden"}


async def test_a_moderator_who_is_muted_or_banned_does_not_moderate(workers: list[Worker]) -> None:
    """Nor end that; who moderates everywhere can. Nobody does anything to himself."""
    one, _ = workers
    mod, head = await moderator(one), await signed_in(one, "head", rooms={"*": "moderate"})
    assert (await mod.ask("ban", room="lobby", user="mod"))["code"] == "bad_request"
    await head.ask("mute", room="lobby", user="mod", seconds=60)
    assert (await mod.ask("unmute", room="lobby", user="mod"))["code"] == "muted"
    await head.ask("ban", room="lobby", user="mod")
    assert (await mod.ask("unban", room="lobby", user="mod"))["code"] == "forbidden"
    await mod.ask("unmute", room="lobby", user="mod")
    assert (await mod.ask("kick", room="lobby", user="head"))["code"] == "forbidden"
    await one.moderation.ban(SOMEBODY, user="head", room="lobby")
    assert (await head.ask("unban", room="lobby", user="head"))["was"]


async def test_who_moderates_sees_what_holds_and_who_did_what(workers: list[Worker]) -> None:
    """Of that room; with the messages of others that were edited or deleted."""
    one, two = workers
    mod, eve = await moderator(one), await guest(two, "lobby")
    await mod.ask("join", room="lobby")
    user = eve.member.user
    for number in range(3):
        await eve.ask("send", room="lobby", cid=f"c{number}", text="x")
    await mod.ask("send", room="lobby", cid="own", text="x")
    await mod.ask("mute", room="lobby", user=user, seconds=60, reason="enough")
    await mod.ask("delete", room="lobby", cid="d1", seq=2)
    await mod.ask("delete", room="lobby", cid="d2", seq=4)
    await mod.ask("edit", room="lobby", cid="d3", seq=1, text="y")
    await one.commands.finish()
    await one.moderation.ban(SOMEBODY, user="x", room="other")
    listed = await mod.ask("moderation", room="lobby")
    (held,) = listed["held"]
    assert (held["kind"], held["user"], held["reason"]) == ("mute", user, "enough")
    assert (held["by"], held["until"] - held["at"]) == ({"user": "mod", "name": "Mod"}, 60_000)
    shown = [(deed["kind"], deed["user"], deed.get("seq")) for deed in listed["deeds"]]
    assert shown == [("edit", user, 1), ("delete", user, 2), ("mute", user, None)]
    before = listed["deeds"][1]["id"]
    page = await mod.ask("moderation", room="lobby", limit=1, before=before)
    assert [deed["kind"] for deed in page["deeds"]] == ["mute"]
    assert (await mod.ask("moderation", room="lobby", before="x"))["code"] == "bad_request"


@pytest.mark.parametrize(
    ("type_", "fields"),
    [
        ("kick", {"user": ""}),
        ("kick", {"user": "a\nb"}),
        ("kick", {"user": "x" * 256}),
        ("kick", {"user": "x", "reason": "a\nb"}),
        ("kick", {"user": "x", "reason": "x" * 201}),
        ("mute", {"user": "x", "seconds": -1}),
        ("mute", {"user": "x", "seconds": 1e12}),
        ("mute", {"user": "x"}),
        ("ban", {}),
        ("ban", {"user": "x", "address": "203.0.113.7"}),
        ("ban", {"address": "0.0.0.0/0"}),
        ("ban", {"address": "somewhere"}),
        ("unban", {}),
        ("kick", {"user": "x", "room": "a b"}),
    ],
)
async def test_what_cannot_be_is_refused(workers: list[Worker], type_: str, fields: dict[str, Any]) -> None:
    """And leaves no trace."""
    one, _ = workers
    mod = await moderator(one, **{"*": "moderate"})
    assert (await mod.ask(type_, **fields))["code"] == "bad_request"
    assert (one.deeds.kept.held, one.deeds.kept.deeds) == ({}, {})
