"""The doctor before real servers, a real Valkey in several conditions, and proxies that do it wrong."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from app.backplane.permissions import USER
from app.config import Settings
from app.doctor import proxy, redis
from app.findings import Finding, Grade
from tests.fakes.proxy import proxying
from tests.support import ROOT, Server, Valkey, free_port, until

Servers = Callable[..., Server]


async def of_redis(valkey: Valkey) -> dict[str, Finding]:
    """What is found out about a Redis."""
    return {one.topic: one for one in await redis.examine(Settings(redis_url=valkey.url))}


async def test_a_healthy_redis_is_said_to_be_so(own_valkey: Valkey) -> None:
    """All that the server needs of it was tried."""
    findings = await of_redis(own_valkey)
    assert {one.grade for one in findings.values()} == {Grade.GOOD}
    assert {"redis persistence", "redis pub/sub", "redis scripts", "redis distance", "clock"} <= findings.keys()


@pytest.mark.parametrize(
    ("setting", "value", "topic", "grade"),
    [
        ("appendonly", "no", "redis persistence", Grade.BAD),
        ("appendfsync", "no", "redis persistence", Grade.WEAK),
        ("maxmemory", "1mb", "redis memory", Grade.BAD),
        ("client-output-buffer-limit", "pubsub 1mb 1mb 60", "redis output buffer", Grade.WEAK),
    ],
)
async def test_a_setting_that_weakens_a_promise_is_found(
    own_valkey: Valkey, setting: str, value: str, topic: str, grade: Grade
) -> None:
    """With what it means and what to do."""
    own_valkey.command("CONFIG", "SET", setting, value)
    finding = (await of_redis(own_valkey))[topic]
    assert finding.grade is grade
    assert finding.means
    assert finding.advice


async def test_eviction_is_found(own_valkey: Valkey) -> None:
    """It takes whole rooms."""
    own_valkey.command("CONFIG", "SET", "maxmemory", "100mb")
    own_valkey.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert (await of_redis(own_valkey))["redis eviction"].grade is Grade.BAD


async def test_missing_permissions_are_found(own_valkey: Valkey) -> None:
    """A user who may neither run scripts nor subscribe, as some services give out."""
    own_valkey.command("ACL", "SETUSER", USER, "-subscribe", "-eval")
    findings = await of_redis(own_valkey)
    assert findings["redis scripts"].grade is findings["redis pub/sub"].grade is Grade.BAD
    assert "SUBSCRIBE" in findings["redis pub/sub"].advice


async def test_what_redis_refuses_leaves_the_other_findings(own_valkey: Valkey) -> None:
    """A command that is not allowed is a finding among the others."""
    own_valkey.command("ACL", "SETUSER", USER, "-ping")
    findings = await of_redis(own_valkey)
    assert findings["redis distance"].found.startswith("NOPERM")
    assert findings["redis distance"].advice == "allow what parley redis-user lists"
    assert [one.topic for one in findings.values() if one.grade is not Grade.GOOD] == ["redis distance"]
    assert {"redis persistence", "redis pub/sub", "redis scripts", "clock"} <= findings.keys()


async def test_a_redis_that_cannot_write_to_its_disk_is_found(own_valkey: Valkey, tmp_path: Path) -> None:
    """It refuses PING as well as sends, and says why."""
    (tmp_path / "valkey" / "dump.rdb").mkdir()  # a snapshot cannot take its place
    own_valkey.command("CONFIG", "SET", "save", "3600 1")
    own_valkey.command("BGSAVE")
    until(lambda: (own_valkey.command("PING") or "").startswith("-MISCONF"), "the snapshot has failed")
    findings = await of_redis(own_valkey)
    own_valkey.command("CONFIG", "SET", "save", "")  # else it would not even stop
    assert findings["redis disk"].grade is findings["redis scripts"].grade is Grade.BAD
    assert findings["redis scripts"].found.startswith("MISCONF")
    assert "make room" in findings["redis scripts"].advice
    assert findings["redis persistence"].grade is Grade.GOOD


async def test_a_user_without_the_keys_or_channels_is_found(own_valkey: Valkey) -> None:
    """It may run scripts and publish, and reaches nothing that is the server's."""
    own_valkey.command("ACL", "SETUSER", USER, "resetkeys", "~chat:*", "resetchannels", "&chat:*")
    findings = await of_redis(own_valkey)
    assert findings["redis scripts"].grade is findings["redis pub/sub"].grade is Grade.BAD
    assert findings["redis pub/sub"].found.startswith("NOPERM")


@pytest.mark.parametrize(("most", "grade"), [("10", Grade.BAD), ("17", Grade.WEAK), ("100", Grade.GOOD)])
async def test_too_few_connections_for_the_workers_are_found(own_valkey: Valkey, most: str, grade: Grade) -> None:
    """Each worker takes two, and those of an upgrade come beside those that run."""
    own_valkey.command("CONFIG", "SET", "maxclients", most)
    findings = await redis.examine(Settings(redis_url=own_valkey.url, workers=8))
    assert [one.grade for one in findings if one.topic == "redis connections"] == [grade]


async def test_a_replica_is_found(own_valkey: Valkey) -> None:
    """It would refuse every send."""
    own_valkey.command("REPLICAOF", "127.0.0.1", str(free_port()))
    assert (await of_redis(own_valkey))["redis role"].grade is Grade.BAD


def test_the_embedded_valkey_is_examined_while_it_runs(server: Servers, tmp_path: Path) -> None:
    """Found by its data directory; as a command, in JSON."""
    data = tmp_path / "data"
    here = server("--data-dir", str(data), ping_seconds="1")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "doctor", "--data-dir", str(data), "--url", here.url, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env=clean,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = {one["topic"]: one for one in json.loads(done.stdout)["findings"]}
    assert said["redis version"]["found"].startswith("valkey ")
    assert said["redis pub/sub"]["grade"] == said["proxy: silence"]["grade"] == "good"
    assert "password" not in done.stdout


