"""History and live put together for one joining member."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.catchup import up_to
from app.events import head
from app.room import Room, Verdict
from tests.fakes.log import batch, events, position


def room_at(seq: int, recent_first: int) -> Room:
    """A settled room whose recent events begin at `recent_first`."""
    room = Room("lobby", position(recent_first - 1))
    if seq >= recent_first:
        assert room.receive(batch(recent_first, seq)) is Verdict.DELIVER
    return room


def test_a_log_read_at_the_rooms_position_is_the_answer() -> None:
    """Nothing to put right."""
    assert up_to(room_at(9, 8), events(5, 9), 9) == events(5, 9)


def test_a_log_read_that_ran_ahead_is_cut() -> None:
    """What the room has not delivered yet will come as a broadcast, so it is not answered as well."""
    assert up_to(room_at(7, 7), events(5, 9), 9) == events(5, 7)
    assert up_to(room_at(4, 4), events(5, 9), 9) == []


def test_a_log_read_that_lags_is_extended() -> None:
    """What was broadcast while the log was read is taken from the room."""
    assert up_to(room_at(9, 7), events(5, 6), 6) == events(5, 9)
    assert up_to(room_at(9, 7), [], 6) == events(7, 9)


def test_a_log_read_that_lags_too_far_must_be_read_again() -> None:
    """The room's recent events do not reach back to where the read ended."""
    assert up_to(room_at(9, 8), events(5, 6), 6) is None


@given(st.data())
def test_a_joining_member_sees_neither_hole_nor_repeat(data: st.DataObject) -> None:
    """History from any read, then every broadcast after it: each event after the start once and in order."""
    start = data.draw(st.integers(0, 30), "start")
    top = data.draw(st.integers(start, 60), "log read up to")
    here = data.draw(st.integers(start, 60), "room's position")
    recent_first = data.draw(st.integers(1, here + 1), "oldest recent event")
    more = data.draw(st.integers(0, 20), "events afterwards")
    room = room_at(here, recent_first)
    answer = up_to(room, events(start + 1, top), top)
    if answer is None:
        assert recent_first > top + 1
        return
    seen = [head(one).seq for one in answer]
    for seq in range(here + 1, here + more + 1):
        late = batch(seq, seq)
        assert room.receive(late) is Verdict.DELIVER
        seen += [head(one).seq for one in late.payloads]
    assert seen == list(range(start + 1, here + more + 1))
