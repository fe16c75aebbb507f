"""How many may be here at once."""

from __future__ import annotations

import pytest

from app.admission import SPARE_FILES, Admission, places_for

ADDRESS, OTHER = "203.0.113.9", "203.0.113.10"


def test_an_address_is_full_at_its_limit_and_others_are_not() -> None:
    """Until one of its connections goes."""
    admission = Admission(most_of_network=2)
    admission.enter(ADDRESS)
    assert not admission.full_for(ADDRESS)
    admission.enter(ADDRESS)
    assert admission.full_for(ADDRESS)
    assert not admission.full_for(OTHER)
    admission.leave(ADDRESS)
    assert not admission.full_for(ADDRESS)


def test_all_addresses_of_an_ipv6_network_are_one() -> None:
    """A client has a whole /64."""
    admission = Admission(most_of_network=2)
    admission.enter("2001:db8::1")
    admission.enter("2001:db8::2")
    assert admission.full_for("2001:db8::3")
    assert not admission.full_for("2001:db8:0:1::1")


def test_a_worker_is_full_for_everybody() -> None:
    """Wherever they come from."""
    admission = Admission(most=2)
    admission.enter(ADDRESS)
    assert not admission.full()
    admission.enter(OTHER)
    assert admission.full()
    admission.leave(ADDRESS)
    assert not admission.full()


def test_without_limits_nobody_is_refused() -> None:
    """0 is none."""
    admission = Admission()
    for _ in range(100):
        admission.enter(ADDRESS)
    assert not admission.full()
    assert not admission.full_for(ADDRESS)


def test_who_has_no_address_counts_for_the_worker_alone() -> None:
    """As over a unix socket."""
    admission = Admission(most_of_network=1)
    admission.enter("")
    assert not admission.full_for("")
    assert len(admission) == 1
    admission.leave("")
    assert len(admission) == 0


def test_an_address_that_is_gone_is_forgotten() -> None:
    """Nothing is kept of it."""
    admission = Admission(most_of_network=1)
    admission.enter(ADDRESS)
    admission.leave(ADDRESS)
    assert admission.of(ADDRESS) == 0
    assert not admission._here


@pytest.mark.parametrize("files", [20, 256, 1024, 20_000, 1_000_000])
def test_all_connections_have_a_file_descriptor(files: int) -> None:
    """However few there are, some of both kinds are taken."""
    places = places_for(files, 5000, 50_000)
    assert sum(places) <= max(files - SPARE_FILES, 10)
    assert min(places) >= 1


def test_wanted_numbers_hold_where_there_is_room() -> None:
    """And where there is no limit."""
    assert places_for(1_000_000, 5000, 50_000) == places_for(-1, 5000, 50_000) == (5000, 50_000)
