"""What back ends do about people, on a server with two workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import _servers
from tests.service import BackEnd, in_path, key_file, on_both_workers
from tests.support import DEADLINE_SECONDS, Peer, Server, Valkey, until_async

Keys = tuple[str, dict[str, str]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A file of API keys, and the keys by name."""
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    shown = {
        "all": key_file(path),
        "some": key_file(path, name="Some", scopes=["moderate", "disconnect"], rooms=["room-*"]),
        "send": key_file(path, name="Send", scopes=["send"]),
    }
    return str(path), shown


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, own_store: Valkey, keys: tuple[str, dict[str, str]]
) -> Iterator[Server]:
    """A server with two workers; with a store of its own, since bans are for everybody."""
    with _servers(tmp_path_factory.mktemp("site")) as start:
        yield start(redis_url=own_store.url, workers=2, api_keys=keys[0])


@pytest.fixture(scope="module")
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """For all tests of this module."""
    store = Valkey(tmp_path_factory.mktemp("store"))
    yield store
    store.stop()


@pytest.fixture
def back_end(site: Server, keys: Keys) -> Callable[[str], BackEnd]:
    """The holder of the key of that name."""
    return lambda name: BackEnd(site.port, keys[1][name])


async def test_a_muted_user_writes_again_when_the_mute_is_lifted(
    site: Server, back_end: Callable[[str], BackEnd], room: str
) -> None:
    """On any worker; it is listed with who did it, and written down."""
    robot = back_end("all")
    ada, bob = await on_both_workers(site.ws, room)

    def listed(user: str) -> list[dict[str, Any]]:
        return [one for one in robot.get(f"/rooms/{room}/moderation").body["held"] if one["user"] == user]

    for peer in (ada, bob):
        user = peer.welcome["user"]
        done = robot.post(f"/rooms/{room}/mute", {"user": user, "seconds": 600, "reason": "noise"})
        assert (done.status, done.body["kind"], done.body["user"]) == (200, "mute", user)
        assert (await peer.push("moderated"))["action"] == "mute"
        assert (await peer.ask("send", room=room, cid="c1", text="x"))["code"] == "muted"
        (held,) = await until_async(lambda user=user: listed(user), "any worker knows it")
        assert (held["kind"], held["until"], held["reason"]) == ("mute", done.body["until"], "noise")
        assert held["by"] == {"user": "svc:Robot", "name": "Robot"}
        assert robot.post(f"/rooms/{room}/unmute", {"user": user}).body == {"was": True}
        await until_async(
            lambda user=user: robot.post(f"/rooms/{room}/unmute", {"user": user}).body["was"] is False, "over"
        )
        assert (await peer.push("moderated"))["action"] == "unmute"
        assert (await peer.ask("send", room=room, cid="c2", text="x"))["type"] == "ack"
    kinds = [deed["kind"] for deed in robot.get(f"/rooms/{room}/moderation").body["deeds"]]
    assert kinds == ["unmute", "mute"] * 2
    for peer in (ada, bob):
        await peer.close()


async def test_kicks_and_bans_take_people_out_of_a_room(
    site: Server, back_end: Callable[[str], BackEnd], room: str
) -> None:
    """By a key for that room; the kicked may come back, the banned may not."""
    some = back_end("some")
    ada, bob = await on_both_workers(site.ws, room)
    for peer in (ada, bob):
        user = peer.welcome["user"]
        assert some.post(f"/rooms/{room}/kick", {"user": user}).body == {"kind": "kick", "room": room, "user": user}
        assert (await peer.push("left"))["reason"] == "kicked"
        assert (await peer.ask("join", room=room))["type"] == "joined"
        banned = some.post(f"/rooms/{room}/ban", {"user": user})
        assert (banned.status, "until" in banned.body) == (200, False)
        assert (await peer.push("left"))["reason"] == "banned"
        assert (await peer.ask("join", room=room))["code"] == "forbidden"
        assert some.post(f"/rooms/{room}/unban", {"user": user}).body == {"was": True}

    for peer in (ada, bob):
        async with asyncio.timeout(DEADLINE_SECONDS):
            while (await peer.ask("join", room=room))["type"] != "joined":
                continue
        await peer.close()


