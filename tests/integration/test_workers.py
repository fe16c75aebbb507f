"""Several workers on one host: a room spans them, one that dies comes back, and the end is orderly."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any

from tests.support import Peer, Server, Valkey, runs, until, until_async


async def _on_different_workers(url: str) -> tuple[Peer, Peer]:
    """Two peers that sit on different workers."""
    first = await Peer.open(url, "Ada")
    for _ in range(200):
        second = await Peer.open(url, "Bob")
        if second.welcome["node"] != first.welcome["node"]:
            return first, second
        await second.close()
    raise AssertionError("all connections went to one worker")


def _pids(server: Server) -> dict[int, int]:
    return {each["worker"]: each["pid"] for each in server.health()["workers"]["each"] if each["state"] == "ready"}


async def test_a_room_spans_workers(shared_server: Server, room: str) -> None:
    """Members on different workers see the same events in the same order."""
    ada, bob = await _on_different_workers(shared_server.ws)
    for peer in (ada, bob):
        await peer.ask("join", room=room)

    async def talk(peer: Peer) -> None:
        for number in range(50):
            await peer.ask("send", room=room, cid=f"c{number}", text=f"{peer.welcome['name']} {number}")

    await asyncio.gather(talk(ada), talk(bob))
    events = [[await peer.push("message") for _ in range(100)] for peer in (ada, bob)]
    assert events[0] == events[1]
    assert [event["seq"] for event in events[0]] == list(range(1, 101))
    await ada.close()
    await bob.close()


async def test_a_killed_worker_is_back_and_the_others_go_on(server: Callable[..., Server], room: str) -> None:
    """kill -9 of one worker: members of the other notice nothing, and soon all expected workers are alive again."""
    here = server(workers=2)
    ada, bob = await _on_different_workers(here.ws)
    joined: dict[str, Any] = {}
    for peer in (ada, bob):
        joined = await peer.ask("join", room=room)
    pids = _pids(here)
    victim = int(ada.welcome["node"].rpartition(".")[2])
    os.kill(pids[victim], signal.SIGKILL)
    assert await ada.closed() == 1006
    for number in range(10):
        assert (await bob.ask("send", room=room, cid=f"c{number}", text=str(number)))["type"] == "ack"
    assert await bob.texts(10) == [str(number) for number in range(10)]
    await until_async(lambda: len(_pids(here)) == 2 and _pids(here)[victim] != pids[victim], "the worker is back")
    assert here.health()["workers"]["alive"] == here.health()["workers"]["expected"] == 2
    again = await Peer.open(here.ws)
    since = {key: joined[key] for key in ("epoch", "seq", "mid")}
    resumed = await again.ask("join", room=room, since=since)
    assert (resumed["recovered"], len(resumed["messages"])) == (True, 10)
    await bob.close()
    await again.close()


async def test_a_worker_that_is_told_to_stop_sends_its_members_away(server: Callable[..., Server], room: str) -> None:
    """SIGTERM: members get going-away with a delay of their own and are closed with 1012, and the exit code is 0."""
    here = server(workers=2, drain_seconds="1")
    peers = [await Peer.open(here.ws) for _ in range(10)]
    for peer in peers:
        await peer.ask("join", room=room)
    stopping = asyncio.create_task(asyncio.to_thread(here.stop, signal.SIGTERM))
    notices = [await peer.push("going-away") for peer in peers]
    assert {notice["reason"] for notice in notices} == {"drain"}
    assert all(0 <= notice["after"] <= 1 for notice in notices)
    assert len({notice["after"] for notice in notices}) > 1
    assert {await peer.closed() for peer in peers} == {1012}
    assert await stopping == 0


async def test_ctrl_c_stops_everything_at_once(server: Callable[..., Server]) -> None:
    """SIGINT: members are closed with 1012, no process and no socket is left behind."""
    here = server(workers=2)
    peer = await Peer.open(here.ws)
    family = _family(here.process.pid)
    assert len(family) >= 3
    assert await asyncio.to_thread(here.stop, signal.SIGINT) == 0
    assert await peer.closed() == 1012
    assert [pid for pid in family if runs(pid)] == []


def test_workers_stop_when_their_supervisor_is_killed(server: Callable[..., Server], valkey: Valkey) -> None:
    """kill -9 of the supervisor leaves no worker behind that holds the port."""
    here = server(workers=2, redis_url=valkey.url)
    workers = list(_pids(here).values())
    here.process.kill()
    until(lambda: not any(runs(pid) for pid in workers), "the workers are gone")


def _family(pid: int) -> list[int]:
    """The children of a process."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError), open(f"/proc/{int(entry)}/stat") as stat:
            if int(stat.read().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry))
    return found
