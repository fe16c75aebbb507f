"""The whole stack as `docker compose up` starts it: replicas behind nginx that come, go and are found again."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.message
import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.compose import Client, Message, Open, Stack, carry_out, room, run
from tests.service import BackEnd

pytestmark = pytest.mark.docker

FIND_SECONDS = 60
HTTP_SECONDS = 30

WANTED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
OUTSIDE = {
    "the page": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "nothing there": b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n",
    "a refused handshake": b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nOrigin: null\r\n\r\n",
    "an error of the API": b"GET /api/nope HTTP/1.1\r\nHost: x\r\n\r\n",
    "what nginx hides": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "what nginx answers": b"GET /nginx-health HTTP/1.1\r\nHost: x\r\n\r\n",
    "what nginx keeps to itself": b"GET /.error HTTP/1.1\r\nHost: x\r\n\r\n",
    "what nginx does not understand": b"garbage\r\n\r\n",
    "too long an address": b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "too large a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n",
}


async def one_on_each(open_client: Open, nodes: set[str]) -> dict[str, Client]:
    """A client on each of these replicas: new connections until all are reached, AssertionError if that never is."""
    found: dict[str, Client] = {}
    try:
        async with asyncio.timeout(FIND_SECONDS):
            while not nodes <= found.keys():
                client = await open_client()
                if client.node in found:
                    await asyncio.sleep(0.2)  # the next one may be nginx' next look at the name server away
                found.setdefault(client.node, client)
    except TimeoutError:
        raise AssertionError(f"new connections reach {sorted(found)}, not all of {sorted(nodes)}") from None
    return {node: found[node] for node in nodes}


def status(stack: Stack, path: str) -> int:
    """The status that nginx gives for a path."""
    try:
        with urllib.request.urlopen(f"http://{stack.address}{path}", timeout=HTTP_SECONDS) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def nginx_processes(stack: Stack) -> set[str]:
    """Process ids of nginx: a reload gives it new workers, a restart new everything."""
    (container,) = stack.containers("nginx").values()
    rows = run("docker", "top", container, "-o", "pid,comm").splitlines()[1:]
    return {pid for pid, command in map(str.split, rows) if command == "nginx"}  # the health check comes and goes


async def test_clients_on_different_replicas_share_a_room(stack: Stack, open_client: Open) -> None:
    """What a client on one replica says reaches the clients on all, as the same event."""
    replicas = stack.containers("app")
    assert len(replicas) == 3
    clients = await one_on_each(open_client, set(replicas))
    here = room()
    for client in clients.values():
        await client.ask("join", room=here)
    for node, client in clients.items():
        ack = await client.say(here, f"from {node}")
        events = [await other.event() for other in clients.values()]
        assert all(event == events[0] for event in events)
        assert (events[0]["seq"], events[0]["mid"]) == (ack["seq"], ack["mid"])
        assert events[0]["text"] == f"from {node}"


async def test_added_replicas_get_the_next_connections(stack: Stack, open_client: Open) -> None:
    """Scaling up under connected clients disturbs none of them, and nginx finds the new replicas by itself."""
    before = set(stack.containers("app"))
    old_clients = await one_on_each(open_client, before)
    here = room()
    for client in old_clients.values():
        await client.ask("join", room=here)
    nginx_before = nginx_processes(stack)

    await asyncio.to_thread(stack.up, "--scale", "app=5")
    added = set(stack.containers("app")) - before
    assert len(added) == 2
    new_clients = await one_on_each(open_client, added)

    for client in new_clients.values():
        await client.ask("join", room=here)
    for client in new_clients.values():
        ack = await client.say(here, "hello from a new replica")
        for member in [*old_clients.values(), *new_clients.values()]:
            assert (await member.event())["seq"] == ack["seq"]
    for client in old_clients.values():
        await client.ask("ping")
    assert nginx_processes(stack) == nginx_before


async def test_nobody_is_refused_while_replicas_leave(stack: Stack, open_client: Open) -> None:
    """Every connection that is opened while replicas are taken away succeeds, on those that stay."""
    await asyncio.to_thread(stack.up, "--scale", "app=5")
    leaving = asyncio.create_task(asyncio.to_thread(stack.up, "--scale", "app=3"), name="scale down")
    opened = 0
    while not leaving.done():
        await (await open_client()).close()
        opened += 1
    await leaving
    assert opened > 0
    staying = set(stack.containers("app"))
    assert len(staying) == 3
    for _ in range(10):
        assert (await open_client()).node in staying


async def test_a_stopped_replica_takes_leave_of_its_clients(stack: Stack, open_client: Open) -> None:
    """`docker stop` ends a replica cleanly, within its grace period, and its clients know that they may come back."""
    await asyncio.to_thread(stack.up, "--scale", "app=3")
    replicas = stack.containers("app")
    node = min(replicas)
    client = (await one_on_each(open_client, {node}))[node]
    stopping = asyncio.create_task(asyncio.to_thread(run, "docker", "stop", replicas[node]), name="stop")
    assert await client.close_code() == 1012
    await stopping
    assert stack.inspect(replicas[node])["State"]["ExitCode"] == 0
    assert (await open_client()).node in replicas.keys() - {node}
    await asyncio.to_thread(stack.up, "--scale", "app=3")


async def test_a_killed_replica_is_skipped_then_replaced_and_its_client_resumes(
    stack: Stack, open_client: Open
) -> None:
    """A client of a killed replica comes back through another one and gets exactly what it missed."""
    await asyncio.to_thread(stack.up, "--scale", "app=3")
    replicas = stack.containers("app")
    lost_node, other_node = sorted(replicas)[:2]
    clients = await one_on_each(open_client, {lost_node, other_node})
    lost, other = clients[lost_node], clients[other_node]
    here = room()
    await other.ask("join", room=here)
    epoch = (await lost.ask("join", room=here))["epoch"]
    await other.say(here, "before")
    last = await lost.event()
    position = {"epoch": epoch, "seq": last["seq"], "mid": last["mid"]}
    nginx_before = nginx_processes(stack)

    await asyncio.to_thread(run, "docker", "kill", replicas[lost_node])
    # Cut, or told to come back: a worker may see that its supervisor is gone before the kernel ends it as well.
    assert await lost.close_code() in (1006, 1012)
    missed = [(await other.say(here, f"missed {number}"))["seq"] for number in range(3)]

    again = await open_client(guest=lost.welcome["guest"], session=lost.welcome["session"])
    assert again.node in replicas.keys() - {lost_node}
    assert again.welcome["user"] == lost.welcome["user"]
    joined = await again.ask("join", room=here, since=position)
    assert joined["recovered"] is True
    assert [event["seq"] for event in joined["messages"]] == missed

    await asyncio.to_thread(run, "docker", "rm", replicas[lost_node])
    await asyncio.to_thread(stack.up, "--scale", "app=3")
    (replacement,) = set(stack.containers("app")) - set(replicas)
    newcomer = (await one_on_each(open_client, {replacement}))[replacement]
    await newcomer.ask("join", room=here)
    ack = await newcomer.say(here, "from the replacement")
    assert (await again.event())["seq"] == ack["seq"]
    assert nginx_processes(stack) == nginx_before


async def test_acknowledged_messages_survive_the_death_of_redis(stack: Stack, open_client: Open) -> None:
    """Redis killed without warning comes back with every acknowledged message, and the chat goes on."""
    here = room()
    client = await open_client()
    await client.ask("join", room=here)
    said = [(await client.say(here, f"message {number}"))["seq"] for number in range(20)]

    await asyncio.to_thread(stack.compose, "kill", "redis")
    await asyncio.to_thread(stack.up, "--scale", "app=3")

    reader = await open_client()
    joined = await reader.ask("join", room=here)
    assert [event["seq"] for event in joined["messages"]] == said
    ack = await reader.say(here, "afterwards")
    assert ack["seq"] == said[-1] + 1


async def test_back_ends_ask_through_nginx(stack: Stack, open_client: Open) -> None:
    """With a key made in any replica; each request may come to another one, and a retry is one message."""
    options = ("--name", "Robot", "--scope", "send", "--scope", "read", "--scope", "counts")
    made = await asyncio.to_thread(stack.compose, "exec", "-T", "app", "parley", "key", "create", *options)
    host, _, port = stack.address.rpartition(":")
    robot, here = BackEnd(int(port), made.strip(), host), room()
    client = await open_client()
    await client.ask("join", room=here)
    posted = [robot.post(f"/rooms/{here}/messages", {"text": "hi"}, idempotency_key="k1") for _ in range(9)]
    assert [(answer.status, answer.body["seq"]) for answer in posted] == [(201, 1)] + [(200, 1)] * 8
    event = await client.event()
    assert (event["user"], event["text"], event["mid"]) == ("svc:Robot", "hi", posted[0].body["mid"])
    assert {len(robot.get(f"/rooms/{here}/messages").body["messages"]) for _ in range(9)} == {1}
    workers = {robot.get("/counts").body["workers"] for _ in range(9)}
    assert min(workers) >= 3
    nobody = BackEnd(int(port), None, host)
    assert [nobody.get("/counts").status, nobody.get("/none").status] == [401, 404]
    large = nobody.ask("POST", f"/rooms/{here}/messages", b" " * 500_000, {"Content-Type": "application/json"})
    assert large.status in (401, 413)


async def listen(client: Client) -> list[Message]:
    """Every event until the connection is closed."""
    events: list[Message] = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            with contextlib.suppress(TimeoutError):
                events.append(await client.event())
    return events


async def test_an_upgrade_as_documented_loses_nothing(stack: Stack, open_client: Open, tmp_path: Path) -> None:
    """All replicas are replaced while somebody talks and others listen; those that are sent away resume."""
    await asyncio.to_thread(stack.up, "--scale", "app=3")
    before = set(stack.containers("app"))
    here = room()
    listener = await open_client()
    epoch = (await listener.ask("join", room=here))["epoch"]
    listening = asyncio.create_task(listen(listener), name="listen")
    upgrading = asyncio.create_task(asyncio.to_thread(carry_out, stack, "upgrade", tmp_path), name="upgrade")
    said: list[int] = []
    while not upgrading.done():
        talker = await open_client()
        await talker.ask("join", room=here)
        with contextlib.suppress(ConnectionClosed):
            for _ in range(20):
                said.append((await talker.say(here, "hello"))["seq"])
                await asyncio.sleep(0.05)
        await talker.close()
    await upgrading
    after = set(stack.containers("app"))
    assert len(after) == 3
    assert not after & before
    events = await listening
    assert await listener.close_code() == 1012
    again = await open_client(guest=listener.welcome["guest"], session=listener.welcome["session"])
    since = {"epoch": epoch, "seq": events[-1]["seq"], "mid": events[-1]["mid"]}
    resumed = await again.ask("join", room=here, since=since)
    assert resumed["recovered"] is True
    heard = [event["seq"] for event in [*events, *resumed["messages"]]]
    while len(heard) < len(said):
        heard.append((await again.event())["seq"])
    assert heard == said == list(range(1, len(said) + 1))


async def test_a_backup_as_documented_can_be_restored(stack: Stack, open_client: Open, tmp_path: Path) -> None:
    """Taken while people talk; restored it has what was acknowledged before, and who knew more is told.

    A guest is who it was, also where the secret that says so was lost.
    """
    here = room()
    client = await open_client()
    await client.ask("join", room=here)
    for number in range(10):
        await client.say(here, f"kept {number}")
    await asyncio.to_thread(carry_out, stack, "backup", tmp_path)
    await client.say(here, "after the backup")
    known = await (await open_client()).ask("join", room=here)
    assert known["seq"] == 11
    stack.compose("exec", "-T", "app", "rm", "/data/secret")
    await asyncio.to_thread(carry_out, stack, "restore", tmp_path)
    reader = await open_client(name="Ada", guest=client.welcome["guest"])
    assert reader.welcome["user"] == client.welcome["user"]
    joined = await reader.ask("join", room=here, since={key: known[key] for key in ("epoch", "seq", "mid")})
    assert joined["recovered"] is False
    assert [event["text"] for event in joined["messages"]] == [f"kept {number}" for number in range(10)]
    ack = await reader.say(here, "goes on")
    assert (ack["seq"], ack["mid"] == known["mid"]) == (11, False)


def test_the_doctor_finds_nothing_to_mend(stack: Stack) -> None:
    """Asked inside a replica about its settings, Redis and the way through nginx."""
    command = ("exec", "-T", "app", "parley", "doctor", "--url", "http://nginx:8080", "--no-wait", "--json")
    said = json.loads(stack.compose(*command))
    assert said["ok"] is True
    findings = {one["topic"]: one for one in said["findings"]}
    # Redis and the replicas have a network of their own, which the doctor cannot know.
    assert findings.pop("redis transport")["grade"] == "weak"
    assert {one["grade"] for topic, one in findings.items() if topic.startswith(("proxy", "redis"))} == {"good"}
    assert {"proxy: websocket", "proxy: Host", "proxy: X-Forwarded-For", "redis persistence"} <= findings.keys()


def test_only_nginx_is_reached_from_outside(stack: Stack) -> None:
    """Redis and the replicas publish no port, and nginx keeps the metrics to the inside."""
    for service in ("redis", "app"):
        for container in stack.containers(service).values():
            published = stack.inspect(container)["NetworkSettings"]["Ports"]
            assert not any(published.values()), f"{container}: {published}"
    assert status(stack, "/") == 200
    assert status(stack, "/readyz") == 200
    assert status(stack, "/nginx-health") == 200
    for hidden in ("/metrics", "/metrics/", "//metrics", "/%6Detrics", "/health", "//health"):
        assert status(stack, hidden) == 404, hidden
    fetch = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8000/metrics').status)"
    assert stack.compose("exec", "-T", "app", "python3", "-c", fetch).strip() == "200"


@pytest.mark.parametrize("asked", OUTSIDE)
def test_every_response_through_nginx_has_the_headers(stack: Stack, asked: str) -> None:
    """Those of the server once, and nginx' own the same; none says which version answers."""
    status, headers = answered(stack, OUTSIDE[asked])
    for name, value in WANTED.items():
        assert headers.get_all(name) == [value], (asked, status)
    (policy,) = headers.get_all("content-security-policy") or []
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert headers.get_all("server") == ["nginx"]


