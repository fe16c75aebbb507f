"""Moderation over real workers and replicas: at once everywhere, kept over a restart, found after an outage."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.tokens import make
from tests.support import DEADLINE_SECONDS, Peer, Server, Valkey

SECRET = "one secret of more than thirty-two characters"


async def moderator(url: str, rooms: str = "*") -> Peer:
    """Who moderates rooms."""
    peer = await Peer.bare(url)
    token = make(SECRET, "mod", 600, {"name": "Mod", "rooms": {rooms: "moderate"}})
    assert (await peer.ask("hello", token=token))["type"] == "welcome"
    return peer


async def everywhere(servers: list[Server], name: str, **hello: Any) -> list[Peer]:
    """One guest, with a connection to each worker of each server."""
    first = await Peer.open(servers[0].ws, name)
    peers = {first.welcome["node"]: first}
    workers = 2 * len(servers)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(peers) < workers:
            for server in servers:
                peer = await Peer.open(server.ws, name, guest=first.welcome["guest"])
                if peers.setdefault(peer.welcome["node"], peer) is not peer:
                    await peer.close()
    return list(peers.values())


@pytest.fixture
def replicas(server: Callable[..., Server], own_valkey: Valkey) -> list[Server]:
    """Two replicas of two workers each."""
    return [server(redis_url=own_valkey.url, workers=2, token_secret=SECRET) for _ in range(2)]


async def test_a_moderator_is_obeyed_by_all_workers_within_a_second(replicas: list[Server], room: str) -> None:
    """Mute, kick and ban, on each of four workers; the limit of a second is the promise, not this machine's speed."""
    mod = await moderator(replicas[0].ws)
    eves = await everywhere(replicas, "Eve")
    user = eves[0].welcome["user"]
    for peer in (mod, *eves):
        assert (await peer.ask("join", room=room))["type"] == "joined"

    begun = time.monotonic()
    assert (await mod.ask("mute", room=room, user=user, seconds=600))["type"] == "mute"
    assert {(await eve.push("moderated"))["action"] for eve in eves} == {"mute"}
    muted = time.monotonic() - begun
    for number, eve in enumerate(eves):
        assert (await eve.ask("send", room=room, cid=f"a{number}", text="x"))["code"] == "muted"
    await mod.ask("unmute", room=room, user=user)
    assert {(await eve.push("moderated"))["action"] for eve in eves} == {"unmute"}
    assert (await eves[3].ask("send", room=room, cid="b", text="x"))["type"] == "ack"

    await mod.ask("kick", room=room, user=user, reason="be nice")
    assert {(await eve.push("left"))["reason"] for eve in eves} == {"kicked"}
    while user not in (await mod.push("presence")).get("left", []):
        pass
    assert (await eves[1].ask("join", room=room))["type"] == "joined"

    begun = time.monotonic()
    await mod.ask("ban", user=user, seconds=600)
    assert [await eve.closed() for eve in eves] == [4504] * 4
    banned = time.monotonic() - begun
    for replica in replicas:
        again = await Peer.bare(replica.ws)
        refused = await again.ask("hello", guest=eves[0].welcome["guest"])
        assert (refused["code"], await again.closed()) == ("forbidden", 4504)
        assert 500 < refused["retry"] <= 600
    print(f"muted everywhere after {muted * 1000:.0f} ms, banned after {banned * 1000:.0f} ms")
    deeds = (await mod.ask("moderation"))["deeds"] + (await mod.ask("moderation", room=room))["deeds"]
    assert [deed["kind"] for deed in deeds] == ["ban", "kick", "unmute", "mute"]
    await mod.close()


async def test_bans_outlive_servers(server: Callable[..., Server], own_valkey: Valkey, room: str) -> None:
    """A new server keeps out whom an old one did, from the first hello on; what is over is over."""
    old = server(redis_url=own_valkey.url, workers=2, token_secret=SECRET)
    mod, eve, bob = await moderator(old.ws), await Peer.open(old.ws, "Eve"), await Peer.open(old.ws, "Bob")
    await mod.ask("ban", user=eve.welcome["user"])
    await mod.ask("ban", room=room, user=bob.welcome["user"])
    old.stop()
    new = server(redis_url=own_valkey.url, workers=2, token_secret=SECRET)
    again = await Peer.bare(new.ws)
    assert (await again.ask("hello", guest=eve.welcome["guest"]))["code"] == "forbidden"
    back = await Peer.bare(new.ws)
    await back.ask("hello", guest=bob.welcome["guest"])
    assert (await back.ask("join", room=room))["code"] == "forbidden"
    mod = await moderator(new.ws)
    assert (await mod.ask("unban", room=room, user=bob.welcome["user"]))["was"]
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (await back.ask("join", room=room))["type"] != "joined":
            pass
    for peer in (mod, back):
        await peer.close()


