"""One connection to Redis: RESP over asyncio, pipelined, everything written in a turn of the loop as one write.

redis-py costs 90 us per awaited command and 6 us per received publication, this 2 us and 0.3 us; and it retries
writes by itself, which would publish twice.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast
from urllib.parse import urlsplit

import hiredis
from redis.asyncio.connection import SSLConnection, parse_url

from app.config import Settings, flag, password_in
from app.errors import NotConfirmed, SettingError, Unavailable, reason

Reply = Any
"""What Redis answered: bytes, int, list, None, a hiredis.ReplyError, or NotConfirmed if the connection was lost."""


Argument = str | bytes | int | float

# The stub of pack_command names a tuple of exactly one element.
pack: Callable[[tuple[Argument, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]
"""A command as RESP."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Redis server is and how to log in. The password is in no representation.

    A `password_file` is read at every login, so that a new password needs no new start.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: str | None = None
    db: int = 0
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read redis://, rediss:// and unix:// URLs. Raises SettingError, which does not repeat the URL."""
        try:
            parts: dict[str, Any] = dict(parse_url(url))
            if not parts.get("path") and "db" not in parts and urlsplit(url).path.strip("/"):
                raise ValueError("its path is no number of a database")
            tls = None
            if parts.pop("connection_class", None) is SSLConnection:
                tls = ssl.create_default_context(cafile=parts.get("ssl_ca_certs"))
                if parts.get("ssl_cert_reqs") == "none":
                    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            return cls(
                host=parts.get("host") or "127.0.0.1",
                port=int(parts.get("port") or 6379),
                path=parts.get("path"),
                username=parts.get("username"),
                password=parts.get("password"),
                db=int(parts.get("db") or 0),
                tls=tls,
            )
        except (ValueError, OSError):
            raise SettingError(flag("redis_url"), "not a Redis URL like redis://host:6379/0") from None

    @classmethod
    def of(cls, settings: Settings) -> Address:
        """The address that the settings name. Raises SettingError for files that are none, or that do not fit it."""
        if settings.embedded:
            said = "needed: a password file and certificates are for a Redis of your own"
            raise SettingError(flag("redis_url"), said)
        address = cls.parse(settings.redis_url)
        if settings.redis_password_file:
            if address.password is not None:
                raise SettingError(flag("redis_password_file"), "the URL of Redis has a password already")
            address = replace(address, password_file=settings.redis_password_file)
            address.secret()
        files = settings.redis_certificates
        if address.tls is None and any(files):
            raise SettingError(flag("redis_url"), "certificates are given: with TLS it begins with rediss://")
        if settings.redis_key_file and not settings.redis_cert_file:
            raise SettingError(flag("redis_key_file"), "is of no use without the certificate, redis_cert_file")
        if address.tls is not None:
            address = replace(address, tls=_context(address.tls, *files))
        return address

    def secret(self) -> str | None:
        """The password to log in with now. Raises SettingError if its file holds none."""
        return self.password if self.password_file is None else password_in(self.password_file)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}/{self.db}"


