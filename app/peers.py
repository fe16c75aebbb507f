"""The other workers: which of them live, and the place of each in rosters.

Pure: time is an argument. A worker is dead when its lease has ended by Redis' clock, seen in unbroken contact with
Redis: while that was away nobody could renew, so everybody is trusted for the length of a lease from then on. Redis may
have come back without what it knew: then each is given time to write it again before what is stored is believed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import inf

from app.roster import HERE

REWRITE_SECONDS = 5.0
"""So long after a worker has renewed its lease, all that Redis may have lost of its people is written again."""


@dataclass(slots=True)
class Peer:
    """Another worker.

    Attributes:
        place: its bit in rosters.
        trusted_until: it counts as living up to then, though its lease is not seen.
        believed_from: from then on, whoever is not in its stored rosters is not there; infinite until its lease is
            seen again.
    """

    place: int
    trusted_until: float
    believed_from: float = -inf


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
            self.doubt()
            for peer in self._peers.values():
                peer.trusted_until = now + self._lease_seconds
        return interrupted

    def doubt(self) -> None:
        """Redis may have lost what was stored: each worker is believed once it has had time to write it again."""
        for peer in self._peers.values():
            peer.believed_from = inf

    def believed(self, now: float) -> list[str]:
        """The workers whose stored rosters are believed."""
        return [worker for worker, peer in self._peers.items() if now >= peer.believed_from]

    def believed_next(self, now: float) -> float | None:
        """When the first is believed who was not at `now`; None if there is none whose lease was seen since."""
        return min(
            (peer.believed_from for peer in self._peers.values() if now < peer.believed_from < inf), default=None
        )

    def alive(self, workers: Collection[str], now: float) -> tuple[bool, list[Peer]]:
        """These workers' leases run: whether some had not been seen before, or not since the last doubt, and those now
        dead, who are forgotten."""
        new = False
        for worker in workers:
            new |= worker not in self._peers
            peer = self.heard(worker, now)
            peer.trusted_until = now
            if peer.believed_from == inf:
                new, peer.believed_from = True, now + REWRITE_SECONDS
        dead = [worker for worker, peer in self._peers.items() if worker not in workers and now >= peer.trusted_until]
        return new, [self._peers.pop(worker) for worker in dead]