async def test_what_was_missed_while_redis_was_away_is_found(
    replicas: list[Server], own_valkey: Valkey, room: str
) -> None:
    """A worker whose subscription was cut while somebody was banned closes that one when it is back."""
    mod = await moderator(replicas[0].ws)
    eves = await everywhere(replicas, "Eve")
    for eve in eves:
        await eve.ask("join", room=room)
    own_valkey.command("CLIENT", "KILL", "TYPE", "pubsub")
    await mod.ask("ban", user=eves[0].welcome["user"])
    assert [await eve.closed() for eve in eves] == [4504] * 4
    own_valkey.signal(signal.SIGSTOP)
    refused = await mod.ask("unban", user=eves[0].welcome["user"])
    own_valkey.signal(signal.SIGCONT)
    assert (refused["code"], refused["temporary"]) == ("unavailable", True)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (answer := await mod.ask("unban", user=eves[0].welcome["user"]))["type"] != "unban":
            assert answer["code"] == "unavailable"
            await asyncio.sleep(0.05)
    await mod.close()


async def test_a_moderator_of_rooms_does_not_hide_what_others_do(server: Callable[..., Server], room: str) -> None:
    """Nor can he have nobody be banned any more: what he may impose in all is his own share."""
    here = server(token_secret=SECRET, sends_per_second="100000")
    head, evil = await moderator(here.ws), await moderator(here.ws, "team-*")
    assert (await head.ask("mute", room=room, user="u", seconds=60))["type"] == "mute"
    assert (await head.ask("kick", user="u"))["type"] == "kick"
    answers = []
    for start in range(0, 1100, 50):
        numbers = [
            await evil.send("mute", room="team-0", user=f"u{number}", seconds=0) for number in range(start, start + 50)
        ]
        while (answer := await evil.receive()).get("id") != numbers[-1]:
            answers.append(answer)
        answers.append(answer)
    assert [answer["type"] for answer in answers] == ["mute"] * 1000 + ["error"] * 100
    assert {answer["code"] for answer in answers[1000:]} == {"forbidden"}
    assert [deed["kind"] for deed in (await head.ask("moderation", room=room))["deeds"]] == ["mute"]
    assert [deed["kind"] for deed in (await head.ask("moderation"))["deeds"]] == ["kick"]
    assert (await head.ask("mute", room="team-0", user="u0", seconds=60))["type"] == "mute"
    assert (await head.ask("ban", user="u0"))["type"] == "ban"
    for peer in (head, evil):
        await peer.close()


async def test_a_banned_address_is_out_everywhere(server: Callable[..., Server], room: str) -> None:
    """By what a trusted proxy says of it: websockets, and feeds of that room or all; others stay."""
    here = server(workers=2, token_secret=SECRET, proxies="1")
    mod = await moderator(here.ws)

    async def from_(address: str, url: str) -> Any:
        return await connect(url, additional_headers={"X-Forwarded-For": address}, proxy=None)

    near, far = [Peer(await from_(address, here.ws)) for address in ("203.0.113.7", "198.51.100.1")]
    for peer in (near, far):
        await peer.ask("hello", name="Eve")
    feed, other = await from_("203.0.113.8", f"{here.feed}/{room}"), await from_("203.0.113.8", here.feed)
    assert (await mod.ask("ban", room=room, address="203.0.113.0/24"))["type"] == "ban"
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(DEADLINE_SECONDS):
            await feed.recv()
    assert feed.close_code == 4504
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (await near.ask("join", room=room))["type"] != "error":
            await near.ask("leave", room=room)
    assert (await far.ask("join", room=room))["type"] == "joined"
    await mod.ask("ban", address="203.0.113.7")
    assert await near.closed() == 4504
    await other.send("still open")
    assert await other.recv() == "still open"

    async def come_in() -> None:
        while True:  # where the other worker lets it in, that hears of the ban a moment later
            let_in = await from_("203.0.113.7", here.feed)
            await let_in.wait_closed()
            assert let_in.close_code == 4504

    with pytest.raises(InvalidStatus) as refused:
        await asyncio.wait_for(come_in(), DEADLINE_SECONDS)
    assert refused.value.response.status_code == 403
    for peer in (mod, far):
        await peer.close()
    await other.close()


async def test_moderators_can_be_named_in_the_rules(server: Callable[..., Server], tmp_path: Path, room: str) -> None:
    """So that guests moderate as well: by the user id that is theirs as long as their token is."""
    here = server("--data-dir", str(tmp_path / "same"))
    ann = await Peer.open(here.ws, "Ann")
    assert (await ann.ask("kick", room=room, user="x"))["code"] == "forbidden"
    await ann.close()
    here.stop()
    rules = tmp_path / "rooms.toml"
    rules.write_text(f'[moderators]\n"{room}" = ["{ann.welcome["user"]}"]\n')
    here = server("--data-dir", str(tmp_path / "same"), room_rules=str(rules))
    ann = await Peer.open(here.ws, "Ann", guest=ann.welcome["guest"])
    assert (await ann.ask("join", room=room))["rights"] == ["read", "write", "moderate"]
    assert (await ann.ask("kick", room=room, user="x"))["type"] == "kick"
    assert (await ann.ask("kick", user="x"))["code"] == "forbidden"
    await ann.close()
