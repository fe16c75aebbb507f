"""Handshakes over raw sockets, as no library would send them."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from tests.support import Server

KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="


def request(port: int, path: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """A proper handshake, and these headers."""
    own = [
        ("Host", f"127.0.0.1:{port}"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in (*own, *headers))
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


class Handshake:
    """One handshake and its answer: the status, headers in lower case, and the body so far. `close` ends it."""

    def __init__(self, port: int, path: str = "/ws", headers: Sequence[tuple[str, str]] = (), source: str = "") -> None:
        self.link = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
        self.link.sendall(request(port, path, headers))
        got = b""
        while b"\r\n\r\n" not in got:
            part = self.link.recv(65536)
            assert part, f"closed after {got!r}"
            got += part
        head, _, self.body = got.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def close(self) -> None:
        """Just go."""
        self.link.close()


def status_of(port: int, path: str = "/ws", headers: Sequence[tuple[str, str]] = ()) -> int:
    """The status of a handshake that is not wanted any further."""
    made = Handshake(port, path, headers)
    made.close()
    return made.status


def metrics_of(server: Server, name: str, **labels: str) -> float:
    """A counter of the server's, over all workers."""
    return server.metric(f"parley_{name}_total", **labels)
