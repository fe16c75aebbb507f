"""Redis goes away, freezes, restarts, forgets: sends say so, nothing is lost, and service comes back by itself."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from app.backplane import keys
from app.backplane.redis_broker import EMPTY_SECONDS
from tests.support import Peer, Server, Valkey, until_async

LONG = 700
"""So many events of the largest size are more than the buffers of a connection take."""


async def _send(peer: Peer, room: str, cid: str) -> dict[str, Any]:
    return await peer.ask("send", room=room, cid=cid, text=cid)


async def _until_sent(peer: Peer, room: str, cid: str) -> dict[str, Any]:
    """Retry with the same cid until acknowledged, as a client does."""
    give_up = time.monotonic() + 20
    while (answer := await _send(peer, room, cid))["type"] != "ack":
        assert answer["temporary"] is True
        assert time.monotonic() < give_up
        await asyncio.sleep(0.1)
    return answer


async def _pair(here: Server, room: str) -> tuple[Peer, Peer]:
    ada, bob = await Peer.open(here.ws, "Ada"), await Peer.open(here.ws, "Bob")
    for peer in (ada, bob):
        await peer.ask("join", room=room)
    return ada, bob


async def test_a_restart_of_redis_loses_nothing_and_needs_nobody(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """Killed and started again with its log: sends are refused meanwhile, retried, and everything arrives once."""
    here = server(redis_url=own_valkey.url)
    ada, bob = await _pair(here, room)
    for number in range(5):
        await _send(ada, room, f"before{number}")
    await asyncio.to_thread(own_valkey.stop)
    refused = await _send(ada, room, "meanwhile")
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
    await until_async(lambda: here.get("/readyz")[0] == 503, "unready without Redis")
    assert here.get("/livez")[0] == 200
    await asyncio.to_thread(own_valkey.start)
    ack = await _until_sent(ada, room, "meanwhile")
    assert ack["seq"] == 6
    assert await bob.texts(6) == [f"before{number}" for number in range(5)] + ["meanwhile"]
    await until_async(lambda: here.get("/readyz")[0] == 200, "ready again")
    await ada.close()
    await bob.close()


async def test_a_redis_that_becomes_a_replica_is_left(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """It says so in /readyz, and connects anew until there is a primary at the address: a failover moves it there."""
    here = server(redis_url=own_valkey.url)
    ada, bob = await _pair(here, room)
    await _send(ada, room, "before")
    own_valkey.command("REPLICAOF", "127.0.0.1", "1")
    refused = await _send(ada, room, "meanwhile")
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
    await until_async(lambda: b"a replica" in here.get("/readyz")[1], "unready with a replica")
    assert here.metric("parley_redis_reconnects_total") > 0
    own_valkey.command("REPLICAOF", "NO", "ONE")
    assert (await _until_sent(ada, room, "meanwhile"))["seq"] == 2
    assert await bob.texts(2) == ["before", "meanwhile"]
    await until_async(lambda: here.get("/readyz")[0] == 200, "ready again")
    await ada.close()
    await bob.close()


async def test_a_frozen_redis_is_noticed_and_a_retry_is_one_event(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """SIGSTOP: a send answers unavailable within 5 s, never a false ack; after SIGCONT the retry is stored once."""
    here = server(redis_url=own_valkey.url)
    ada, bob = await _pair(here, room)
    own_valkey.signal(signal.SIGSTOP)
    refused = await _send(ada, room, "frozen")
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
    await until_async(lambda: here.get("/readyz")[0] == 503, "unready while Redis is frozen")
    own_valkey.signal(signal.SIGCONT)
    assert (await _until_sent(ada, room, "frozen"))["seq"] == 1
    await _until_sent(ada, room, "after")
    assert await bob.texts(2) == ["frozen", "after"]
    await ada.close()
    await bob.close()


async def test_a_cut_subscription_is_healed_from_the_log(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """CLIENT KILL TYPE pubsub again and again during a burst: every event arrives, once, in order."""
    here = server(redis_url=own_valkey.url)
    ada, bob = await _pair(here, room)
    for number in range(300):
        if number % 50 == 25:
            await asyncio.to_thread(own_valkey.command, "CLIENT", "KILL", "TYPE", "pubsub")
        await _until_sent(ada, room, f"c{number}")
    assert [(await bob.push("message"))["seq"] for _ in range(300)] == list(range(1, 301))
    assert here.metric("parley_gaps_total", repair="resync") == 0
    await ada.close()
    await bob.close()


async def test_lost_data_is_told_honestly(server: Callable[..., Server], own_valkey: Valkey, room: str) -> None:
    """All of Redis' data vanishes: members get a resync with lost:true, and nothing new is taken for known."""
    here = server(redis_url=own_valkey.url)
    ada, bob = await _pair(here, room)
    first = await _send(ada, room, "gone")
    joined = await bob.ask("history", room=room)
    own_valkey.command("FLUSHALL")
    await asyncio.to_thread(own_valkey.command, "CLIENT", "KILL", "TYPE", "pubsub")
    resync = await bob.push("resync")
    assert (resync["lost"], resync["seq"], resync["messages"]) == (True, 0, [])
    again = await _until_sent(ada, room, "new")
    assert again["seq"] == first["seq"] == 1
    assert again["mid"] != first["mid"]
    assert (await bob.push("message"))["text"] == "new"
    late = await Peer.open(here.ws)
    since = {"epoch": "old", "seq": 1, "mid": joined["messages"][0]["mid"]}
    resumed = await late.ask("join", room=room, since=since)
    assert (resumed["recovered"], [event["text"] for event in resumed["messages"]]) == (False, ["new"])
    for peer in (ada, bob, late):
        await peer.close()


