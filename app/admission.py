"""How many may be here at once: connections of this worker, counted by the network that they come from."""

from __future__ import annotations

from typing import NamedTuple

from app.addresses import network

SPARE_FILES = 100
"""For the connections to Redis, the log, the library's own."""


class Places(NamedTuple):
    """How many connections of both kinds a worker takes."""

    arrivals: int
    connections: int


def places_for(files: int, arrivals: int, connections: int) -> Places:
    """What of the wanted numbers a process has file descriptors for; those that are no websockets get a fifth at most.

    Args:
        files: the limit of open files; negative where there is none.
    """
    if files < 0:
        return Places(arrivals, connections)
    room = max(files - SPARE_FILES, 10)
    arrivals = max(1, min(arrivals, room // 5))
    return Places(arrivals, max(1, min(connections, room - arrivals)))


class Admission:
    """Owns the counts of this worker's websockets. 0 is no limit.

    Attributes:
        most: connections of this worker.
        most_of_network: connections of one IPv4 address or IPv6 /64. Who has no address, over a unix socket, has none.
    """

    __slots__ = ("_here", "_total", "most", "most_of_network")

    def __init__(self, most: int = 0, most_of_network: int = 0) -> None:
        self.most = most
        self.most_of_network = most_of_network
        self._total = 0
        self._here: dict[str, int] = {}

    def __len__(self) -> int:
        return self._total

    def of(self, address: str) -> int:
        """How many there are from the network of an address."""
        return self._here.get(network(address), 0)

    def full(self) -> bool:
        """Whether there is room for nobody."""
        return bool(self.most) and self._total >= self.most

    def full_for(self, address: str) -> bool:
        """Whether there is room for nobody from the network of an address."""
        return bool(self.most_of_network and address) and self.of(address) >= self.most_of_network

    def enter(self, address: str) -> None:
        """A connection is open."""
        self._total += 1
        if address:
            key = network(address)
            self._here[key] = self._here.get(key, 0) + 1

    def leave(self, address: str) -> None:
        """A connection that had entered is gone."""
        self._total -= 1
        if address:
            key = network(address)
            left = self._here[key] - 1
            if left:
                self._here[key] = left
            else:
                del self._here[key]
