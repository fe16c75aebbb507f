"""What whoever runs a server sees of it."""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import operator
import os
import signal
from collections.abc import Callable

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from app.metrics import DECLARED, REPLICA
from app.protocol import asyncapi, shapes
from tests.support import Metrics, Peer, Server, until_async


async def test_a_conversation_shows_in_the_metrics(server: Callable[..., Server], room: str) -> None:
    """Who is there, what they said, how long that took; of every worker, and nothing about rooms or people."""
    here = server(workers=2)
    peers = [await Peer.open(here.ws, f"Ada {number}") for number in range(4)]
    joined = [await peer.ask("join", room=room) for peer in peers]
    for number in range(10):
        assert (await peers[0].ask("send", room=room, cid=f"c{number}", text="hello"))["type"] == "ack"
    for peer in peers:
        await peer.texts(10)
    refused = await peers[0].ask("send", room=room, cid="long", text="x" * 5000)
    assert refused["code"] == "too_large"
    since = {key: joined[0][key] for key in ("epoch", "seq", "mid")}
    late = await Peer.open(here.ws, "Bob")
    assert (await late.ask("join", room=room, since=since))["recovered"] is True

    def counted() -> Metrics | None:
        now = here.metrics()
        whole = {"parley_connections": 5, "parley_joins_total": 5, "parley_deliveries_total": 40}
        return now if all(now.metric(name) == value for name, value in whole.items()) else None

    metric = (await until_async(counted, "all are counted")).metric
    assert metric("parley_resumes_total", result="recovered") == 1
    assert metric("parley_sends_total") == metric("parley_acks_total") == 10
    assert metric("parley_limits_hit_total", limit="text_chars") == 1
    assert metric("parley_limits_hit_total") == 1
    assert metric("parley_send_to_ack_seconds_count") == 10
    assert 0 < metric("parley_send_to_ack_seconds_sum") < 10 * 5
    workers_in_room = len({peer.welcome["node"] for peer in peers})
    assert metric("parley_delivery_seconds_count") == 10 * workers_in_room
    assert 0 <= metric("parley_delivery_seconds_sum") < 10 * workers_in_room * 5
    await until_async(lambda: here.metric("parley_canary_round_trip_seconds_count") >= 4, "the canaries sing")
    await until_async(lambda: here.metric("parley_loop_lag_seconds_count") >= 8, "the loops are watched")
    assert abs(here.metric("parley_redis_clock_offset_seconds")) < 2
    assert here.metric("parley_redis_up") == here.metric("parley_workers_alive") == 2
    assert here.metric("parley_cpu_seconds_total") > 0
    assert here.metric("parley_open_files_max") >= 2 * 256

    text = here.get("/metrics")[1].decode()
    exported = {family.name for family in text_string_to_metric_families(text)}
    assert exported == {declared.name.removesuffix("_total") for declared in DECLARED} | set(REPLICA)
    for private in (room, "Ada", "Bob", "hello", peers[0].welcome["user"], peers[0].welcome["conn"]):
        assert private not in text
    for peer in (*peers, late):
        await peer.close()


async def test_the_served_description_fits_what_the_server_says(shared_server: Server, room: str) -> None:
    """/asyncapi.json is the document made from the types, and a conversation consists of nothing else."""
    status, body = shared_server.get("/asyncapi.json")
    assert (status, body) == (200, asyncapi.document())
    ada, bob = await Peer.open(shared_server.ws, "Ada"), await Peer.open(shared_server.ws, "Bob")
    heard = [ada.welcome, bob.welcome]
    heard += [await peer.ask("join", room=room) for peer in (ada, bob)]
    asked = [
        ("send", {"cid": "c1", "text": "hello"}),
        ("send", {"cid": "c2", "text": "@Bob look"}),
        ("edit", {"cid": "c3", "seq": 1, "text": "hello!"}),
        ("react", {"cid": "c4", "seq": 1, "emoji": "👍", "on": True}),
        ("topic", {"cid": "c5", "topic": "Tests"}),
        ("delete", {"cid": "c6", "seq": 2}),
        ("edit", {"cid": "c7", "seq": 99, "text": "nothing there"}),
        ("read", {"seq": 1}),
        ("history", {"limit": 10}),
        ("leave", {}),
    ]
    heard += [await ada.ask(type_, room=room, **more) for type_, more in asked]
    heard.append(await ada.ask("direct", user=bob.welcome["user"]))
    heard += [await ada.ask("rooms"), await ada.ask("ping"), await ada.ask("nonsense")]
    heard.append(await ada.ask("join", room=room))
    heard += [await bob.push(type_) for type_ in ("message", "edited", "reacted", "topic", "deleted")]
    heard += ada.pushes + bob.pushes
    server = functools.reduce(operator.or_, shapes.SERVER)
    for message in heard:
        read = msgspec.convert(message, type=server)
        assert json.loads(msgspec.json.encode(read)).keys() >= message.keys(), message
    assert {"welcome", "joined", "ack", "history", "rooms", "direct", "error"} <= {one["type"] for one in heard}
    for peer in (ada, bob):
        await peer.close()


