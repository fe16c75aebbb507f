"""The other workers: which of them live, and the place of each in rosters.

Pure: time is an argument. A worker is dead when its lease has ended by Redis' clock, seen in unbroken contact with
Redis: while that was away nobody could renew, so everybody is trusted for the length of a lease from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from app.roster import HERE


@dataclass(slots=True)
class Peer:
    """Another worker.

    Attributes:
        place: its bit in rosters.
        trusted_until: it counts as living up to then, though its lease is not seen.
    """

    place: int
    trusted_until: float


class Peers:
    """All other workers that live, as far as is known here. `gap_seconds` without contact are an interruption."""

    def __init__(self, lease_seconds: float, gap_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._gap_seconds = gap_seconds
        self._peers: dict[str, Peer] = {}
        self._contact_at = float("-inf")

    def __iter__(self) -> Iterator[str]:
        return iter(self._peers)

    def __len__(self) -> int:
        return len(self._peers)

    def get(self, worker: str) -> Peer | None:
        """The worker, if it lives."""
        return self._peers.get(worker)

    def heard(self, worker: str, now: float) -> Peer:
        """A worker that has just said something: if its lease is not known yet, it is trusted for the length of one."""
        peer = self._peers.get(worker)
        if peer is None:
            taken = HERE | sum(each.place for each in self._peers.values())
            place = ~taken & (taken + 1)  # the lowest bit that is free
            peer = self._peers[worker] = Peer(place, now + self._lease_seconds)
        return peer

    def contact(self, kept: bool, now: float) -> bool:
        """Redis has answered. True if it had not for a while, or lost the own lease: then all get time to renew."""
        interrupted = not kept or now - self._contact_at > self._gap_seconds
        self._contact_at = now
        if interrupted:
            for peer in self._peers.values():
                peer.trusted_until = now + self._lease_seconds
        return interrupted

    def alive(self, workers: Collection[str], now: float) -> tuple[bool, list[Peer]]:
        """These workers' leases run: whether there are new ones among them, and those now dead, who are forgotten."""
        new = any(worker not in self._peers for worker in workers)
        for worker in workers:
            self.heard(worker, now).trusted_until = now
        dead = [worker for worker, peer in self._peers.items() if worker not in workers and now >= peer.trusted_until]
        return new, [self._peers.pop(worker) for worker in dead]
