"""The original verbs of a room, and its judgement of what arrives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import Batch, Position
from app.room import HELD_BATCHES, Room, Verdict
from tests.fakes.log import batch, events, mid, position


class Client:
    """A member that keeps what it is sent, and may do something at each write."""

    def __init__(self, at_write: Callable[[], object] = lambda: None) -> None:
        self.heard: list[bytes] = []
        self._at_write = at_write

    def write(self, data: bytes) -> None:
        self._at_write()
        self.heard.append(data)


class Broken:
    """A member whose connection has vanished: writing to it raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def write(self, data: bytes) -> None:
        raise self._error


@pytest.fixture
def room() -> Room:
    """An empty room that keeps no sequence."""
    return Room("lobby")


def at(seq: int) -> Room:
    """A settled room at a position."""
    return Room("lobby", position(seq))


# The original verbs


def test_a_member_hears_what_is_sent(room: Room) -> None:
    """Join, and every message comes; leave, and none does."""
    client = Client()
    room.join(client)
    room.send_message(b"one")
    room.leave(client)
    room.send_message(b"two")
    assert client.heard == [b"one"]


def test_len_counts_members(room: Room) -> None:
    """Joining twice is joining once."""
    one, two = Client(), Client()
    assert len(room) == 0
    for client in (one, two, one):
        room.join(client)
    assert (len(room), one in room, Client() in room) == (2, True, False)
    room.leave(one)
    assert (len(room), one in room) == (1, False)


def test_the_sender_hears_itself(room: Room) -> None:
    """A room knows no sender; all members are served alike, in order of joining."""
    order: list[int] = []
    for number in range(5):
        room.join(Client(lambda number=number: order.append(number)))
    room.send_message(b"x")
    assert order == [0, 1, 2, 3, 4]


def test_sending_to_an_empty_room_is_no_error(room: Room) -> None:
    """Nobody is there to hear it."""
    room.send_message(b"x")
    assert len(room) == 0


def test_the_last_member_may_leave(room: Room) -> None:
    """A lone client leaves, and leaving again or never having been there is no error either."""
    client = Client()
    room.join(client)
    for _ in range(3):
        room.leave(client)
    room.leave(Client())
    assert (len(room), room.members) == (0, ())


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), BrokenPipeError(), OSError("gone"), RuntimeError("the handler is closed")]
)
def test_a_member_that_vanishes_while_sending_does_not_break_the_room(room: Room, error: Exception) -> None:
    """The one that fails is removed; those before and behind it are served, then and later."""
    before, behind = Client(), Client()
    vanished = Broken(error)
    for client in (before, vanished, behind):
        room.join(client)
    room.send_message(b"one")
    room.send_message(b"two")
    assert before.heard == behind.heard == [b"one", b"two"]
    assert (len(room), vanished in room) == (2, False)


def test_all_members_may_vanish_at_once(room: Room) -> None:
    """A broadcast can empty a room."""
    for _ in range(10):
        room.join(Broken(OSError()))
    room.send_message(b"x")
    assert len(room) == 0


def test_members_may_leave_during_a_broadcast(room: Room) -> None:
    """Also several, also oneself: everybody who was there at the beginning is served."""
    clients: list[Client] = []
    clients += [Client(lambda: [room.leave(one) for one in clients]), Client(), Client()]
    for client in clients:
        room.join(client)
    room.send_message(b"x")
    assert [client.heard for client in clients] == [[b"x"]] * 3
    assert len(room) == 0


def test_members_may_join_during_a_broadcast(room: Room) -> None:
    """Whoever comes in the middle hears the next one."""
    late = Client()
    room.join(Client(lambda: room.join(late)))
    room.send_message(b"one")
    assert late.heard == []
    room.send_message(b"two")
    assert late.heard == [b"two"]


def test_a_slow_member_holds_up_nobody(room: Room) -> None:
    """Sending waits for no member: one that takes nothing is one plain call, like the others."""

    class Slow:
        """Keeps what it cannot pass on; the room neither waits for it nor asks it anything."""

        def __init__(self) -> None:
            self.waiting: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.waiting.append(data)

    slow, quick = Slow(), Client()
    room.join(slow)
    room.join(quick)
    for number in range(1000):
        room.send_message(b"%d" % number)
        assert quick.heard[-1] == b"%d" % number
    assert len(slow.waiting) == 1000


def test_the_members_are_those_of_now(room: Room) -> None:
    """A list taken earlier does not change, and a new one is up to date."""
    one, two = Client(), Client()
    room.join(one)
    earlier = room.members
    room.join(two)
    assert (earlier, room.members) == ((one,), (one, two))
    room.leave(one)
    assert room.members == (two,)


# Deliver, duplicate or gap


def test_what_follows_is_delivered() -> None:
    """The next event, or the next few, move the position."""
    room = at(5)
    assert room.receive(batch(6, 6)) is Verdict.DELIVER
    assert room.receive(batch(7, 9)) is Verdict.DELIVER
    assert room.position == position(9)


def test_the_first_event_of_a_room_is_delivered() -> None:
    """At 0 the mid is empty, on both sides."""
    room = at(0)
    assert room.receive(batch(1, 2)) is Verdict.DELIVER
    assert room.position == position(2)


