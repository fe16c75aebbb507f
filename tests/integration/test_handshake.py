"""Handshakes that take their time, or never end, over raw sockets: each has its seconds in total, and not more."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.raw import Handshake, metrics_of, request, status_of
from tests.support import Server, Valkey, until

SECONDS = 2
LATEST_SECONDS = 60.0

Link = Callable[[], socket.socket]


@pytest.fixture
def hasty(server: Callable[..., Server], valkey: Valkey) -> Server:
    """A server that gives a handshake two seconds."""
    return server(redis_url=valkey.url, handshake_seconds=str(SECONDS))


@pytest.fixture
def link(hasty: Server) -> Iterator[Link]:
    """Opens connections to it."""
    with contextlib.ExitStack() as links:
        yield lambda: links.enter_context(socket.create_connection(("127.0.0.1", hasty.port), timeout=LATEST_SECONDS))


def rest(link: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while part := link.recv(65536):
            got += part
    return got


def test_a_silent_connection_is_ended(hasty: Server, link: Link) -> None:
    """Without a word, and not before its time."""
    began = time.monotonic()
    assert rest(link()) == b""
    assert time.monotonic() - began > SECONDS - 0.5
    until(lambda: metrics_of(hasty, "refused", reason="late") == 1, "it is counted")


@pytest.mark.parametrize(
    "part", [b"G", b"GET /ws HTTP/1.1\r\nHo", b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"]
)
def test_half_a_handshake_is_answered_with_408(link: Link, part: bytes) -> None:
    """And with the headers of every response."""
    slow = link()
    slow.sendall(part)
    answer = rest(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"content-security-policy: " in answer
    assert b"connection: close\r\n" in answer


@pytest.mark.parametrize("first", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_bytes_that_trickle_in_gain_no_time(hasty: Server, link: Link, first: bytes) -> None:
    """Neither in the first request of a connection nor in a later one."""
    slow = link()
    if first:
        slow.sendall(first)
        until(lambda: slow.recv(65536), "it is answered")
    slow.setblocking(False)
    got, began = b"", time.monotonic()
    for byte in request(hasty.port, "/ws", [("X-Long", "x" * 1000)]):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            slow.send(bytes((byte,)))
        time.sleep(0.05)  # what is tested: slower than the deadline, faster than any pause between bytes
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            got += slow.recv(65536)
        if got:
            break
    assert got.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began > SECONDS - 0.5


def test_a_finished_handshake_is_not_ended(hasty: Server, link: Link) -> None:
    """Its time is over only for those who did not finish it; a member has its own ten seconds to say hello."""
    good, silent = Handshake(hasty.port), link()
    assert good.status == 101
    assert rest(silent) == b""
    good.link.settimeout(0.5)
    with pytest.raises(TimeoutError):
        good.link.recv(1)
    good.close()


def test_an_idle_connection_may_be_used_again(hasty: Server, link: Link) -> None:
    """Proxies keep them for later requests."""
    kept, silent = link(), link()
    kept.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert rest(silent) == b""
    kept.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("part", [b"", b"POST /api/v1/rooms HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"])
def test_many_who_never_finish_keep_nobody_out(server: Callable[..., Server], valkey: Valkey, part: bytes) -> None:
    """Silent, or with a body that does not come: beyond the bound the oldest of them goes for each new one."""
    here = server(redis_url=valkey.url, arrivals_per_worker="20")
    silent = [socket.create_connection(("127.0.0.1", here.port), timeout=LATEST_SECONDS) for _ in range(60)]
    try:
        for one in silent:
            with contextlib.suppress(ConnectionError):
                one.sendall(part)
        assert status_of(here.port) == 101
        assert rest(silent[0]) == b""
        until(lambda: metrics_of(here, "refused", reason="arrivals") >= 40, "they are counted")
    finally:
        for one in silent:
            one.close()


def test_no_slow_handshake_leaves_a_trace_in_the_log(hasty: Server, link: Link) -> None:
    """Nor does one that goes away."""
    for part in (b"", b"GET /", b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"):
        slow = link()
        slow.sendall(part)
        slow.close()
    waiting = [link() for _ in range(3)]
    for one in waiting:
        one.sendall(b"GET /ws HTTP/1.1\r\n")
    for one in waiting:
        assert rest(one).startswith(b"HTTP/1.1 408 ")
    bad = [line for line in hasty.logged() if line["level"] in ("warning", "error") and line["event"] != "redis"]
    assert bad == []
