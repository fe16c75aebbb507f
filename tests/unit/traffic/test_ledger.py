"""Exact accounting: what a room said, and what each seat in it was given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.traffic import ledger
from app.traffic.ledger import Ledger, Seat
from app.traffic.mark import Mark


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


def test_a_run_is_taken_only_if_it_is_due():
    """Else event by event."""
    one = seat(1)
    assert not one.run(3, 5)
    assert one.run(2, 5)
    assert one.next == 6


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


def test_a_ledger_notices_a_seq_that_is_two_events():
    """Whoever saw it first, the other one contradicts."""
    book = Ledger()
    book.tell(1, Mark(1, 0, 0).key)
    book.tell(1, Mark(1, 0, 0).key)
    assert book.conflicts == 0
    book.tell(1, Mark(2, 0, 0).key)
    assert book.conflicts == 1


def test_a_ledger_notices_a_message_that_is_two_events():
    """One message, two seqs."""
    book = Ledger()
    book.tell(1, 7)
    book.tell(2, 7)
    book.tell(2, 7)
    assert (book.twice, book.top) == (1, 2)


def test_a_ledger_notices_a_sender_whose_messages_changed_places():
    """Unless they were sent again after an error."""
    book = Ledger()
    for seq, number in enumerate((0, 2, 1, 3), 1):
        book.tell(seq, Mark(5, number, 0).key)
    assert book.out_of_order(set()) == 1
    assert book.out_of_order({Mark(5, 1, 0).key}) == 0


def test_a_ledger_is_compared_with_what_others_were_shown():
    """What it does not know is no contradiction."""
    book = Ledger()
    book.tell(1, 10)
    book.compare([(1, 10), (2, 20)])
    assert book.conflicts == 0
    book.compare([(1, 11)])
    assert book.conflicts == 1