async def test_a_drain_shows_in_the_metrics(server: Callable[..., Server]) -> None:
    """To whoever has a connection already, as Prometheus does: nobody new is let in."""
    here = server(workers=2, drain_seconds="30")
    # A worker without members has drained as soon as it is told to.
    peers = [await Peer.open(here.ws)]
    while len({peer.welcome["node"] for peer in peers}) < 2 and len(peers) < 200:
        peers.append(await Peer.open(here.ws))
    scraper = http.client.HTTPConnection("127.0.0.1", here.port, timeout=60)

    def draining() -> bool:
        scraper.request("GET", "/metrics")
        return b"parley_workers_draining 2.0" in scraper.getresponse().read()

    assert not draining()
    here.process.send_signal(signal.SIGTERM)
    await until_async(draining, "both workers drain")
    scraper.close()
    for peer in peers:
        await peer.close()
    await asyncio.to_thread(here.stop)


async def test_a_frozen_worker_is_not_alive_and_a_dead_ones_values_are_gone(server: Callable[..., Server]) -> None:
    """Frozen: expected but not alive. Dead: its series end, and begin anew with the next worker."""
    here = server(workers=2)
    peers = [await Peer.open(here.ws)]
    while len({peer.welcome["node"] for peer in peers}) < 2 and len(peers) < 200:
        peers.append(await Peer.open(here.ws))
    victim = int(peers[0].welcome["node"].rpartition(".")[2])
    members = len(peers) - 1
    await until_async(lambda: here.metric("parley_connections") == len(peers), "all are counted")
    pid = here.health()["workers"]["each"][victim]["pid"]
    os.kill(pid, signal.SIGSTOP)
    await until_async(lambda: _asked(here, "parley_workers_alive") == 1, "the frozen worker is seen")
    assert here.metric("parley_workers_expected") == 2
    os.kill(pid, signal.SIGKILL)
    await until_async(lambda: _asked(here, "parley_workers_alive") == 2, "the worker is back")
    await until_async(lambda: here.metric("parley_connections") == len(peers) - members, "its members are gone")
    assert here.metric("parley_connects_total", worker=str(victim)) == 0
    for peer in peers:
        await peer.close()


async def test_a_worker_that_hangs_is_replaced(server: Callable[..., Server]) -> None:
    """It is shown as hung, then killed, told of, and another one has its place; the others go on."""
    here = server(workers=2)
    first, other = (each["pid"] for each in here.health()["workers"]["each"])
    os.kill(first, signal.SIGSTOP)
    await until_async(lambda: _states(here).get(first) == "hung", "it is shown")
    await until_async(lambda: first not in _states(here) and list(_states(here).values()) == ["ready"] * 2, "replaced")
    assert other in _states(here)
    assert [line["pid"] for line in here.logged() if line["event"] == "worker hangs, killing it"] == [first]


def _states(here: Server) -> dict[int, str]:
    """The state of each worker by process id; empty where the connection went to the frozen one."""
    try:
        return {each["pid"]: each["state"] for each in here.health()["workers"]["each"]}
    except OSError:
        return {}


def _asked(here: Server, name: str) -> float | None:
    """A metric, or None where the connection went to the frozen worker or died with it."""
    try:
        return here.metric(name)
    except OSError:
        return None
