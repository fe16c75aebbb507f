"""The recent events of a room: what they answer by themselves, and how far they reach back."""

from __future__ import annotations

import pytest

from app.events import Batch
from app.room import RECENT_BYTES, RECENT_EVENTS, STRETCHED_BYTES, Room, Verdict
from tests.fakes.log import batch, event, events, mid, position


def at(seq: int) -> Room:
    """A settled room at a position."""
    return Room("lobby", position(seq))


def test_recent_events_answer_a_resume() -> None:
    """The events after a seq, as far back as they are kept."""
    room = at(5)
    room.receive(batch(6, 10))
    assert room.recent_first == 6
    assert room.after(7) == events(8, 10)
    assert room.after(5) == events(6, 10)
    assert room.after(10) == []
    assert room.after(4) is None


def test_recent_events_answer_a_fresh_join() -> None:
    """The latest ones, fewer where there are no more at hand."""
    room = at(5)
    room.receive(batch(6, 10))
    assert room.latest(3) == events(8, 10)
    assert room.latest(5) == room.latest(6) == events(6, 10)
    assert room.latest(0) == []
    young = at(0)
    assert young.latest(50) == []
    young.receive(batch(1, 3))
    assert young.latest(50) == events(1, 3)


def test_mids_prove_a_position() -> None:
    """Of the position itself and of each recent event; of what is not at hand, none."""
    room = at(5)
    room.receive(batch(6, 8))
    assert [room.mid_at(seq) for seq in range(4, 10)] == [None, None, "m.6", "m.7", "m.8", None]
    assert (at(0).mid_at(0), Room("lobby").mid_at(0)) == ("", None)


def test_the_place_before_the_first_event_is_proved_while_that_is_at_hand() -> None:
    """Nothing was before it, so its mid is empty."""
    room = at(0)
    room.receive(batch(1, 3))
    assert room.mid_at(0) == ""
    later = at(1)
    later.receive(batch(2, 3))
    assert (later.mid_at(0), later.mid_at(1), later.mid_at(-1)) == (None, None, None)


def test_answers_are_copies() -> None:
    """What the room keeps does not change with what it has given away."""
    room = at(0)
    room.receive(batch(1, 3))
    for answer in (room.latest(50), room.latest(2), room.after(0)):
        assert answer is not None
        answer.clear()
    assert room.latest(50) == events(1, 3)


def test_recent_events_are_bounded_in_number() -> None:
    """Never more than twice RECENT_EVENTS, and at least RECENT_EVENTS once there have been as many."""
    room = at(0)
    for seq in range(1, 5 * RECENT_EVENTS):
        room.receive(batch(seq, seq))
        kept = room.position.seq - room.recent_first + 1
        assert min(seq, RECENT_EVENTS) <= kept <= 2 * RECENT_EVENTS
        assert room.after(room.recent_first - 1) == events(room.recent_first, seq)


def test_recent_events_are_bounded_in_bytes() -> None:
    """Large events push out older ones; a single one over the bound is not kept at all."""
    room = at(0)
    large = "x" * (RECENT_BYTES // 10)
    for seq in range(1, 100):
        payload = event(seq, text=large)
        assert room.receive(Batch("e", seq, mid(seq - 1), mid(seq), [payload])) is Verdict.DELIVER
        kept = room.after(room.recent_first - 1)
        assert kept is not None
        assert sum(map(len, kept)) <= RECENT_BYTES
        assert kept[-1:] == [payload]
    huge = event(100, text="x" * (RECENT_BYTES + 1))
    room.receive(Batch("e", 100, mid(99), mid(100), [huge]))
    assert (room.after(100), room.after(99), room.latest(1), room.mid_at(100)) == ([], None, [], "m.100")


def test_a_room_trimmed_of_large_events_still_knows_its_place() -> None:
    """After trimming, what follows is delivered and what was is a duplicate."""
    room = at(0)
    huge = event(1, text="x" * (RECENT_BYTES + 1))
    room.receive(Batch("e", 1, "", "m.1", [huge]))
    assert room.receive(batch(1, 2)) is Verdict.DELIVER
    assert room.receive(batch(1, 1)) is Verdict.DUPLICATE


# Reaching back


def test_a_stretched_room_keeps_what_is_put_before() -> None:
    """Older events join the recent ones, and newer ones do not push them out until the room shrinks."""
    room = at(0)
    for first in range(1, 2001, 50):
        room.receive(batch(first, first + 49))
    assert room.after(1000) is None
    room.stretch()
    room.prepend(events(1001, room.recent_first))
    for first in range(2001, 3001, 50):
        room.receive(batch(first, first + 49))
    assert room.after(1000) == events(1001, 3000)
    assert room.mid_at(1001) == "m.1001"
    room.shrink()
    assert room.after(1000) is None
    assert RECENT_EVENTS >= len(room.latest(3000)) >= RECENT_EVENTS // 2
    assert room.receive(batch(3001, 3001)) is Verdict.DELIVER


@pytest.mark.parametrize(
    "wrong",
    [[], events(1, 3), events(1, 4), events(7, 9), events(6, 7), events(1, 5, "other"), events(1, 8, "other")],
)
def test_events_that_are_not_proved_to_lead_to_the_recent_ones_are_left_out(wrong: list[bytes]) -> None:
    """A hole, or events of a log that lost its tail and went on otherwise, would be worse than a second read."""
    room = at(4)
    room.receive(batch(5, 8))
    room.stretch()
    room.prepend(wrong)
    assert room.latest(100) == events(5, 8)


@pytest.mark.parametrize(("first", "last"), [(1, 5), (3, 5), (1, 8), (4, 6)])
def test_events_that_end_with_one_that_is_known_are_put_before(first: int, last: int) -> None:
    """Each is there once, however far they overlap."""
    room = at(4)
    room.receive(batch(5, 8))
    room.prepend(events(first, last))
    assert room.latest(100) == events(first, 8)


def test_events_are_put_before_a_position_alone() -> None:
    """A room of which nothing is at hand knows where it is; that is proof enough, of the same log."""
    room = at(4)
    room.prepend(events(1, 4, "other"))
    assert room.latest(100) == []
    room.prepend(events(1, 4))
    assert room.latest(100) == events(1, 4)


def test_a_stretched_room_is_bounded_too() -> None:
    """Over STRETCHED_BYTES it shrinks by itself."""
    room = at(0)
    room.stretch()
    large = "x" * 500_000
    for seq in range(1, 60):
        room.receive(Batch("e", seq, mid(seq - 1), mid(seq), [event(seq, text=large)]))
        assert sum(map(len, room.latest(100))) <= STRETCHED_BYTES
