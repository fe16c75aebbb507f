"""Exact accounting: what a room said, and what each seat in it was given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.traffic import ledger
from app.traffic.ledger import Ledger, Seat, overtaken


def seat(*seqs: int) -> Seat:
    """A seat that was given these, one by one."""
    one = Seat()
    for seq in seqs:
        one.see(seq)
    return one


def test_a_seat_that_was_given_everything_lost_nothing():
    """And nothing is doubled or late."""
    one = seat(1, 2, 3)
    assert (one.lost(3), one.twice, one.late, one.given()) == (0, 0, 0, 3)


def test_a_hole_is_lost_until_it_is_filled():
    """One by a late event, which is out of order; one by a page, which is not."""
    one = seat(1, 2, 5)
    assert one.lost(5) == 2
    assert one.see(3)
    assert (one.lost(5), one.late) == (1, 1)
    assert one.fill(4)
    assert (one.lost(5), one.late) == (0, 1)


def test_what_never_came_at_the_end_is_lost():
    """The room's top says how much there was."""
    assert seat(1, 2).lost(5) == 3


def test_an_event_given_again_is_twice():
    """It counts once as given."""
    one = seat(1, 2, 2, 1)
    assert (one.twice, one.given()) == (2, 2)


def test_two_that_changed_places_are_one_out_of_order():
    """Nothing is lost by it."""
    one = seat(1, 3, 2, 4)
    assert (one.late, one.lost(4), one.twice) == (1, 0, 0)


def test_a_page_brings_what_is_known_without_harm():
    """A resume may overlap what was given."""
    one = seat(1, 2)
    assert not one.fill(2)
    assert one.fill(3)
    assert (one.twice, one.next) == (0, 4)


def test_a_seat_begins_where_it_joined():
    """What was before is not owed to it."""
    one = Seat()
    one.sit(10)
    one.see(11)
    assert (one.lost(11), one.given()) == (0, 1)


def test_an_absurd_seq_costs_no_memory(monkeypatch):
    """What a hole is made of is remembered up to a bound, and counted beyond."""
    monkeypatch.setattr(ledger, "MISSING_MAX", 10)
    one = seat(1, 1_000_001)
    assert len(one.missing) == 10
    assert one.lost(1_000_001) == 999_999


@given(st.permutations(range(1, 9)), st.sets(st.integers(1, 8)), st.lists(st.integers(1, 8), max_size=5))
def test_the_account_is_exact_for_any_disturbance(order: list[int], dropped: set[int], again: list[int]):
    """Lost, given and twice are what was done to the stream."""
    one = Seat()
    arrived = [seq for seq in order if seq not in dropped]
    repeated = [seq for seq in again if seq not in dropped]
    for seq in [*arrived, *repeated]:
        one.see(seq)
    assert one.lost(8) == len(dropped)
    assert one.given() == len(arrived)
    assert one.twice == len(repeated)
    assert one.late == sum(seq < max(arrived[:place]) for place, seq in enumerate(arrived) if place)


def test_a_ledger_notices_a_place_that_is_two_events():
    """Whoever saw it first, the other one contradicts."""
    book: Ledger[int, str] = Ledger()
    assert book.tell(1, "a") is None
    assert book.tell(1, "a") is None
    assert book.conflicts == 0
    assert book.tell(1, "b") == (1, "a")
    assert book.conflicts == 1


def test_a_ledger_notices_a_message_that_is_two_events():
    """One message, two places; each further place is told once."""
    book: Ledger[int, int] = Ledger()
    assert book.tell(1, 7) is None
    assert book.tell(2, 7) == (1, 7)
    assert book.tell(2, 7) is None
    assert book.twice == 1


@given(st.permutations(range(6)))
def test_who_was_overtaken_is_named_with_whom(order: list[int]):
    """Each message that stands after a younger one of its sender; what others sent is another matter."""
    sent = [(sender, number) for number in order for sender in "ab"]
    found = list(overtaken(sent))
    late = [
        (number, max(order[:place])) for place, number in enumerate(order) if number < max(order[:place], default=0)
    ]
    assert found == [(sender, number, before) for number, before in late for sender in "ab"]


@given(st.lists(st.integers(1, 12)), st.integers(0, 14))
def test_what_is_absent_is_what_is_lost(seqs: list[int], top: int):
    """Event by event."""
    one = seat(*seqs)
    top = max([top, *seqs])
    assert list(one.absent(top)) == [seq for seq in range(1, top + 1) if seq not in seqs]
    assert len(list(one.absent(top))) == one.lost(top)


def test_a_ledger_is_compared_with_what_others_were_shown():
    """What it does not know is no contradiction."""
    book: Ledger[int, int] = Ledger()
    book.tell(1, 10)
    book.compare([(1, 10), (2, 20)])
    assert book.conflicts == 0
    book.compare([(1, 11)])
    assert book.conflicts == 1