async def test_a_redis_that_takes_no_writes_gets_no_false_ack(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """Out of memory: sends answer unavailable, members stay, and with memory back the same cid is stored once."""
    here = server(redis_url=own_valkey.url)
    ada, bob = await _pair(here, room)
    own_valkey.command("CONFIG", "SET", "maxmemory", "1")
    refused = await _send(ada, room, "full")
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
    own_valkey.command("CONFIG", "SET", "maxmemory", "0")
    assert (await _until_sent(ada, room, "full"))["seq"] == 1
    assert await bob.texts(1) == ["full"]
    await ada.close()
    await bob.close()


async def test_a_forgotten_script_is_sent_again(server: Callable[..., Server], own_valkey: Valkey, room: str) -> None:
    """SCRIPT FLUSH costs a sender one retry, and readers nothing."""
    here = server(redis_url=own_valkey.url)
    ada, bob = await _pair(here, room)
    own_valkey.command("SCRIPT", "FLUSH")
    assert (await _until_sent(ada, room, "flushed"))["seq"] == 1
    own_valkey.command("SCRIPT", "FLUSH")
    assert len((await bob.ask("history", room=room))["messages"]) == 1
    await ada.close()
    await bob.close()


@pytest.mark.parametrize("fault", ["stop", "freeze"])
async def test_joining_without_redis_is_refused_for_now(
    server: Callable[..., Server], own_valkey: Valkey, room: str, fault: str
) -> None:
    """A join that needs Redis is answered with a temporary error, and works once Redis is back."""
    here = server(redis_url=own_valkey.url)
    peer = await Peer.open(here.ws)
    if fault == "stop":
        await asyncio.to_thread(own_valkey.stop)
    else:
        own_valkey.signal(signal.SIGSTOP)
    refused = await peer.ask("join", room=room)
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
    if fault == "stop":
        await asyncio.to_thread(own_valkey.start)
    else:
        own_valkey.signal(signal.SIGCONT)
    give_up = time.monotonic() + 20
    while (await peer.ask("join", room=room))["type"] != "joined":
        assert time.monotonic() < give_up
        await asyncio.sleep(0.1)
    await peer.close()


async def test_a_read_that_fails_leaves_no_room_deaf(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """While Redis is busy a join fails that made the worker read the room's log; the room's members hear on."""
    here = server(redis_url=own_valkey.url)
    ada, bob = await _pair(here, room)
    joined = await ada.ask("history", room=room)
    assert joined["messages"] == []
    own_valkey.command("CONFIG", "SET", "busy-reply-threshold", "100")
    looping = asyncio.create_task(asyncio.to_thread(own_valkey.command, "EVAL", "while true do end", "0"))
    await until_async(lambda: (own_valkey.command("PING") or "").startswith("-BUSY"), "Redis is busy")
    carol = await Peer.open(here.ws)
    refused = await carol.ask("join", room=room, since={"epoch": "other", "seq": 99, "mid": "x"})
    other = await carol.ask("join", room=f"{room}-new")
    assert {refused["code"], other["code"]} == {"unavailable"}
    own_valkey.command("SCRIPT", "KILL")
    await looping
    await _until_sent(ada, room, "heard")
    assert await bob.texts(1) == ["heard"]
    give_up = time.monotonic() + 20
    while (await carol.ask("join", room=f"{room}-new"))["type"] != "joined":
        assert time.monotonic() < give_up
    for peer in (ada, bob, carol):
        await peer.close()


async def test_a_room_that_is_open_and_empty_stays_the_same_room(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """Its position would expire within minutes; every audit of a worker that has it open renews that."""
    here = server(redis_url=own_valkey.url)
    ada = await Peer.open(here.ws, "Ada")
    joined = await ada.ask("join", room=room)

    def seconds_left() -> int:
        return int((own_valkey.command("TTL", keys.meta(room)) or ":-2")[1:])

    assert 0 < seconds_left() <= EMPTY_SECONDS
    own_valkey.command("EXPIRE", keys.meta(room), "60")
    await until_async(lambda: seconds_left() > 60, "an audit")
    other = await Peer.open(here.ws, "Bob")
    assert (await other.ask("join", room=room))["epoch"] == joined["epoch"]
    assert (await _send(ada, room, "first"))["seq"] == 1
    assert seconds_left() > 30 * 86400
    await ada.close()
    await other.close()


async def test_a_tail_lost_while_a_member_resumes_in_parts_is_told(
    server: Callable[..., Server], forgetful_valkey: Valkey, room: str
) -> None:
    """Redis comes back without what the member is being given, and others go on in its place: the two are not mixed."""
    here = server(redis_url=forgetful_valkey.url, sends_per_second="100000")
    ada, bob = await _pair(here, room)
    start = await _send(ada, room, "first")
    epoch = (await (eve := await Peer.open(here.ws, "Eve")).ask("join", room=room))["epoch"]
    await eve.close()
    assert forgetful_valkey.command("SAVE") == "+OK"
    for number in range(LONG):
        await ada.ask("send", room=room, cid=f"lost{number}", text="\N{GRINNING FACE}" * 3900)
    # Little fits into this member's side of the connection, and it reads nothing more until the others have gone on.
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    narrow.connect(("127.0.0.1", here.port))
    slow = Peer(await connect(here.ws, sock=narrow, max_size=None, max_queue=1, compression=None, proxy=None))
    await slow.ask("hello", name="Slow")
    since = {"epoch": epoch, "seq": start["seq"], "mid": start["mid"]}
    joined = await slow.ask("join", room=room, since=since)
    assert joined["recovered"] is True
    assert joined["seq"] < LONG, "it comes in parts"
    given = {event["seq"]: event["mid"] for event in joined["messages"]}
    await asyncio.to_thread(forgetful_valkey.kill)
    await asyncio.to_thread(forgetful_valkey.start)
    await _until_sent(bob, room, "new")
    for number in range(LONG - 1):
        await _send(bob, room, f"new{number}")
    (last,) = (await bob.ask("history", room=room, after=LONG))["messages"]
    lost = False
    while given.get(last["seq"]) != last["mid"]:
        push = slow.pushes.pop(0) if slow.pushes else await slow.receive()
        if push["type"] == "resync":
            lost = lost or push["lost"]
            given = {event["seq"]: event["mid"] for event in push["messages"]}
        elif push["type"] == "message":
            assert push["seq"] == max(given) + 1
            given[push["seq"]] = push["mid"]
    assert lost
    for peer in (ada, bob, slow):
        await peer.close()


async def test_the_log_tells_of_a_redis_that_refuses_and_of_its_end(
    server: Callable[..., Server], own_valkey: Valkey, room: str
) -> None:
    """Its disk fails: its own words in one line, however many sends, and another line when it takes them again."""
    here = server(redis_url=own_valkey.url)
    ada = await Peer.open(here.ws)
    await ada.ask("join", room=room)
    (own_valkey.directory / "dump.rdb").mkdir()  # a snapshot cannot take its place
    own_valkey.command("CONFIG", "SET", "save", "3600 1")
    own_valkey.command("BGSAVE")
    await until_async(lambda: (own_valkey.command("PING") or "").startswith("-MISCONF"), "the snapshot has failed")
    for number in range(3):
        assert (await _send(ada, room, f"refused-{number}"))["code"] == "unavailable"
    own_valkey.command("CONFIG", "SET", "save", "")
    await _until_sent(ada, room, "taken")
    lines = [line for line in here.logged() if "changes" in line["event"]]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("error", "redis refuses changes"),
        ("info", "redis takes changes again"),
    ]
    assert lines[0]["error"].startswith("MISCONF")
    assert lines[1]["refused"] >= 3
    await until_async(lambda: here.metric("parley_changes_refused_total") >= 3, "they are counted")
    await ada.close()


async def test_the_log_tells_that_redis_is_back(server: Callable[..., Server], own_valkey: Valkey) -> None:
    """Why it was away, and for how long, for both connections."""
    here = server(redis_url=own_valkey.url)
    own_valkey.kill()
    told = {"redis unreachable", "redis pub/sub unreachable"}
    await until_async(lambda: told <= {line["event"] for line in here.logged()}, "the outage is told")
    own_valkey.start()
    await until_async(lambda: here.get("/readyz")[0] == 200, "ready again")
    back = {line["event"]: line["away_seconds"] for line in here.logged() if "away_seconds" in line}
    assert back.keys() == {"redis connected", "redis pub/sub connected"}
    assert min(back.values()) > 0
