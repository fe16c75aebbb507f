"""How much may be sent and asked, against real servers: clients wait and go on, others are sent away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from app.client import Client
from tests.support import Peer, Server, Valkey, until_async


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
