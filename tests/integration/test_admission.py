"""How many connections a real server takes: of an address and of a worker, and with what it refuses the others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from websockets.asyncio.client import connect

from tests.integration.raw import Handshake, metrics_of
from tests.support import Peer, Server, Valkey, until

Connect = Callable[..., Handshake]


@pytest.fixture
def handshake() -> Iterator[Connect]:
    """Makes handshakes that stay until the end of the test."""
    with contextlib.ExitStack() as all_of_them:

        def make(server: Server, path: str = "/ws", source: str = "", **headers: str) -> Handshake:
            named = [(name.replace("_", "-"), value) for name, value in headers.items()]
            made = Handshake(server.port, path, named, source)
            all_of_them.callback(made.close)
            return made

        yield make


def test_an_address_gets_429_beyond_its_limit(
    server: Callable[..., Server], valkey: Valkey, handshake: Connect
) -> None:
    """On both kinds of websockets together; others come in, and it again when one of its connections has gone."""
    here = server(redis_url=valkey.url, connections_per_address="3")
    mine = [handshake(here), handshake(here, "/feed"), handshake(here, "/feed/lobby")]
    assert [one.status for one in mine] == [101, 101, 101]
    refused = handshake(here)
    assert (refused.status, refused.headers["retry-after"]) == (429, "10")
    assert handshake(here, source="127.0.0.2").status == 101
    mine[0].close()
    until(lambda: handshake(here).status == 101, "there is room again")
    until(lambda: metrics_of(here, "refused", reason="address") >= 1, "refusals are counted")
    (line,) = [line for line in here.logged() if line["event"] == "refused"]
    assert line["address"] == "127.0.0.1"


def test_behind_a_proxy_clients_are_counted_and_not_the_proxy(
    server: Callable[..., Server], valkey: Valkey, handshake: Connect
) -> None:
    """By the address that it tells, IPv6 by its /64."""
    here = server(redis_url=valkey.url, proxies="1", connections_per_address="1")

    def status(client: str) -> int:
        return handshake(here, X_Forwarded_For=client).status

    assert [status("203.0.113.1"), status("203.0.113.2"), status("203.0.113.1")] == [101, 101, 429]
    assert status("203.0.113.9, 203.0.113.1") == 429
    assert [status("2001:db8::1"), status("2001:db8::2"), status("2001:db8:0:1::1")] == [101, 429, 101]


def test_a_full_worker_answers_503(server: Callable[..., Server], valkey: Valkey, handshake: Connect) -> None:
    """Whoever asks; pages and probes are served all the same."""
    here = server(redis_url=valkey.url, connections_per_worker="2")
    mine = [handshake(here), handshake(here, source="127.0.0.2")]
    assert [one.status for one in mine] == [101, 101]
    refused = handshake(here, source="127.0.0.3")
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert here.get("/")[0] == here.get("/livez")[0] == 200
    mine[0].close()
    until(lambda: handshake(here).status == 101, "there is room again")
    until(lambda: metrics_of(here, "refused", reason="worker") >= 1, "refusals are counted")


async def test_members_notice_nothing_of_refusals(server: Callable[..., Server], valkey: Valkey, room: str) -> None:
    """They talk on."""
    here = server(redis_url=valkey.url, connections_per_address="2")
    ada, bob = await Peer.open(here.ws, "Ada"), await Peer.open(here.ws, "Bob")
    for peer in (ada, bob):
        await peer.ask("join", room=room)
    for _ in range(20):
        with pytest.raises(Exception, match="429"):
            async with connect(here.ws, proxy=None):
                pass
    await ada.ask("send", room=room, cid="c1", text="still here")
    assert await bob.texts(1) == ["still here"]
    await ada.close()
    await bob.close()


async def test_a_user_has_so_many_connections_on_all_servers(server: Callable[..., Server], valkey: Valkey) -> None:
    """The one that is too many is closed with 4505, on whichever server it is; the others stay."""
    servers = [server(redis_url=valkey.url, connections_per_user="3", presence_lease_seconds="2") for _ in range(2)]
    first = await Peer.open(servers[0].ws)
    guest = first.welcome["guest"]
    kept = [first, await Peer.open(servers[0].ws, guest=guest), await Peer.open(servers[1].ws, guest=guest)]
    refused = await Peer.bare(servers[1].ws)
    await refused.send("hello", guest=guest)
    assert await refused.closed() == 4505
    other = await Peer.open(servers[1].ws, "Bob")
    for peer in (*kept, other):
        assert (await peer.ask("ping"))["type"] == "pong"
    until(lambda: servers[1].metric("parley_limits_hit_total", limit="connections_per_user") == 1, "it is counted")
    await kept[1].close()
    back = await Peer.open(servers[1].ws, guest=guest)
    assert (await back.ask("ping"))["type"] == "pong"
    for peer in (*kept, other, back):
        await peer.close()