def _context(url_says: ssl.SSLContext, ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """Trust `ca` alone where it is given, and show `certificate`, whose key may be in the same file."""
    try:
        tls = ssl.create_default_context(cafile=ca) if ca else url_says
    except OSError as error:
        raise SettingError(flag("redis_ca_file"), f"{ca} holds no certificates ({reason(error)})") from None
    if certificate:
        try:
            tls.load_cert_chain(certificate, key or None, password="")  # else it would ask for one
        except OSError as error:
            said = f"{certificate} holds no certificate with its key ({reason(error)})"
            raise SettingError(flag("redis_cert_file"), said) from None
    return tls


MOVED = ("READONLY", "MASTERDOWN")
"""How a Redis refuses that has become a replica. Who is connected stays so; the address may lead to the new primary."""


class Link(asyncio.Protocol):
    """A connection. Made by `Link.connect`; ended by `drop`, by Redis, or by silence (see `overdue`).

    `moved`: it was ended because Redis refused what only a primary does.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[], None]) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Callable[[Reply], None]] = deque()
        self._out: list[bytes] = []
        self._unanswered_since = 0.0
        self.up = False
        self.moved = False

    @classmethod
    async def connect(cls, address: Address, name: str, seconds: float, on_lost: Callable[[], None]) -> Self:
        """Connect and log in within `seconds`.

        Raises:
            Unavailable: not reachable in time.
            SettingError: reached, but refused (password, database).
        """
        loop = asyncio.get_running_loop()
        link = cls(loop, on_lost)
        try:
            async with asyncio.timeout(seconds):
                if address.path:
                    await loop.create_unix_connection(lambda: link, address.path)
                else:
                    await loop.create_connection(lambda: link, address.host, address.port, ssl=address.tls)
                await link._log_in(address, name)
        except NotConfirmed:
            link.drop()
            said = "the connection ends at the login: is it a Redis, and with TLS or without as the URL says?"
            raise Unavailable(f"Redis at {address} cannot be reached: {said}") from None
        except (OSError, TimeoutError) as error:
            link.drop()
            raise Unavailable(f"Redis at {address} cannot be reached: {reason(error) or 'no answer'}") from None
        except hiredis.ReplyError as error:
            link.drop()
            if str(error).startswith(("LOADING", "MASTERDOWN", "ERR max number")):
                raise Unavailable(f"Redis at {address} is not ready: {error}") from None
            raise SettingError(flag("redis_url"), f"Redis at {address} refuses the login: {error}") from None
        except BaseException:
            link.drop()
            raise
        link.up = True
        return link

    async def _log_in(self, address: Address, name: str) -> None:
        password = address.secret()
        if password is not None:
            await self.call("AUTH", *filter(None, (address.username,)), password)
        if address.db:
            await self.call("SELECT", address.db)
        await self.call("CLIENT", "SETNAME", name)

    # Commands

    def post(self, command: bytes, answer: Callable[[Reply], None]) -> None:
        """Send a packed command at the end of this turn; `answer` gets the reply, exactly once."""
        if not self._waiting:
            self._unanswered_since = self._loop.time()
        self._waiting.append(answer)
        self.write(command)

    def write(self, command: bytes) -> None:
        """Send a packed command whose reply, if any, `received` handles."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(command)

    async def call(self, *command: Argument) -> Reply:
        """One command and its reply. Raises hiredis.ReplyError, or NotConfirmed if the connection is lost first."""
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self.post(pack(command), lambda reply: None if answer.done() else answer.set_result(reply))
        reply = await answer
        if isinstance(reply, Exception):
            raise reply
        return reply

    def now(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time()

    def overdue(self, seconds: float) -> bool:
        """Whether something has been asked and nothing at all has come back for so long."""
        return bool(self._waiting) and self._loop.time() - self._unanswered_since > seconds

    @property
    def peer(self) -> str:
        """The IP address at the other end; empty for a socket of this machine, and without a connection."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return str(name[0]) if isinstance(name, tuple) else ""

    def drop(self) -> None:
        """End the connection now; whoever waits gets NotConfirmed."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        # A cast: uvloop's transports have the methods, not the base class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Replies, in the order of the commands."""
        self._unanswered_since = self._loop.time()
        self._reader.feed(data)
        replies = []
        try:
            while (reply := self._reader.gets()) is not _MORE:
                replies.append(reply)
        except hiredis.ProtocolError:  # no Redis is there
            self.drop()
            return
        self.received(replies)

    def received(self, replies: list[Reply]) -> None:
        """All replies of one read. A Redis that is none to write to any more is left."""
        waiting = self._waiting
        for reply in replies:
            waiting.popleft()(reply)
            if isinstance(reply, hiredis.ReplyError) and str(reply).startswith(MOVED):
                self.moved = True
        if self.moved:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: answer everybody. Idempotent."""
        if self._transport is None and not self._waiting:
            return
        was_up, self.up, self._transport = self.up, False, None
        waiting, self._waiting = self._waiting, deque()
        lost = NotConfirmed("the connection to Redis was lost; the change may or may not be stored")
        for answer in waiting:
            answer(lost)
        if was_up:
            self._on_lost()


_MORE = object()
