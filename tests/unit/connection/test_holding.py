"""Holding a connection and releasing it, and what a turn of the loop takes."""

from __future__ import annotations

import random

import pytest

from app import connection
from app.connection import FRAMES_AT_ONCE, LOOK_EVERY, TURN_SECONDS
from tests.fakes.loop import Clock
from tests.fakes.wire import PING, TEXT, close, frame
from tests.unit.connection.bench import MESSAGE_BYTES, Bench
from tests.unit.connection.streams import Library, chunks, control, fragmented, whole


def test_what_comes_while_held_comes_later_in_order(bench: Bench) -> None:
    """A receiver that holds gets nothing, and after release everything, whole and in order."""
    stream = b"".join(frame(TEXT, b"%d" % number) for number in range(50))
    bench.heard.at_message = lambda: bench.connection.hold() if len(bench.heard.messages) % 7 == 0 else None
    bench.receive(*(stream[at : at + 11] for at in range(0, len(stream), 11)))
    while len(bench.heard.messages) < 50:
        before = len(bench.heard.messages)
        bench.loop.run()
        assert len(bench.heard.messages) == before, "something came through while held"
        bench.connection.release()
        bench.loop.run()
        assert len(bench.heard.messages) > before
    assert bench.heard.messages == [str(number) for number in range(50)]


@pytest.mark.parametrize("seed", range(10))
def test_holds_at_random_lose_nothing(seed: int) -> None:
    """Receiver and slow peer hold and release in any order, within messages too: the same messages come."""
    dice = random.Random(3000 + seed)
    for _ in range(40):
        bench = Bench()
        stream = b"".join([*fragmented(dice), whole(dice), control(dice), *fragmented(dice), whole(dice)])
        library = Library(MESSAGE_BYTES)
        library.receive(stream)
        doings = [
            bench.connection.hold,
            bench.connection.release,
            bench.connection.pause_writing,
            bench.connection.resume_writing,
            bench.loop.turn,
        ]
        bench.heard.at_message = lambda doings=doings: dice.choice(doings[:2])()
        for chunk in chunks(dice, stream):
            bench.transport.receive(chunk)
            dice.choice(doings)()
        bench.heard.at_message = None
        bench.connection.resume_writing()
        bench.connection.release()
        bench.loop.run()
        assert bench.heard.messages == library.messages
        assert not bench.connection.held


def test_a_held_connection_keeps_what_was_pending_until_it_closes(bench: Bench) -> None:
    """Our close lets reading go on, so that the peer's answer is seen although requests wait unread."""
    bench.connection.hold()
    bench.receive(frame(TEXT, b"never"))
    bench.connection.close(1012)
    bench.loop.run()
    bench.receive(close(1012))
    assert (bench.heard.messages, bench.heard.losses, bench.transport.aborted) == ([], 1, False)


def test_a_turn_takes_a_bounded_number_of_frames(bench: Bench) -> None:
    """A peer that sends very many frames at once gets FRAMES_AT_ONCE a turn; the others have their turns between."""
    total = 3 * FRAMES_AT_ONCE + 10
    stream = b"".join(frame(TEXT, b"%d" % number) for number in range(total))
    bench.transport.receive(stream)
    turns = [len(bench.heard.messages)]
    while bench.loop.ready:
        bench.loop.turn()
        turns.append(len(bench.heard.messages))
    assert bench.heard.messages == [str(number) for number in range(total)]
    assert all(late - early <= FRAMES_AT_ONCE for early, late in zip([0, *turns], turns, strict=False))
    assert bench.transport.is_reading()


def test_a_turn_takes_frames_for_a_bounded_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ask for much are fewer a turn; all are taken, in order."""
    clock = Clock()
    monkeypatch.setattr(connection, "perf_counter", clock)
    bench.heard.at_message = lambda: clock.pass_(TURN_SECONDS)
    bench.transport.receive(b"".join(frame(TEXT, b"%d" % number) for number in range(100)))
    assert len(bench.heard.messages) == 2 * LOOK_EVERY
    bench.loop.run()
    assert bench.heard.messages == [str(number) for number in range(100)]
    assert bench.transport.is_reading()


def test_a_flood_of_pings_is_bounded_by_the_turn_too(bench: Bench) -> None:
    """Frames that carry no message count as well, and every ping gets its pong."""
    total = 2 * FRAMES_AT_ONCE
    bench.transport.receive(frame(PING, b"") * total)
    assert not bench.transport.is_reading()
    bench.loop.run()
    assert len(bench.replies) == total
