"""Which address a real server takes a client for, seen in its log."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from websockets.asyncio.client import connect

from tests.support import Server, Valkey, until_async

CLAIMED = "192.0.2.66"
CLIENT = "203.0.113.9"


async def _address(server: Server, **headers: str) -> str:
    """What the log says of one who connects with these headers and then misbehaves."""
    async with connect(server.ws, additional_headers=headers, proxy=None) as socket:
        await socket.send('{"type":"ping","id":1}')
        await socket.wait_closed()
        assert socket.close_code == 4502
    await until_async(lambda: _closed(server), "the log tells")
    return str(_closed(server)[-1]["address"])


def _closed(server: Server) -> list[dict[str, object]]:
    return [line for line in server.logged() if line["event"] == "closed"]


async def test_no_client_can_pretend_an_address(server: Callable[..., Server], valkey: Valkey) -> None:
    """As long as no proxy is trusted."""
    assert await _address(server(redis_url=valkey.url), **{"X-Forwarded-For": CLAIMED}) == "127.0.0.1"


@pytest.mark.parametrize("forwarded", [CLIENT, f"{CLAIMED}, {CLIENT}", f"::1, {CLAIMED},{CLIENT}"])
async def test_a_trusted_proxy_tells_the_address(server: Callable[..., Server], valkey: Valkey, forwarded: str) -> None:
    """And what the client told that proxy is left out."""
    here = server(redis_url=valkey.url, proxies="1")
    assert await _address(here, **{"X-Forwarded-For": forwarded}) == CLIENT