async def test_only_the_own_page_comes_in_through_nginx(stack: Stack) -> None:
    """By the address that the browser uses; what a client claims to be forwarded does not count."""
    own = f"http://{stack.address}"
    for origin, claimed, wanted in (
        (own, {}, 101),
        ("http://evil.example", {}, 403),
        ("null", {}, 403),
        (f"{own}.evil.example", {}, 403),
        (f"https://{stack.address}", {}, 403),
        ("http://evil.example", {"X-Forwarded-Host": "evil.example"}, 403),
        (f"https://{stack.address}", {"X-Forwarded-Proto": "https"}, 403),
    ):
        try:
            async with connect(f"ws://{stack.address}/ws", additional_headers={"Origin": origin, **claimed}):
                status = 101
        except InvalidStatus as error:
            status = error.response.status_code
        assert status == wanted, (origin, claimed)


def test_replicas_know_clients_behind_nginx(stack: Stack) -> None:
    """Not nginx, and not what a client claims to be."""
    (nginx,) = stack.containers("nginx").values()
    networks = stack.inspect(nginx)["NetworkSettings"]["Networks"].values()
    claimed = {"X-Forwarded-For": "192.0.2.66", "X-Real-IP": "192.0.2.66", "X-Forwarded-Proto": "https"}
    asked = urllib.request.Request(f"http://{stack.address}/seen", headers=claimed)
    with urllib.request.urlopen(asked, timeout=HTTP_SECONDS) as response:
        seen = json.loads(response.read())
    assert seen["origin"] == f"http://{stack.address}"
    assert seen["address"] == seen["forwarded_for"] not in {"", "192.0.2.66", *(one["IPAddress"] for one in networks)}


def answered(stack: Stack, request: bytes) -> tuple[int, email.message.Message]:
    """Status and headers of what comes back for these bytes."""
    host, _, port = stack.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=HTTP_SECONDS) as link:
        link.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            part = link.recv(65536)
            assert part, f"closed after {got!r}"
            got += part
    line, _, headers = got.partition(b"\r\n\r\n")[0].decode("latin-1").partition("\r\n")
    return int(line.split()[1]), email.message_from_string(headers)
