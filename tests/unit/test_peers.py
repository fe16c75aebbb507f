"""Which workers live: leases, outages, and the places they have in rosters."""

from __future__ import annotations

from app.peers import REWRITE_SECONDS, Peers

LEASE, GAP = 15.0, 3.0


def peers(*workers: str, now: float = 0.0) -> Peers:
    """Workers whose leases were just seen."""
    known = Peers(LEASE, GAP)
    assert known.contact(True, now)
    assert known.alive(workers, now) == (bool(workers), [])
    return known


def test_every_worker_has_a_place_of_its_own() -> None:
    """One bit each, never the first, which is the worker's own; a free one is used again."""
    known = peers("b", "c", "d")
    places = {worker: known.heard(worker, 0.0).place for worker in "bcd"}
    assert sorted(places.values()) == [2, 4, 8]
    known.contact(True, 1.0)
    new, (dead,) = known.alive([worker for worker in "bcd" if places[worker] != 4], 1.0)
    assert (new, dead.place) == (False, 4)
    assert known.heard("e", 1.0).place == 4


def test_a_worker_without_its_lease_is_dead() -> None:
    """As soon as that is seen."""
    known = peers("b", "c")
    known.contact(True, 1.0)
    _, dead = known.alive(["c"], 1.0)
    assert len(dead) == 1
    assert list(known) == ["c"]


def test_one_heard_before_its_lease_is_seen_is_trusted_for_a_while() -> None:
    """Its lease is about to be seen; if it never is, the worker is dead."""
    known = peers()
    known.heard("b", 0.5)
    for now in range(1, 15):
        known.contact(True, now)
        assert known.alive([], now) == (False, [])
    known.contact(True, 16.0)
    assert len(known.alive([], 16.0)[1]) == 1


def test_an_outage_of_redis_kills_nobody() -> None:
    """Everybody gets the length of a lease to come back; who does not is dead then."""
    known = peers("b", "c")
    assert known.contact(True, 100.0)
    assert known.alive([], 100.0) == (False, [])
    for now in range(101, 115):
        assert not known.contact(True, now)
        assert known.alive(["b"], now) == (now == 101, [])  # back again
    known.contact(True, 115.5)
    assert len(known.alive(["b"], 115.5)[1]) == 1
    assert list(known) == ["b"]


def test_who_lost_its_own_lease_trusts_the_others() -> None:
    """Redis has lost its data, or this worker stood still: no word about the others."""
    known = peers("b")
    assert known.contact(False, 1.0)
    assert known.alive([], 1.0) == (False, [])
    assert len(known) == 1


def test_a_new_worker_is_told_of() -> None:
    """What it wrote before it was known has to be read."""
    known = peers("b")
    assert known.alive(["b", "c"], 1.0) == (True, [])
    assert known.alive(["b", "c"], 2.0) == (False, [])


def test_after_an_outage_nobody_is_believed_before_it_could_write_again() -> None:
    """Each from its own first renewal on."""
    known = peers("b", "c")
    assert known.believed(0.0) == ["b", "c"]
    assert known.believed_next(0.0) is None
    known.contact(False, 0.5)
    assert known.believed(1000.0) == []
    assert known.alive(["b"], 1.0) == (True, [])
    assert (known.believed(1.0), known.believed_next(1.0)) == ([], 1.0 + REWRITE_SECONDS)
    assert known.alive(["b", "c"], 2.0) == (True, [])
    assert known.believed(1.0 + REWRITE_SECONDS) == ["b"]
    assert known.believed_next(1.0 + REWRITE_SECONDS) == 2.0 + REWRITE_SECONDS
    assert known.believed(2.0 + REWRITE_SECONDS) == ["b", "c"]
