"""Connections that are no websockets: how long they may take, and which goes when there are too many."""

from __future__ import annotations

from app.arrivals import ACCEPTED, SWEEP_SECONDS, Arrivals, Doing, State, Waits
from app.deadlines import Deadlines
from app.metrics import Counters
from tests.fakes.loop import Clock

WAITS = Waits(head=10.0, nothing=65.0, served=30.0)


class Caller:
    """A connection that does what the test says."""

    def __init__(self, state: State = ACCEPTED) -> None:
        self.state_now = state
        self.words: bytes | None = None

    def cut(self, last: bytes) -> None:
        """Keep the last words."""
        self.words = last


class Hall:
    """Arrivals with a clock and the sweep of the worker."""

    def __init__(self, most: int = 3) -> None:
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock)
        self.counters = Counters()
        self.arrivals = Arrivals(self.clock, self.deadlines, self.counters, most, WAITS, b"late", b"full")

    def enter(self, *callers: Caller) -> None:
        """They come, in this order."""
        for caller in callers:
            self.arrivals.enter(caller)

    def wait(self, seconds: float) -> None:
        """Time passes, sweep by sweep."""
        for _ in range(int(seconds / SWEEP_SECONDS)):
            self.clock.now += SWEEP_SECONDS
            self.deadlines.sweep()


def test_a_handshake_has_its_seconds_from_acceptance() -> None:
    """Whether something of it has come or not."""
    hall, silent, slow = Hall(), Caller(), Caller()
    hall.enter(silent, slow)
    hall.wait(9.5)
    assert silent.words is None
    hall.wait(1)
    assert silent.words == slow.words == b"late"
    assert len(hall.arrivals) == 0
    assert hall.counters.refused_late == 2


def test_a_later_request_has_them_from_its_first_bytes() -> None:
    """And an idle connection may wait for longer."""
    hall, caller = Hall(), Caller()
    hall.enter(caller)
    hall.wait(5)
    caller.state_now = (Doing.NOTHING, 1)
    hall.wait(60)
    caller.state_now = (Doing.SENDING_HEAD, 1)
    hall.wait(9.5)
    assert caller.words is None
    hall.wait(1)
    assert caller.words == b"late"


def test_an_idle_connection_ends_without_a_word() -> None:
    """It is no refusal either."""
    hall, caller = Hall(), Caller((Doing.NOTHING, 1))
    hall.enter(caller)
    hall.wait(67)
    assert caller.words == b""
    assert hall.counters.refused_late == 0


def test_a_request_that_never_ends_is_cut() -> None:
    """As one whose body trickles in."""
    hall, caller = Hall(), Caller((Doing.BEING_SERVED, 1))
    hall.enter(caller)
    hall.wait(29)
    assert caller.words is None
    hall.wait(2)
    assert caller.words == b""
    assert hall.counters.refused_late == 1


def test_each_request_has_its_own_time() -> None:
    """A connection that is busy with one after another lives on."""
    hall, caller = Hall(), Caller()
    hall.enter(caller)
    for number in range(1, 20):
        caller.state_now = (Doing.BEING_SERVED, number)
        hall.wait(20)
    assert caller.words is None


def test_who_has_left_is_not_cut() -> None:
    """It may be a websocket by now."""
    hall, caller = Hall(), Caller()
    hall.enter(caller)
    hall.arrivals.leave(caller)
    hall.arrivals.leave(caller)
    hall.wait(70)
    assert caller.words is None


def test_where_there_are_too_many_the_oldest_goes() -> None:
    """Those who only wait cannot keep out those who come."""
    hall, callers = Hall(3), [Caller() for _ in range(5)]
    hall.enter(*callers)
    assert [caller.words for caller in callers] == [b"", b"", None, None, None]
    assert len(hall.arrivals) == 3
    assert hall.counters.refused_arrivals == 2


def test_nobody_goes_while_being_served() -> None:
    """The next oldest goes instead; if all are served, the new one, and it is told why."""
    hall, served = Hall(2), Caller((Doing.BEING_SERVED, 1))
    waiting, new, late = Caller(), Caller((Doing.BEING_SERVED, 1)), Caller()
    hall.enter(served, waiting, new)
    assert (served.words, waiting.words, new.words) == (None, b"", None)
    hall.enter(late)
    assert late.words == b"full"
    assert len(hall.arrivals) == 2


def test_whoever_keeps_the_server_waiting_goes_as_well() -> None:
    """Bodies that do not come and answers that are not taken keep nobody out, and end when their time is over."""
    hall, served = Hall(3), Caller((Doing.BEING_SERVED, 1))
    slow, deaf = Caller((Doing.KEEPS_WAITING, 1)), Caller((Doing.KEEPS_WAITING, 1))
    hall.enter(served, slow, deaf, Caller())
    assert (served.words, slow.words, deaf.words) == (None, b"", None)
    hall.wait(31)
    assert deaf.words == b""


def test_the_sweep_rests_while_nobody_is_there() -> None:
    """And starts again with the next one."""
    hall, caller = Hall(), Caller()
    hall.enter(caller)
    hall.arrivals.leave(caller)
    hall.wait(1)
    assert len(hall.deadlines) == 0
    hall.enter(caller)
    hall.wait(11)
    assert caller.words == b"late"
