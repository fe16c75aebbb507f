"""Edits, deletions, reactions and topics against a real server with two workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from app.backplane import keys
from app.client import Client, Refused, Tuning
from tests.contract.engines import witness
from tests.support import Peer, Server, Valkey, until_async

HEART = "\u2764\ufe0f"


@pytest.fixture
def url(shared_server: Server) -> str:
    """Where the websocket is."""
    return shared_server.ws


async def on_each_worker(url: str, name: str) -> list[Peer]:
    """A peer on each of the two workers."""
    peers: dict[str, Peer] = {}
    while len(peers) < 2:
        peer = await Peer.open(url, name)
        if peers.setdefault(peer.welcome["node"], peer) is not peer:
            await peer.close()
    return list(peers.values())


async def test_amendments_reach_the_members_of_all_workers_in_one_order(url: str, room: str) -> None:
    """What one worker's member changes, those of the other are told, and a later page has it folded in."""
    ada, bob = await on_each_worker(url, "Ada")
    for peer in (ada, bob):
        await peer.ask("join", room=room)
    await ada.ask("send", room=room, cid="s1", text="helo")
    await bob.ask("send", room=room, cid="s1", text="secret")
    edited = await ada.ask("edit", room=room, cid="e1", seq=1, text="hello")
    await bob.ask("react", room=room, cid="r1", seq=1, emoji=HEART)
    await ada.ask("topic", room=room, cid="t1", topic="Greetings")
    await bob.ask("delete", room=room, cid="d1", seq=2)
    events: list[list[dict]] = []
    for peer in (ada, bob):
        mine: list[dict] = []
        while not mine or mine[-1]["seq"] < 6:
            push = peer.pushes.pop(0) if peer.pushes else await peer.receive()
            if push["type"] != "presence":
                mine.append(push)
        events.append(mine)
    assert events[0] == events[1]
    assert [event["type"] for event in events[0]] == ["message", "message", "edited", "reacted", "topic", "deleted"]
    for fresh in await on_each_worker(url, "Eve"):
        joined = await fresh.ask("join", room=room)
        history = await fresh.ask("history", room=room, after=0)
        assert joined["topic"] == "Greetings"
        assert joined["messages"] == history["messages"]
        one, two = joined["messages"][:2]
        assert (one["text"], one["edited"], one["edit"]) == ("hello", edited["ts"], 3)
        assert one["reactions"] == [{"emoji": HEART, "users": [bob.welcome["user"]]}]
        assert (two["text"], two["deleted"]) == ("", True)
        await fresh.close()
    since = {"epoch": joined["epoch"], "seq": 1, "mid": one["mid"]}
    resumed = await (eve := await Peer.open(url, "Eve")).ask("join", room=room, since=since)
    assert (resumed["recovered"], resumed["messages"]) == (True, joined["messages"][1:])
    for peer in (ada, bob, eve):
        await peer.close()


async def test_another_users_message_is_left_alone(url: str, room: str) -> None:
    """Forbidden; a target that is none is a bad request; both for good."""
    ada, bob = await on_each_worker(url, "Ada")
    for peer in (ada, bob):
        await peer.ask("join", room=room)
    await ada.ask("send", room=room, cid="s1", text="mine")
    for type_, more in (("edit", {"text": "x"}), ("delete", {})):
        error = await bob.ask(type_, room=room, cid="x1", seq=1, **more)
        assert (error["code"], error["temporary"]) == ("forbidden", False)
    assert (await bob.ask("delete", room=room, cid="x1", seq=5))["code"] == "unknown_message"
    retry = await ada.ask("delete", room=room, cid="d1", seq=1)
    assert (await ada.ask("delete", room=room, cid="d1", seq=1)) | {"id": 0} == retry | {"id": 0, "dup": True}
    assert (await ada.ask("delete", room=room, cid="d2", seq=1))["code"] == "bad_request"
    await ada.close()
    await bob.close()


async def test_a_deleted_text_is_gone_from_redis(url: str, valkey: Valkey, room: str) -> None:
    """No key of the room has it, not even the event of an edit."""
    ada = await Peer.open(url, "Ada")
    await ada.ask("join", room=room)
    await ada.ask("send", room=room, cid="s1", text="needle one")
    await ada.ask("edit", room=room, cid="e1", seq=1, text="needle two")
    with witness(valkey.url) as client:

        def everything() -> bytes:
            names = [name for name in client.keys("*") if room.encode() in name]
            return b"".join(client.dump(name) for name in names) + b"".join(client.lrange(keys.log(room), 0, -1))

        assert b"needle two" in everything()
        await ada.ask("delete", room=room, cid="d1", seq=1)
        assert b"needle" not in everything()
    await ada.close()


@pytest.mark.parametrize("tail", [True, False], ids=["tail lost", "all lost"])
async def test_what_was_meant_for_a_lost_message_reaches_no_other(
    server: Callable[..., Server], forgetful_valkey: Valkey, room: str, tail: bool
) -> None:
    """Redis comes back without the message while its edit waits; who has the seq now keeps what it said."""
    here = server(redis_url=forgetful_valkey.url)
    tuning = Tuning(base_seconds=0.05, cap_seconds=0.1)
    async with Client(here.ws, name="Ada", tuning=tuning) as ada, Client(here.ws, name="Bob", tuning=tuning) as bob:
        for client in (ada, bob):
            await client.join(room)
        if tail:
            await bob.send(room, "kept")
            assert forgetful_valkey.command("SAVE") == "+OK"
        mine, his = await ada.send(room, "lost"), await bob.send(room, "lost as well")
        await until_async(lambda: ada.rooms[room].timeline.get(his.seq), "both have come")
        ada.cut(away_seconds=2)
        await until_async(lambda: ada.state == "waiting", "she is away")
        meant = [
            asyncio.create_task(ada.edit(room, mine.seq, "changed")),
            asyncio.create_task(ada.react(room, his.seq, HEART)),
            asyncio.create_task(ada.delete(room, mine.seq)),
        ]
        await asyncio.to_thread(forgetful_valkey.kill)
        await asyncio.to_thread(forgetful_valkey.start)
        async with Client(here.ws, guest=ada.guest, name="Ada", tuning=tuning) as phone:
            await phone.join(room)
            first = await phone.send(room, "lunch at 12")
            second = await bob.send(room, "great news")
            assert (first.seq, second.seq) == (mine.seq, his.seq)
            for task in meant:
                with pytest.raises(Refused, match="no such message"):
                    await asyncio.wait_for(task, 20)
            page = (await phone.history(room, after=first.seq - 1))["messages"]
            assert [(event["seq"], event["text"]) for event in page] == [
                (first.seq, "lunch at 12"),
                (second.seq, "great news"),
            ]
            assert not any("reactions" in event or "edited" in event for event in page)
