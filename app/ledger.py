"""Rosters as workers keep them for each other: this worker's are written, the others' are heard, read and compared.

What was not heard is found by versions, and what may not have been written is written anew, as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count

from app.backplane.rosters import Moved, Store, Written
from app.errors import Unavailable
from app.metrics import Counters
from app.peers import Peers
from app.room import Client
from app.roster import Roster

WRITE_SECONDS = 0.5
RETRY_SECONDS = 1.0

NO_WORKERS: frozenset[str] = frozenset()
"""One for the watches of all rooms: each empty set made anew takes as much memory as a small full one."""


class Watch:
    """The roster of a room, and what is under way for it.

    Attributes:
        listening: the room is open here, so that other workers are heard.
        unread: workers whose rosters have to be read.
        behind: members that missed a push, or None.
        writing: a change is on its way; the next one waits for the answer.
        write_at, read_at, push_at: not before then, by the worker's clock.
    """

    __slots__ = ("behind", "listening", "push_at", "read_at", "roster", "unread", "write_at", "writing")

    def __init__(self, roster: Roster) -> None:
        self.roster = roster
        self.listening = False
        self.unread = NO_WORKERS
        self.behind: set[Client] | None = None
        self.writing = False
        self.write_at = self.read_at = self.push_at = 0.0


class Ledger:
    """Brings rosters and what is stored of them together.

    Attributes:
        peers: the other workers that live.
        on_change: told of a room for which something may have to be done now.
        names_here: user -> name of all who are here in a room.
    """

    on_change: Callable[[Watch], None]
    names_here: Callable[[Watch], dict[str, str]]

    def __init__(self, store: Store, peers: Peers, counters: Counters, clock: Callable[[], float]) -> None:
        self._store = store
        self._counters = counters
        self._clock = clock
        self._versions = count(1)
        self.peers = peers

    def write(self, watch: Watch) -> None:
        """Store what the others do not know yet of the people here."""
        roster = watch.roster
        watch.write_at = self._clock() + WRITE_SECONDS
        version = next(self._versions)
        if roster.whole:
            people = self.names_here(watch)
            change = Moved(self._store.worker, 0, version, len(people), people, [], True)
        else:
            joined = {user: name for user, name in roster.unwritten.items() if name is not None}
            left = [user for user, name in roster.unwritten.items() if name is None]
            change = Moved(self._store.worker, roster.version, version, roster.here, joined, left)
        unwritten, roster.unwritten = roster.unwritten, {}
        if not roster.here and not roster.version and not roster.whole:
            return  # came and went before anybody knew
        try:
            self._store.write(roster.room, change, lambda well: self._written(watch, well))
        except Unavailable:
            roster.unwritten, roster.whole = unwritten, True
            watch.write_at = self._clock() + RETRY_SECONDS
            return
        roster.whole = False
        roster.version = version if change.count else 0
        watch.writing = True
        self._counters.roster_writes += 1

    def _written(self, watch: Watch, well: bool) -> None:
        watch.writing = False
        if not well:
            watch.roster.whole = True
            watch.write_at = self._clock() + RETRY_SECONDS
        self.on_change(watch)

    def hear(self, watch: Watch, moved: Moved) -> None:
        """Take a change of another worker's people."""
        place, roster = self.peers.heard(moved.worker, self._clock()).place, watch.roster
        if moved.whole:
            if moved.version > roster.versions.get(place, 0):
                roster.replace(place, moved.version, moved.joined)
        elif not roster.take(place, moved.prev, moved.version, moved.joined, moved.left, moved.count):
            watch.unread |= {moved.worker}
        self.on_change(watch)

    def read(self, watch: Watch) -> None:
        """Read the rosters of the workers in `unread`."""
        roster = watch.roster
        watch.read_at = self._clock() + RETRY_SECONDS
        peers = {worker: peer for worker in watch.unread if (peer := self.peers.get(worker)) is not None}
        workers, asked = list(peers), [roster.versions.get(peer.place, 0) for peer in peers.values()]
        watch.unread = NO_WORKERS
        if not workers:
            return

        def done(read: list[Written] | None) -> None:
            self.on_change(watch)
            if read is None:
                self.peers.doubt()
            believed = self.peers.believed(self._clock())
            for index, worker in enumerate(workers):
                peer = self.peers.get(worker)
                if peer is None or not watch.listening:
                    continue
                known = roster.versions.get(peer.place, 0)
                lost = read is not None and worker not in believed and read[index].version < known
                if read is None or lost or known != asked[index]:
                    watch.unread |= {worker}  # not read, or heard of meanwhile: what was read may be older
                else:
                    roster.replace(peer.place, *read[index])

        self._counters.roster_reads += 1
        try:
            self._store.read(roster.room, workers, done)
        except Unavailable:
            self.peers.doubt()
            watch.unread |= set(workers)
            self.on_change(watch)

    def read_names(self, watch: Watch) -> None:
        """Read the names of a room that was only counted and has become small."""

        def done(read: list[Written] | None) -> None:
            if watch.listening and watch.roster.wants_names:
                watch.roster.name_all({user: name for each in read or [] for user, name in each.people.items()})
            self.on_change(watch)

        with suppress(Unavailable):
            self._store.read(watch.roster.room, [self._store.worker, *self.peers], done)

    def compare(self, watch: Watch) -> None:
        """Compare the versions of the own roster, and those of the others, with what is stored. Raises Unavailable."""
        roster = watch.roster
        workers = self.peers.believed(self._clock())
        version = roster.version

        def done(written: list[int] | None) -> None:
            if written is None or not watch.listening:
                return
            if written[0] != version == roster.version and not watch.writing:
                roster.whole = True
            for worker, theirs in zip(workers, written[1:], strict=True):
                peer = self.peers.get(worker)
                if peer is not None and roster.versions.get(peer.place, 0) != theirs:
                    watch.unread |= {worker}
            if roster.whole or watch.unread:
                self.on_change(watch)

        self._store.versions(roster.room, workers, done)
