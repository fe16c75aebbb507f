"""A connection on a bench: no socket, a clock that stands still, a receiver that keeps what it hears."""

from __future__ import annotations

from typing import Any

from app.connection import Connection, Connections
from app.deadlines import Deadlines
from app.outbox import OutboxLimits, OutboxPool
from tests.fakes.loop import Clock, Loop
from tests.fakes.transport import Transport
from tests.fakes.wire import close_code, parse

MESSAGE_BYTES = 2000
LIMITS = OutboxLimits(soft_bytes=1000, grace_seconds=2.0, hard_bytes=5000)


class Heard:
    """A receiver that keeps what it hears, and may do something at each message."""

    heartbeat = b"\x89\x00"

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.losses = 0
        self.goodbyes = 0
        self.at_message: Any = None
        self.throttles: list[tuple[str, float]] = []

    def text(self, payload: bytes) -> None:
        self.messages.append(payload.decode())
        if self.at_message:
            self.at_message()

    def binary(self, payload: bytes) -> None:
        self.messages.append(payload)
        if self.at_message:
            self.at_message()

    def throttled(self, limit: str, seconds: float) -> None:
        self.throttles.append((limit, seconds))

    def goodbye(self) -> None:
        self.goodbyes += 1

    def lost(self) -> None:
        self.losses += 1


class Bench:
    """A connection on a transport without a socket, with a clock that stands still."""

    def __init__(self, message_bytes: int = MESSAGE_BYTES, *, has_eof: bool = True) -> None:
        self.clock = Clock()
        self.loop = Loop()
        self.deadlines = Deadlines(self.clock)
        self.all = Connections(self.loop, OutboxPool(self.loop, self.deadlines, LIMITS), message_bytes)  # type: ignore
        self.heard = Heard()
        self.transport = Transport(self.loop, has_eof=has_eof)
        self.connection = self.connect(self.transport, self.heard)

    def connect(self, transport: Transport, heard: Heard) -> Connection:
        """Another connection of the same worker."""
        connection = Connection(transport, self.all)
        transport.set_protocol(connection)
        connection.receiver = heard
        return connection

    def receive(self, *chunks: bytes) -> None:
        """The peer sends; then the loop runs dry."""
        for chunk in chunks:
            self.transport.receive(chunk)
            self.loop.run()

    def later(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        self.clock.pass_(seconds)
        self.deadlines.sweep()
        self.loop.run()

    @property
    def code(self) -> int | None:
        """The code of the close frame sent."""
        return close_code(self.transport.sent)

    @property
    def replies(self) -> list[tuple[int, bytes]]:
        """Opcode and payload of everything sent."""
        return [(int(one.opcode), bytes(one.data)) for one in parse(self.transport.sent)]
