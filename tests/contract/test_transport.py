"""The tests' transport against those of asyncio and uvloop: what unit tests rely on is so with real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from tests.fakes.transport import Transport
from tests.support import until_async

BLOCK = bytes(65536)


class Protocol(asyncio.Protocol):
    """Keeps what happens to it."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.happened: list[str] = []

    def data_received(self, data: bytes) -> None:
        self.received += data

    def pause_writing(self) -> None:
        self.happened.append("paused")

    def resume_writing(self) -> None:
        self.happened.append("resumed")

    def connection_lost(self, exc: Exception | None) -> None:
        self.happened.append("lost")


class Ends:
    """A transport with its protocol, and the peer at its other end."""

    def __init__(self, transport: Any, protocol: Protocol, peer: Any) -> None:
        self.transport = transport
        self.protocol = protocol
        self._peer = peer
        self.taken = bytearray()

    async def until(self, holds: Callable[[], object]) -> None:
        """Let the loop turn until something is so."""
        await until_async(holds, "what the test waits for")

    def send(self, data: bytes) -> None:
        """The peer sends."""
        if self._peer is None:
            self.transport.receive(data)
        else:
            self._peer.sendall(data)

    def take(self) -> None:
        """The peer reads what there is."""
        if self._peer is None:
            self.transport.take()
            self.taken += self.transport.sent[len(self.taken) :]
            return
        try:
            while data := self._peer.recv(1 << 20):
                self.taken += data
        except BlockingIOError:
            pass

    def deafen(self) -> None:
        """The peer reads nothing until `take`."""
        if self._peer is None:
            self.transport.deaf = True


async def _real() -> Ends:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    protocol = Protocol()
    transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: protocol, sock=ours)
    return Ends(transport, protocol, theirs)


async def _fake() -> Ends:
    protocol = Protocol()
    transport = Transport(asyncio.get_running_loop())  # type: ignore[arg-type]
    transport.set_protocol(protocol)
    return Ends(transport, protocol, None)


@pytest.fixture(params=["fake", "asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[Ends], Coroutine[Any, Any, None]]], None]:
    """Runs a test on a transport of each kind."""

    def run(test: Callable[[Ends], Coroutine[Any, Any, None]]) -> None:
        async def main() -> None:
            ends = await (_fake() if request.param == "fake" else _real())
            try:
                await test(ends)
            finally:
                if "lost" not in ends.protocol.happened:
                    ends.transport.abort()
                    await ends.until(lambda: "lost" in ends.protocol.happened)
                if ends._peer is not None:
                    ends._peer.close()

        (uvloop.run if request.param == "uvloop" else asyncio.run)(main())

    return run


def _clog(ends: Ends) -> int:
    """Write to a peer that does not read until the transport holds more than its limit; how many bytes were written."""
    ends.deafen()
    ends.transport.set_write_buffer_limits(high=100_000)
    written = 0
    while ends.transport.get_write_buffer_size() <= 100_000:
        ends.transport.write(BLOCK)
        written += len(BLOCK)
    return written


def test_writing_over_the_limit_pauses_in_the_very_call(run) -> None:
    """And catching up resumes: what an outbox judges a peer by."""

    async def test(ends: Ends) -> None:
        written = _clog(ends)
        assert ends.protocol.happened == ["paused"]
        await ends.until(lambda: ends.take() or len(ends.taken) == written)
        await ends.until(lambda: ends.protocol.happened == ["paused", "resumed"])
        assert ends.transport.get_write_buffer_size() == 0

    run(test)


def test_close_lets_what_was_written_leave_first(run) -> None:
    """Then the protocol is told, once."""

    async def test(ends: Ends) -> None:
        written = _clog(ends)
        ends.transport.close()
        assert ends.transport.is_closing()
        await asyncio.sleep(0)
        assert "lost" not in ends.protocol.happened
        await ends.until(lambda: ends.take() or "lost" in ends.protocol.happened)
        ends.take()
        assert len(ends.taken) == written
        assert ends.protocol.happened.count("lost") == 1

    run(test)


def test_abort_ends_it_without_waiting_and_not_within_the_call(run) -> None:
    """What was not taken is dropped; further calls are no error."""

    async def test(ends: Ends) -> None:
        _clog(ends)
        ends.transport.abort()
        assert "lost" not in ends.protocol.happened
        ends.transport.write(b"late")
        ends.transport.close()
        await ends.until(lambda: "lost" in ends.protocol.happened)
        assert ends.protocol.happened == ["paused", "lost"]

    run(test)


def test_nothing_is_received_while_reading_is_paused(run) -> None:
    """Pausing and resuming twice is once, and what came meanwhile comes in order."""

    async def test(ends: Ends) -> None:
        ends.transport.pause_reading()
        ends.transport.pause_reading()
        ends.send(b"one ")
        for _ in range(20):
            await asyncio.sleep(0)
        assert ends.protocol.received == b""
        ends.transport.resume_reading()
        ends.transport.resume_reading()
        ends.send(b"two")
        await ends.until(lambda: ends.protocol.received == b"one two")

    run(test)


def test_after_write_eof_reading_goes_on_and_writing_is_an_error(run) -> None:
    """A failed connection hears its peer out, and nobody must write to it."""

    async def test(ends: Ends) -> None:
        assert ends.transport.can_write_eof()
        ends.transport.write(b"last words")
        ends.transport.write_eof()
        with pytest.raises(RuntimeError):
            ends.transport.write(b"more")
        ends.send(b"still here")
        await ends.until(lambda: ends.protocol.received == b"still here")
        await ends.until(lambda: ends.take() or ends.taken == b"last words")

    run(test)


def test_a_closing_transport_reads_no_more(run) -> None:
    """What the peer still sends is not delivered, also after asking for it."""

    async def test(ends: Ends) -> None:
        _clog(ends)
        ends.transport.close()
        ends.transport.resume_reading()
        ends.send(b"late")
        for _ in range(20):
            await asyncio.sleep(0)
        assert ends.protocol.received == b""

    run(test)
