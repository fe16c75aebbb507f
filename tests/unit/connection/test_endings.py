"""The end of a connection, in both directions."""

from __future__ import annotations

import pytest

from app.connection import CLOSE_SECONDS, CLOSING_FRAMES, DROPPED_BYTES
from tests.fakes.wire import CLOSE, PING, PONG, TEXT, close, frame
from tests.unit.connection.bench import Bench


def test_the_peers_close_is_answered_with_its_code(bench: Bench) -> None:
    """The closing handshake begun by the peer: its code comes back, and the transport is let go."""
    bench.receive(close(4321, b"bye"))
    assert bench.replies == [(CLOSE, (4321).to_bytes(2, "big") + b"bye")]
    assert (bench.transport.closing, bench.heard.losses) == (True, 1)


@pytest.mark.parametrize(("code", "goodbyes"), [(1000, 1), (1001, 0), (4000, 0)])
def test_only_a_close_with_1000_is_a_goodbye(bench: Bench, code: int, goodbyes: int) -> None:
    """Told before the loss, once; a browser that is reloaded says 1001, and may come back."""
    bench.receive(close(code))
    assert (bench.heard.goodbyes, bench.heard.losses) == (goodbyes, 1)


def test_an_answer_to_our_close_is_no_goodbye(bench: Bench) -> None:
    """It was us who left."""
    bench.connection.close(1012, "restart")
    bench.receive(close(1000))
    assert (bench.heard.goodbyes, bench.heard.losses) == (0, 1)


def test_replies_that_wait_leave_before_the_close(bench: Bench) -> None:
    """What was answered in the same turn is written before the close frame, in order."""
    bench.heard.at_message = lambda: bench.connection.outbox.reply(b"\x81\x02ok")
    bench.receive(frame(TEXT, b"q") + frame(PING, b"p") + close(1000))
    assert [opcode for opcode, _ in bench.replies] == [TEXT, PONG, CLOSE]


def test_our_close_waits_for_the_peers(bench: Bench) -> None:
    """The closing handshake begun here: messages on the way are dropped, the peer's close ends it."""
    bench.connection.close(4001, "slow")
    assert bench.code == 4001
    bench.receive(frame(TEXT, b"late"), frame(PING, b""))
    assert not bench.transport.closing
    bench.receive(close(4001))
    assert (bench.heard.messages, bench.heard.losses, bench.code) == ([], 1, 4001)
    assert len(bench.deadlines) == 0


def test_a_peer_that_never_answers_our_close_is_aborted(bench: Bench) -> None:
    """CLOSE_SECONDS after the close frame the transport is cut."""
    bench.connection.close(1012)
    bench.later(CLOSE_SECONDS - 0.1)
    assert not bench.transport.aborted
    bench.later(0.2)
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


def test_a_peer_that_does_not_take_the_answer_to_its_close_is_aborted(bench: Bench) -> None:
    """A deaf peer cannot keep its connection by saying goodbye."""
    bench.transport.deaf = True
    bench.receive(close(1000))
    assert bench.heard.losses == 0
    bench.later(CLOSE_SECONDS + 0.1)
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


@pytest.mark.parametrize("ending", ["ours", "peer's", "failure"])
def test_nothing_is_written_after_a_close(ending: str) -> None:
    """Once a close frame is written no broadcast, reply, heartbeat or second close follows."""
    bench = Bench()
    if ending == "ours":
        bench.connection.close(1012)
    else:
        bench.receive(close(1000) if ending == "peer's" else frame(TEXT, b"\xff"))
    before = bytes(bench.transport.sent)
    connection = bench.connection
    connection.outbox.write(b"\x81\x01a")
    connection.outbox.reply(b"\x81\x01b")
    connection.beat()
    connection.close(4000)
    connection.too_slow()
    bench.receive(frame(PING, b"x"), frame(TEXT, b"\xff"), frame(TEXT, b"m", masked=False))
    assert bytes(bench.transport.sent) == before
    assert not connection.is_open


def test_after_a_failure_the_peer_can_still_hear_it(bench: Bench) -> None:
    """A failed connection half-closes, reads and drops for a while, and is then cut: no reset overtakes the close."""
    bench.receive(frame(TEXT, b"\xff"))
    assert bench.transport.eof_written
    assert not bench.transport.closing
    bench.receive(bytes(DROPPED_BYTES))
    assert not bench.transport.aborted
    bench.later(CLOSE_SECONDS)
    assert bench.transport.aborted


def test_a_failed_peer_that_keeps_sending_is_cut(bench: Bench) -> None:
    """No more than DROPPED_BYTES are read for nothing."""
    bench.receive(frame(TEXT, b"\xff"), bytes(DROPPED_BYTES + 1))
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


def test_a_peer_that_floods_instead_of_closing_is_cut(bench: Bench) -> None:
    """Told to go, it is read until its close comes, but DROPPED_BYTES at most, and never piled up."""
    bench.connection.close(4005, "flood")
    flood = frame(PING, b"x" * 100) * (DROPPED_BYTES // 2 // 106)
    bench.receive(flood)
    assert not bench.transport.aborted
    bench.receive(flood, flood)
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


def test_an_answer_to_a_close_is_looked_for_among_some_frames_only(bench: Bench) -> None:
    """Behind very many tiny ones it comes too late: the peer sees the end, and is cut when its time is over."""
    other = Bench()
    other.connection.close(4501)
    other.receive(frame(TEXT, b"") * (CLOSING_FRAMES // 2) + close(4501))
    assert other.heard.losses == 1
    bench.connection.close(4501)
    bench.receive(frame(TEXT, b"") * CLOSING_FRAMES + close(4501))
    assert (bench.transport.eof_written, bench.transport.aborted, bench.code) == (True, False, 4501)
    bench.later(CLOSE_SECONDS)
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


def test_a_transport_without_half_close_fails_the_same() -> None:
    """TLS has no write_eof."""
    bench = Bench(has_eof=False)
    bench.receive(frame(TEXT, b"\xff"))
    assert bench.code == 1007


def test_the_receiver_is_told_once_that_the_connection_is_lost(bench: Bench) -> None:
    """However it ends, and whatever deadlines were set."""
    bench.connection.close(1000)
    bench.transport.abort()
    bench.loop.run()
    bench.later(60)
    assert bench.heard.losses == 1
    assert (len(bench.all.open), len(bench.deadlines)) == (0, 0)