def test_a_skipped_seq_is_a_gap() -> None:
    """A room reports a gap instead of delivering out of order, and stays where it is."""
    room = at(5)
    assert room.receive(batch(7, 8)) is Verdict.GAP
    assert room.position == position(5)


def test_what_was_delivered_is_a_duplicate() -> None:
    """All behind the position, and the very same events: nothing to do."""
    room = at(5)
    room.receive(batch(6, 8))
    for again in (batch(6, 8), batch(7, 8), batch(6, 6), batch(5, 5), batch(1, 3)):
        assert room.receive(again) is Verdict.DUPLICATE
    assert room.position == position(8)


def test_an_overlap_is_trimmed_to_what_is_new() -> None:
    """The batch is left with the events to deliver."""
    room = at(5)
    overlapping = batch(4, 8)
    assert room.receive(overlapping) is Verdict.DELIVER
    assert (overlapping.first, overlapping.payloads) == (6, events(6, 8))
    assert room.position == position(8)


@pytest.mark.parametrize(
    "other",
    [
        batch(6, 7, epoch="f"),
        batch(1, 3, epoch="f"),
        batch(6, 7, life="x"),
        batch(4, 8, life="x"),
    ],
    ids=["another epoch", "another epoch that begins anew", "follows another event", "overlaps with other events"],
)
def test_another_life_of_the_log_is_a_gap(other: Batch) -> None:
    """Equal numbers do not make equal events: epoch and mid must fit as well."""
    room = at(5)
    assert room.receive(other) is Verdict.GAP
    assert room.position == position(5)


def test_a_rewritten_past_is_a_gap() -> None:
    """A batch behind the position that is not what was delivered there: the log has lost its tail."""
    room = at(5)
    room.receive(batch(6, 9))
    assert room.receive(batch(7, 8, life="x")) is Verdict.GAP
    assert room.receive(batch(9, 9, life="x")) is Verdict.GAP
    assert room.position == position(9)


def test_a_room_without_a_position_delivers_nothing() -> None:
    """Until the log has been read nothing can be judged."""
    assert Room("lobby").receive(batch(1, 1)) is Verdict.GAP


@given(
    total=st.integers(1, 60),
    cuts=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 12)), max_size=40),
    heals=st.randoms(use_true_random=False),
)
def test_nothing_is_delivered_out_of_order_twice_or_with_a_hole(total, cuts, heals) -> None:
    """Whatever batches arrive, repeated, overlapping or skipping, healed from the log or not: one clean sequence."""
    room, delivered = at(0), []
    for first, length in cuts:
        arrived = batch(min(first, total), min(first + length, total))
        if room.receive(arrived) is Verdict.DELIVER:
            delivered += arrived.payloads
        elif arrived.last > room.position.seq and heals.random() < 0.5:
            reached = heals.randint(room.position.seq, total)
            missing = events(room.position.seq + 1, reached)
            room.catch_up(position(reached), missing)
            delivered += missing
        assert delivered == events(1, room.position.seq)
        assert room.position == position(room.position.seq)


@given(
    lives=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5), st.sampled_from("mx"), st.sampled_from("ef"))),
)
def test_two_lives_of_a_log_are_never_mixed(lives) -> None:
    """With batches of other epochs and of a rewritten tail among them, only this life's events are delivered."""
    room, delivered = at(0), []
    for first, length, life, epoch in lives:
        arrived = batch(first, first + length, epoch, life)
        verdict = room.receive(arrived)
        if verdict is Verdict.DELIVER:
            delivered += arrived.payloads
            # The very first event decides which life this room follows.
            assert epoch == "e"
            assert room.position.mid == mid(room.position.seq, life)
        assert len({one.split(b'"')[5][:1] for one in delivered}) <= 1
    assert [int(one.split(b":")[1].split(b",")[0]) for one in delivered] == list(range(1, len(delivered) + 1))


# Settling


def test_a_room_settles_at_a_position() -> None:
    """Before, it waits for the log; afterwards it has the events read, and nothing of an earlier life."""
    room = Room("lobby")
    assert not room.settled
    room.settle(position(7), events(5, 7))
    assert room.settled
    assert (room.position, room.latest(3)) == (position(7), events(5, 7))
    room.settle(Position("f", 2, "x2"), events(1, 2, "x"))
    assert (room.latest(2), room.mid_at(1)) == (events(1, 2, "x"), "x.1")


def test_held_batches_come_back_in_order() -> None:
    """What arrives while the log is read is kept, once."""
    room = Room("lobby")
    held = [batch(seq, seq) for seq in range(1, 6)]
    for one in held:
        room.hold(one)
    assert room.release() == held
    assert room.release() == []


def test_held_batches_are_bounded() -> None:
    """Beyond the bound the older ones go, never the newest: the hole before it shows, and the log has them."""
    room = Room("lobby")
    for seq in range(1, 3 * HELD_BATCHES):
        room.hold(batch(seq, seq))
        assert len(room._held) <= HELD_BATCHES
    assert room.release()[-1].last == 3 * HELD_BATCHES - 1
