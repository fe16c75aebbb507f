"""Slow and silent peers, and what an idle connection costs."""

from __future__ import annotations

from websockets.protocol import OPEN

from app import connection as module
from app.connection import CLOSE_SECONDS
from tests.fakes.transport import Transport
from tests.fakes.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, frame
from tests.unit.connection.bench import LIMITS, Bench, Heard


def test_a_peer_that_takes_nothing_is_closed_as_slow(bench: Bench) -> None:
    """Above the soft limit, and nothing taken for the grace time: 4001, then the end."""
    bench.transport.deaf = True
    bench.connection.outbox.write(bytes(LIMITS.soft_bytes + 1))
    assert not bench.transport.is_reading()
    bench.later(LIMITS.grace_seconds - 0.1)
    assert bench.connection.is_open
    bench.later(0.2)
    assert not bench.connection.is_open
    bench.later(CLOSE_SECONDS)
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


def test_a_slow_peer_that_wakes_up_reads_why(bench: Bench) -> None:
    """What was written before leaves first, and the close frame last."""
    bench.transport.deaf = True
    whole = b"\x82\x7e" + (1200).to_bytes(2, "big") + bytes(1200)
    bench.connection.outbox.write(whole)
    bench.later(LIMITS.grace_seconds)
    bench.connection.outbox.write(b"\x81\x01a")
    bench.transport.take()
    assert bench.code == 4001
    assert [opcode for opcode, _ in bench.replies] == [BINARY, CLOSE]


def test_a_peer_far_behind_is_closed_at_once(bench: Bench) -> None:
    """Over the hard limit no grace is given, and the buffer does not grow."""
    bench.transport.deaf = True
    for _ in range(20):
        bench.connection.outbox.write(bytes(900))
    assert not bench.connection.is_open
    assert bench.transport.get_write_buffer_size() <= LIMITS.hard_bytes + 200


def test_a_peer_that_catches_up_in_time_stays(bench: Bench) -> None:
    """Slow for less than the grace time is no offence, and its requests are read again."""
    bench.transport.deaf = True
    bench.connection.outbox.write(bytes(LIMITS.soft_bytes + 1))
    bench.transport.receive(frame(TEXT, b"asked meanwhile"))
    bench.later(LIMITS.grace_seconds - 0.1)
    assert bench.heard.messages == []
    bench.transport.take()
    bench.later(10)
    assert bench.connection.is_open
    assert bench.heard.messages == ["asked meanwhile"]


def test_a_silent_peer_is_closed_after_two_heartbeats(bench: Bench) -> None:
    """Any byte is a sign of life; without one the third beat is the end."""
    bench.connection.beat()
    bench.connection.beat()
    bench.receive(frame(PONG, b""))
    bench.connection.beat()
    bench.connection.beat()
    assert bench.connection.is_open
    bench.connection.beat()
    assert bench.code == 4002


async def test_all_connections_are_beaten_and_waited_for(bench: Bench) -> None:
    """The heartbeat reaches every connection, and `gone` is true once the last one is lost."""
    others = [Transport(bench.loop) for _ in range(450)]
    for transport in others:
        bench.connect(transport, Heard())
    await bench.all.heartbeat()
    assert all(bytes(one.sent) == Heard.heartbeat for one in [bench.transport, *others])
    assert await bench.all.gone(0) is False
    for one in [bench.transport, *others]:
        one.abort()
    bench.loop.run()
    assert await bench.all.gone(0) is True


def test_an_idle_connection_owns_no_parser_and_no_deadline(bench: Bench) -> None:
    """What a rare frame needed is given back, so that ten thousand idle connections share one spare."""
    bench.receive(frame(PING, b"x"), frame(TEXT, b"a", fin=False), frame(CONT, b"b"))
    assert len(bench.deadlines) == 0
    spare = bench.all.take_library()
    assert spare.state is OPEN
    assert spare.current_size is None
    assert bench.all.take_library() is not spare


def test_the_module_holds_no_dict_per_connection() -> None:
    """A connection is slots only; a __dict__ would cost more than all of them."""
    assert not hasattr(Bench().connection, "__dict__")
    assert "__slots__" in vars(module.Connection)