async def test_a_user_is_disconnected_everywhere(site: Server, back_end: Callable[[str], BackEnd], room: str) -> None:
    """All connections, on both workers; and nobody else's."""
    robot = back_end("all")
    ada, bob = await on_both_workers(site.ws, room)
    tab = await Peer.open(site.ws, guest=ada.welcome["guest"], name="Ada")
    answer = robot.post(f"/users/{in_path(ada.welcome['user'])}/disconnect")
    assert (answer.status, answer.body) == (202, None)
    assert [await ada.closed(), await tab.closed()] == [4503, 4503]
    assert (await bob.ask("ping"))["type"] == "pong"
    again = await Peer.open(site.ws, guest=ada.welcome["guest"], name="Ada")
    for peer in (again, bob):
        await peer.close()


async def test_who_is_banned_everywhere_does_not_come_in(
    site: Server, back_end: Callable[[str], BackEnd], room: str
) -> None:
    """Until that is lifted; an address is banned by a key for all rooms."""
    robot = back_end("all")
    ada, bob = await on_both_workers(site.ws, room)
    assert robot.post("/ban", {"user": ada.welcome["user"], "seconds": 600}).body["until"] > 0
    assert await ada.closed() == 4504
    hello = {"guest": ada.welcome["guest"], "name": "Ada"}
    while (await (refused := await Peer.bare(site.ws)).ask("hello", **hello))["type"] != "error":
        assert await refused.closed() == 4504  # the other worker had not heard of it before
    assert await refused.closed() == 4504
    assert robot.post("/ban", {"address": "192.0.2.0/24"}).body == {"kind": "ban", "address": "192.0.2.0/24"}
    both = ["192.0.2.0/24", ada.welcome["user"]]
    held = lambda: robot.get("/moderation").body["held"]  # noqa: E731
    await until_async(lambda: [one.get("user") or one["address"] for one in held()] == both, "both are known")
    for whom in ({"user": ada.welcome["user"]}, {"address": "192.0.2.0/24"}):
        assert robot.post("/unban", whom).body == {"was": True}
    await until_async(lambda: robot.get("/moderation").body["held"] == [], "nothing holds")
    await bob.close()


def test_what_is_for_all_rooms_needs_a_key_for_all_rooms(back_end: Callable[[str], BackEnd], room: str) -> None:
    """And addresses do, wherever they are banned."""
    some, send = back_end("some"), back_end("send")
    refused = [
        some.post("/ban", {"user": "u1"}),
        some.post("/mute", {"user": "u1", "seconds": 1}),
        some.get("/moderation"),
        some.post("/users/u1/disconnect"),
        some.post(f"/rooms/{room}/ban", {"address": "192.0.2.1"}),
        some.post(f"/rooms/{room}/unban", {"address": "192.0.2.1"}),
        some.post("/rooms/other/kick", {"user": "u1"}),
        send.post(f"/rooms/{room}/kick", {"user": "u1"}),
        send.post("/users/u1/disconnect"),
    ]
    assert [answer.status for answer in refused] == [403] * len(refused)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("kick", {}),
        ("kick", {"user": ""}),
        ("kick", {"user": "x" * 256}),
        ("kick", {"user": "a\u0000b"}),
        ("kick", {"user": "u1", "reason": "x" * 201}),
        ("kick", {"user": "u1", "reason": "a\nb"}),
        ("mute", {"user": "u1"}),
        ("mute", {"user": "u1", "seconds": -1}),
        ("mute", {"user": "u1", "seconds": 1e12}),
        ("mute", {"user": "u1", "second": 1}),
        ("ban", {}),
        ("ban", {"user": "u1", "address": "192.0.2.1"}),
        ("ban", {"address": "nowhere"}),
        ("ban", {"address": "0.0.0.0/0"}),
        ("unban", {}),
    ],
)
def test_a_wrong_sanction_is_refused(
    back_end: Callable[[str], BackEnd], room: str, verb: str, body: dict[str, object]
) -> None:
    """And nothing is written down."""
    robot = back_end("all")
    answer = robot.post(f"/rooms/{room}/{verb}", body)
    assert (answer.status, answer.body["code"]) == (400, "bad_request")
    assert robot.get(f"/rooms/{room}/moderation").body == {"held": [], "deeds": []}


def test_deeds_are_read_by_pages(back_end: Callable[[str], BackEnd], room: str) -> None:
    """Newest first."""
    robot = back_end("all")
    for number in range(5):
        robot.post(f"/rooms/{room}/kick", {"user": f"u{number}"})
    first = robot.get(f"/rooms/{room}/moderation", limit=2).body["deeds"]
    then = robot.get(f"/rooms/{room}/moderation", limit=9, before=first[-1]["id"]).body["deeds"]
    assert [deed["user"] for deed in first + then] == ["u4", "u3", "u2", "u1", "u0"]
    assert robot.get(f"/rooms/{room}/moderation", before="x").status == 400
