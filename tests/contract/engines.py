"""The stores that the contract is held against: the bundled Valkey and Redis in a container.

Each can be stopped, frozen and misconfigured, and is looked into with redis-py, which shares no code with Parley.
"""

from __future__ import annotations

import shlex
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

import redis

from app.backplane.permissions import USER
from tests.support import PASSWORD, USER_OPTIONS, Valkey, free_port, until

IMAGE = "redis:8"


class Engine(Protocol):
    """A Redis-compatible server of the test's own. `url` is for a user who may do what servers need, no more."""

    url: str

    def kill(self) -> None:
        """As if the machine had lost power."""

    def start(self) -> None:
        """Start it again after `kill`."""

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""

    def thaw(self) -> None:
        """It goes on; no error if it is not frozen."""


def almighty(url: str) -> str:
    """The same engine, for its user without a name."""
    return urlsplit(url)._replace(netloc=url.rpartition("@")[2].partition("/")[0]).geturl()


@contextmanager
def witness(url: str) -> Iterator[redis.Redis]:
    """A connection to look into an engine, and to trouble it: its user may do everything."""
    client = redis.Redis.from_url(almighty(url), decode_responses=False)
    try:
        yield client
    finally:
        client.close()


def refused(url: str) -> list[str]:
    """What was refused to the servers' user for want of permission, but for the doctor's question who it is."""
    with witness(url) as client:
        entries = client.acl_log()
    return [
        f"{entry['reason']}: {entry['object']} ({entry['client-info']['cmd']})"
        for entry in entries
        if entry["username"] == USER and entry["reason"] != "auth" and entry["object"] != "acl|whoami"
    ]


class EmbeddedValkey:
    """The binary that ships with Parley."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self.url = valkey.url

    def kill(self) -> None:
        self._valkey.kill()

    def start(self) -> None:
        self._valkey.start()

    def freeze(self) -> None:
        self._valkey.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._valkey.signal(signal.SIGCONT)


class ContainerRedis:
    """Redis as most people run it. A fixed port, so that a restart finds it in the same place."""

    def __init__(self) -> None:
        from testcontainers.community.redis import RedisContainer

        command = ("redis-server", "--appendonly", "yes", "--save", "", *USER_OPTIONS)
        self._container = RedisContainer(IMAGE).with_command(shlex.join(command))
        self._container.with_bind_ports(6379, free_port())
        self._container.start()
        host = self._container.get_container_host_ip()
        self._place = (host, int(self._container.get_exposed_port(6379)))
        self.url = f"redis://{USER}:{PASSWORD}@{self._place[0]}:{self._place[1]}/0"
        self._frozen = False

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def start(self) -> None:
        self._container.get_wrapped_container().start()
        until(self._answers, "Redis answers after its start")

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()
        self._frozen = True

    def thaw(self) -> None:
        if self._frozen:
            self._container.get_wrapped_container().unpause()
            self._frozen = False

    def stop(self) -> None:
        """Remove the container."""
        self.thaw()
        self._container.stop()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(self._place, timeout=10) as link:
                link.sendall(b"PING\r\n")
                return link.recv(100).startswith(b"+PONG")
        except OSError:
            return False