# Proxies


def passes(head: str) -> str:
    """As deploy/nginx.conf does it."""
    head = re.sub(r"(?im)^x-(forwarded-for|real-ip):.*\r?\n?", "", head).rstrip("\r\n")
    return f"{head}\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http"


async def through(here: Server, rewrite: Callable[[str], str], patient: bool = False) -> dict[str, Finding]:
    """What is found out about a proxy that rewrites heads so."""
    async with proxying(here.port) as between:
        between.rewrite = rewrite
        return {one.topic.removeprefix("proxy: "): one for one in await proxy.examine(between.url, patient)}


async def test_a_proxy_that_does_it_right_has_nothing_to_mend(server: Servers, valkey: Valkey) -> None:
    """Host, addresses, upgrade, large messages, silence."""
    here = server(redis_url=valkey.url, ping_seconds="1")
    findings = await through(here, passes, patient=True)
    assert {one.grade for one in findings.values()} == {Grade.GOOD}
    expected = {"readiness", "Host", "X-Forwarded-For", "/metrics", "websocket", "message size", "silence", "Origin"}
    assert findings.keys() == expected


async def test_a_proxy_that_rewrites_what_it_should_pass_is_found(shared_server: Server) -> None:
    """The name that people use, and addresses that clients may choose."""
    renamed = await through(shared_server, lambda head: re.sub(r"(?im)^host:[^\r\n]*", "Host: app:8000", passes(head)))
    assert (renamed["Host"].grade, renamed["Host"].found[:8]) == (Grade.WEAK, "app:8000")
    assert renamed["Origin"].grade is Grade.WEAK
    assert "http://app:8000 is expected" in renamed["Origin"].found
    claimed = await through(shared_server, lambda head: head)
    assert claimed["X-Forwarded-For"].found == "as the client claims"
    appended = await through(shared_server, lambda head: head.replace(proxy.FORGED, f"{proxy.FORGED}, 10.0.0.1"))
    assert appended["X-Forwarded-For"].grade is Grade.WEAK
    assert proxy.FORGED in appended["X-Forwarded-For"].found
    silent = await through(shared_server, lambda head: re.sub(r"(?im)^x-.*\r\n", "", head))
    assert silent["X-Forwarded-For"].found == "none"


async def test_a_proxy_that_the_server_does_not_believe_is_found(shared_server: Server) -> None:
    """It says where clients come from, and the server takes all of them for the proxy."""
    found = await through(shared_server, lambda head: passes(head).replace("For: 127.0.0.1", "For: 198.51.100.7"))
    assert found["X-Forwarded-For"].grade is Grade.BAD
    assert found["X-Forwarded-For"].found == "198.51.100.7, but the server takes 127.0.0.1 for the client's"
    assert "PARLEY_PROXIES" in found["X-Forwarded-For"].advice


async def test_a_proxy_that_drops_the_upgrade_is_found(shared_server: Server) -> None:
    """Everything looks well but there is no chat."""
    findings = await through(shared_server, lambda head: re.sub(r"(?im)^(upgrade|connection):.*\r\n", "", passes(head)))
    assert findings["readiness"].grade is Grade.GOOD
    assert findings["websocket"].grade is Grade.BAD
    assert "proxy_set_header Upgrade" in findings["websocket"].advice


async def test_a_proxy_that_cuts_who_is_silent_is_found(shared_server: Server) -> None:
    """Its timeout is shorter than the server's heartbeat."""
    async with proxying(shared_server.port) as between:
        between.rewrite, between.silence_seconds = passes, 0.5
        (finding,) = [one for one in await proxy.examine(between.url, True) if one.topic == "proxy: silence"]
    assert finding.grade is Grade.BAD
    assert finding.found.startswith("cut after")
    assert "PARLEY_PING_SECONDS" in finding.advice


@pytest.mark.parametrize(("seconds", "grade"), [([0.1], Grade.BAD), ([0.1, 1.0], Grade.GOOD), ([1.0], Grade.GOOD)])
async def test_a_heartbeat_that_comes_soon_says_nothing_about_silence(seconds: list[float], grade: Grade) -> None:
    """One after a whole interval has to come, or a second one, before whoever is between cuts."""

    async def beat(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(json.dumps({"type": "welcome", "id": 1}))
        for pause in seconds:
            await asyncio.sleep(pause)
            await socket.send(json.dumps({"type": "ping"}))

    async with serve(beat, "127.0.0.1", 0) as here:
        finding = await proxy._silence(f"ws://127.0.0.1:{here.sockets[0].getsockname()[1]}", 1)
    assert finding.grade is grade


async def test_a_proxy_that_swallows_heartbeats_is_found(
    server: Servers, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buffering: the answer to a request comes, what nobody asked for does not."""
    monkeypatch.setattr(proxy, "LATE_SECONDS", 0.5)
    here = server(redis_url=valkey.url, ping_seconds="1")
    async with proxying(here.port) as between:
        between.deaf_after = 2  # the handshake's answer, and that to hello
        finding = await proxy._silence(between.url.replace("http", "ws") + "/ws", 3)
    assert finding.grade is Grade.BAD
    assert "proxy_buffering off" in finding.advice


async def test_an_address_where_nobody_is_is_one_finding() -> None:
    """And so is one where something else answers."""
    (finding,) = await proxy.examine(f"http://127.0.0.1:{free_port()}", False)
    assert finding.grade is Grade.BAD
    (finding,) = await proxy.examine("nonsense", False)
    assert finding.grade is Grade.BAD
