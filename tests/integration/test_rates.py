"""How much may be sent and asked, against real servers: clients wait and go on, others are sent away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from app.client import Client
from tests.fakes.proxy import proxying
from tests.support import Peer, Server, Valkey, until_async

FLOODED, OTHER = "127.0.0.20", "127.0.0.21"
"""Addresses of this machine whose guests are counted, unlike those of 127.0.0.1."""


async def test_a_client_that_sends_too_much_waits_and_loses_nothing(server: Callable[..., Server], room: str) -> None:
    """In order and once each, as fast as the rate allows, without being sent away."""
    here = server(sends_per_second="10", burst_seconds="1")
    watcher = await Peer.open(here.ws, "Watcher")
    await watcher.ask("join", room=room)
    closed: list[int] = []
    async with Client(here.ws, name="Ada", on=lambda kind, told: _note(closed, kind, told)) as ada:
        await ada.join(room)
        acks = await asyncio.gather(*(ada.send(room, str(number)) for number in range(40)))
    assert [ack.seq for ack in acks] == list(range(1, 41))
    assert await watcher.texts(40) == [str(number) for number in range(40)]
    assert closed == []
    assert here.metric("parley_limits_hit_total", limit="sends") > 0
    await watcher.close()


async def test_pipelined_sends_keep_their_order_when_sent_again_in_it(server: Callable[..., Server], room: str) -> None:
    """What follows a refused send is refused as well, until the time named."""
    here = server(sends_per_second="20", burst_seconds="1")
    ada = await Peer.open(here.ws)
    await ada.ask("join", room=room)
    waiting = [str(number) for number in range(70)]
    while waiting:
        window = waiting[:30]
        numbers = [await ada.send("send", room=room, cid=f"c{text}", text=text) for text in window]
        answers: dict[int, dict[str, Any]] = {}
        while len(answers) < len(numbers):
            message = await ada.receive()
            if "id" in message:
                answers[message["id"]] = message
            else:
                ada.pushes.append(message)
        replies = [answers[number] for number in numbers]
        refused = [reply for reply in replies if reply["type"] == "error"]
        assert replies == [*(one for one in replies if one["type"] == "ack"), *refused]
        waiting = waiting[len(window) - len(refused) :]
        if refused:
            await asyncio.sleep(refused[0]["retry"])
    assert await ada.texts(70) == [str(number) for number in range(70)]
    await ada.close()


async def test_a_user_has_one_rate_on_all_replicas(server: Callable[..., Server], valkey: Valkey, room: str) -> None:
    """Whoever has used it up on one is refused on the other, as soon as they have told each other."""
    replicas = [server(redis_url=valkey.url, sends_per_second="1", burst_seconds="30") for _ in range(2)]
    ada = await Peer.open(replicas[0].ws)
    again = await Peer.open(replicas[1].ws, guest=ada.welcome["guest"])
    for peer in (ada, again):
        await peer.ask("join", room=room)
    for number in range(30):
        assert (await ada.ask("send", room=room, cid=f"a{number}", text="x"))["type"] == "ack"
    granted = 0
    for number in range(30):
        # A few now and then: the second replica tells of them, and hears of the first one's.
        reply = await again.ask("send", room=room, cid=f"b{number}", text="x")
        if reply["type"] == "error":
            break
        granted += 1
        await asyncio.sleep(0.2)
    assert reply["code"] == "rate_limited"
    assert granted < 15
    assert reply["retry"] >= 1
    bob = await Peer.open(replicas[1].ws, "Bob")
    await bob.ask("join", room=room)
    assert (await bob.ask("send", room=room, cid="c", text="x"))["type"] == "ack"
    for peer in (ada, again, bob):
        await peer.close()


async def test_guests_of_a_network_have_one_rate_on_all_workers_and_however_many_they_are(
    server: Callable[..., Server], valkey: Valkey, room: str
) -> None:
    """A hundred who come, say something and go store no more than the rate and a burst of each worker."""
    here = server(redis_url=valkey.url, workers=2, guest_sends_per_second="2", burst_seconds="30")
    granted, nodes, began = 0, set(), asyncio.get_running_loop().time()
    retries = []
    for number in range(100):
        guest = await Peer.open(here.ws, f"Guest {number}", FLOODED)
        nodes.add(guest.welcome["node"])
        await guest.ask("join", room=room)
        for cid in ("a", "b", "c"):
            reply = await guest.ask("send", room=room, cid=cid, text="x")
            granted += reply["type"] == "ack"
            retries += [reply["retry"]] if reply["type"] == "error" else []
        await guest.close()
    seconds = asyncio.get_running_loop().time() - began
    assert len(nodes) == 2
    assert 60 <= granted <= 2 * (60 + 2 * 2) + 2 * seconds
    assert min(retries) > 0
    for number in range(40):
        # By now both know that it has used up more than it has.
        guest = await Peer.open(here.ws, f"More {number}", FLOODED)
        await guest.ask("join", room=room)
        refused = await guest.ask("send", room=room, cid="a", text="x")
        await guest.close()
        if refused.get("retry", 0) > 5:
            break
    assert refused["code"] == "rate_limited"
    assert "from your address" in refused["message"]
    for elsewhere in (OTHER, ""):
        other = await Peer.open(here.ws, "Other", elsewhere)
        await other.ask("join", room=room)
        assert (await other.ask("send", room=room, cid="a", text="x"))["type"] == "ack"
        await other.close()
    assert await until_async(lambda: here.metric("parley_limits_hit_total", limit="guest_sends"), "it is counted")


async def test_new_guests_of_a_network_come_in_as_fast_as_that_is_allowed(
    server: Callable[..., Server], valkey: Valkey
) -> None:
    """Beyond: told when to come again, and closed so that they do. Who was here before comes in all the time."""
    here = server(redis_url=valkey.url, workers=2, guests_per_minute="10")
    known = await Peer.open(here.ws, "Known", FLOODED)
    welcomed, refused = 0, None
    for number in range(40):
        newcomer = await Peer.bare(here.ws, FLOODED)
        reply = await newcomer.ask("hello", name=f"New {number}")
        if reply["type"] == "error":
            refused = reply
            assert (reply["code"], reply["temporary"], reply["retry"] >= 1) == ("rate_limited", True, True)
            assert await newcomer.closed() == 1013
        else:
            welcomed += 1
            await newcomer.close()
    assert refused is not None
    assert 9 <= welcomed < 30
    for peer in [known, *[await Peer.open(here.ws, "", FLOODED, guest=known.welcome["guest"]) for _ in range(10)]]:
        await peer.close()
    await (await Peer.open(here.ws, "Other", OTHER)).close()
    assert await until_async(lambda: here.metric("parley_limits_hit_total", limit="guests"), "it is counted")
    (line,) = {line["address"] for line in here.logged() if line["event"] == "refused"}
    assert line == FLOODED


async def test_a_new_guest_that_is_put_off_comes_in_by_itself(server: Callable[..., Server]) -> None:
    """With the Python client, behind a proxy that tells whom it brings."""
    here = server(guests_per_minute="30", proxies="1")
    async with proxying(here.port) as proxy:
        proxy.rewrite = lambda head: f"{head}\r\nX-Forwarded-For: 203.0.113.9"
        pupils = [Client(f"ws://127.0.0.1:{proxy.port}/ws", name=f"Pupil {number}") for number in range(32)]
        await asyncio.gather(*(pupil.start() for pupil in pupils))
        assert {pupil.state for pupil in pupils} == {"online"}
        await asyncio.gather(*(pupil.close() for pupil in pupils))
    assert here.metric("parley_limits_hit_total", limit="guests") > 0


async def test_long_texts_use_up_the_rate_sooner(server: Callable[..., Server], room: str) -> None:
    """The longest that there may be is taken; twenty of them at once are more than a user may send."""
    here = server(sends_per_second="20", burst_seconds="2")
    ada, bob = await Peer.open(here.ws), await Peer.open(here.ws, "Bob")
    granted = {}
    for peer, text in ((ada, "\U0001f600" * 4000), (bob, "x" * 40)):
        await peer.ask("join", room=room)
        replies = [await peer.ask("send", room=room, cid=f"c{number}", text=text) for number in range(20)]
        granted[peer.welcome["name"]] = [reply["type"] for reply in replies].count("ack")
    assert granted["Bob"] == 20
    assert 3 <= granted["Ada"] < 20
    for peer in (ada, bob):
        await peer.close()


async def test_who_goes_on_regardless_is_sent_away(server: Callable[..., Server], room: str) -> None:
    """4005, while others notice nothing."""
    here = server(pings_per_second="5", refusals_per_second="5")
    canary, flood = await Peer.open(here.ws, "Canary"), await Peer.open(here.ws, "Flood")
    await canary.ask("join", room=room)
    ping = json.dumps({"type": "ping", "id": 5})
    for _ in range(100):
        await flood.socket.send(ping)
    assert await flood.closed() == 4005
    assert (await canary.ask("send", room=room, cid="c", text="x"))["type"] == "ack"
    await until_async(lambda: here.metric("parley_closed_total", code="4005") == 1, "it is counted")
    await canary.close()


async def test_a_flood_without_answers_is_slowed_down_and_then_sent_away(server: Callable[..., Server]) -> None:
    """It is read at the rate of frames, told so, and in the end closed with 4005."""
    here = server(frames_per_second="100", burst_seconds="1", refusals_per_second="50")
    flood = await Peer.open(here.ws)
    typing = json.dumps({"type": "typing", "room": "nowhere"})

    async def pour() -> None:
        while True:
            for _ in range(20):
                await flood.socket.send(typing)
            await asyncio.sleep(0.01)

    pouring = asyncio.create_task(pour())
    told = await flood.push("error")
    assert (told["code"], told["retry"] > 0) == ("rate_limited", True)
    async with asyncio.timeout(60):
        await flood.socket.wait_closed()
    await asyncio.gather(pouring, return_exceptions=True)
    assert flood.socket.close_code == 4005


def _note(closed: list[int], kind: str, told: dict[str, object]) -> None:
    if kind == "state" and told["state"] == "waiting":
        closed.append(int(str(told["code"])))
