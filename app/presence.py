"""Who is in which room, across workers: keeps the rosters of this worker's rooms right and tells members of changes.

Owns the rosters, this worker's lease and what it knows of other workers'. Joining and leaving change a roster at once,
here; the other workers and the members hear of it from `sweep`, merged, so that a thousand who come back at the same
time cost little more than one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from app import frames
from app.backplane.rosters import Held, Store, Typed, read_news
from app.errors import ParleyError
from app.hub import Hub
from app.ledger import NO_WORKERS, Ledger, Watch
from app.member import Member
from app.metrics import Counters
from app.peers import Peer, Peers
from app.room import Room
from app.roster import Roster
from app.typists import Typists

SWEEP_SECONDS = 0.1
SLICE_SECONDS = 0.005
BUSY_SECONDS = 0.1
"""A loop that is late by more has better things to do than to tell who types."""
PUSH_SECONDS = 1.0
RELEASE_SECONDS = 1.0
AUDIT_SECONDS = 30.0
COMPARED_AT_ONCE = 64

_log = structlog.get_logger(component="presence")


@dataclass(frozen=True, slots=True)
class Patience:
    """How presence is kept.

    Attributes:
        limit: people of a room that are known by name; in larger ones they are counted.
        grace_seconds: a lost connection is no leave for so long.
        lease_seconds: a worker that does not renew its lease for so long is dead.
    """

    limit: int = 200
    grace_seconds: float = 10.0
    lease_seconds: float = 15.0


class Presence:
    """Rosters of all rooms with people here, or open here."""

    def __init__(
        self, hub: Hub, store: Store, counters: Counters, clock: Callable[[], float], patience: Patience
    ) -> None:
        self._hub = hub
        self._store = store
        self._counters = counters
        self._clock = clock
        self._patience = patience
        self._watches: dict[str, Watch] = {}
        self._dirty: dict[Watch, None] = {}
        # (whom, where) -> when the grace is over, and the name; in the order of those times.
        self._grace: dict[tuple[Watch, str], tuple[float, str]] = {}
        self._pause_seconds = min(1.0, patience.lease_seconds / 5)
        self._peers = Peers(patience.lease_seconds, max(2 * self._pause_seconds, patience.lease_seconds / 5))
        self._ledger = Ledger(store, self._peers, counters, clock)
        self._ledger.on_change, self._ledger.names_here = self._touch, self._names_here
        self._audit = asyncio.Event()
        self._released = False
        self.held = asyncio.Event()
        self.typists = Typists(hub, store, counters, clock)
        hub.on_open, hub.on_close = self.open, self.close

    def __len__(self) -> int:
        """How many rooms are looked after."""
        return len(self._watches)

    # What happens to rooms and members

    def enter(self, room: Room, member: Member) -> None:
        """A member has joined."""
        watch = self._watch(room.name)
        watch.roster.enter(member.user, member.name)
        self._touch(watch)

    def leave(self, room: Room, member: Member, lost: bool = False) -> None:
        """A member has left, or its connection was lost."""
        self.typists.stop(room, member)
        watch = self._watch(room.name)
        if watch.behind is not None:
            watch.behind.discard(member)
        if not lost or not self._patience.grace_seconds:
            watch.roster.leave(member.user)
            self._touch(watch)
        elif watch.roster.lose(member.user):
            key = watch, member.user
            self._grace.pop(key, None)
            self._grace[key] = (self._clock() + self._patience.grace_seconds, member.name)

    def summary(self, room: Room) -> bytes:
        """What one who joins is told: members of a JSON object."""
        return self._watch(room.name).roster.summary()

    def people(self, name: str) -> Mapping[str, str]:
        """User -> name of those in a room; empty where they are only counted."""
        watch = self._watches.get(name)
        return watch.roster.people if watch is not None else {}

    def count(self, name: str) -> int | None:
        """How many people are in a room; None unless it is open here."""
        watch = self._watches.get(name)
        return len(watch.roster) if watch is not None and watch.listening else None

    @property
    def workers(self) -> list[str]:
        """The workers that live, as far as is known here; this one first."""
        return [self._store.worker, *self._peers]

    def open(self, room: Room) -> None:
        """A room is subscribed from now on. Whoever reads its log after this finds the rosters there."""
        watch = self._watch(room.name)
        watch.listening = True
        watch.unread = frozenset(self._peers)
        self._ledger.read(watch)

    def close(self, room: Room) -> None:
        """A room is not subscribed any more; those whose grace runs are still to be looked after."""
        watch = self._watch(room.name)
        watch.listening = False
        watch.unread = NO_WORKERS
        watch.behind = None
        watch.roster.forget_others()
        self._touch(watch)

    def _touch(self, watch: Watch) -> None:
        """Something may have to be done for a room."""
        self._dirty[watch] = None

    def _names_here(self, watch: Watch) -> dict[str, str]:
        """User -> name of all who are here, those whose grace runs included."""
        room = self._hub.get(watch.roster.room)
        members = room.members if room is not None else ()
        names = {member.user: member.name for member in members if isinstance(member, Member)}
        graced = (0.0, "")
        return {user: names.get(user) or self._grace.get((watch, user), graced)[1] for user in watch.roster.local()}

    def _watch(self, name: str) -> Watch:
        watch = self._watches.get(name)
        if watch is None:
            watch = self._watches[name] = Watch(Roster(name, self._patience.limit))
        return watch

    # What other workers say

    def hear(self, room: Room, data: bytes) -> None:
        """A publication of people."""
        try:
            news = read_news(data)
        except ValueError:
            self._counters.foreign += 1
            _log.error("a publication that is none of ours", seldom=room.name, room=room.name)
            return
        if news.worker == self._store.worker:
            return
        if isinstance(news, Typed):
            self.typists.hear(room, news)
            return
        self._ledger.hear(self._watch(room.name), news)

    # Sweep: what is due

    async def run(self) -> None:
        """Do what is due every SWEEP_SECONDS, for ever."""
        while True:
            due = self._clock() + SWEEP_SECONDS
            await asyncio.sleep(SWEEP_SECONDS)
            self.typists.sweep(busy=self._clock() - due > BUSY_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """Graces that are over, then writes, reads and pushes; others get a turn every SLICE_SECONDS."""
        began = self._clock()
        self._end_graces(began)
        for watch in list(self._dirty):
            now = self._clock()
            try:
                clean = self._look_after(watch, now)
            except Exception:
                name = watch.roster.room
                _log.exception("a roster could not be looked after", seldom=name, room=name)
                clean = True
            if clean:
                self._dirty.pop(watch, None)
            if now - began > SLICE_SECONDS:
                await asyncio.sleep(0)
                began = self._clock()

    def _end_graces(self, now: float) -> None:
        while self._grace:
            watch, user = key = next(iter(self._grace))
            if self._grace[key][0] > now:
                return
            del self._grace[key]
            watch.roster.expire(user)
            self._touch(watch)

    def _look_after(self, watch: Watch, now: float) -> bool:
        """Do what is due for a room; true if nothing is left to do."""
        roster = watch.roster
        if (roster.unwritten or roster.whole) and not watch.writing and now >= watch.write_at:
            self._ledger.write(watch)
        if watch.unread and now >= watch.read_at:
            self._ledger.read(watch)
        if watch.listening and now >= watch.push_at and self._push(watch):
            watch.push_at = now + PUSH_SECONDS
        if roster.unwritten or roster.whole or watch.writing:
            return False
        if not watch.listening:
            if not roster.here:
                self._watches.pop(roster.room, None)
            return True
        return now >= watch.push_at and not watch.unread and not watch.behind

    # Pushing: what members are told

    def _push(self, watch: Watch) -> bool:
        """Tell members what has changed; whether there was anything to tell."""
        roster, room = watch.roster, self._hub.get(watch.roster.room)
        if roster.wants_names and len(roster):
            self._ledger.read_names(watch)
        payload, missed = roster.push(), watch.behind
        if room is None or (payload is None and not missed):
            return False
        frame = frames.text(payload) if payload is not None else b""
        full = frames.text(roster.full()) if missed else b""
        behind = set()
        for client in room.members if frame else list(missed or ()):
            if client.behind:
                behind.add(client)
            elif missed and client in missed:
                client.write(full)
            else:
                client.write(frame)
        self._counters.presence_pushes += len(room) - len(behind) if frame else 0
        watch.behind = behind or None
        return True

    # Leases: which workers live

    async def keep_lease(self) -> None:
        """Renew this worker's lease and learn of the others', until it is released."""
        seconds = self._patience.lease_seconds
        pause = self._pause_seconds
        while not self._released:
            try:
                held = await self._store.renew(seconds)
            except ParleyError:
                await asyncio.sleep(pause / 4)
                continue
            self.renewed(held)
            await asyncio.sleep(pause)

    def renewed(self, held: Held) -> None:
        """Take what a renewal has found."""
        now = self._clock()
        if self._peers.contact(held.kept, now):
            self._audit.set()
        if self.held.is_set() and not held.kept:
            _log.warning("lease lost", rooms=len(self._watches))
            for watch in self._watches.values():
                if watch.roster.here:
                    watch.roster.whole = True
                    self._touch(watch)
        self.held.set()
        new, dead = self._peers.alive(set(held.alive) - {self._store.worker}, now)
        if new:
            self._audit.set()
        for peer in dead:
            self._bury(peer)

    def _bury(self, peer: Peer) -> None:
        """A worker is dead: nobody is there any more."""
        self._counters.workers_lost += 1
        for watch in self._watches.values():
            if peer.place in watch.roster.versions:
                watch.roster.drop(peer.place)
                self._touch(watch)

    async def release(self) -> None:
        """This worker goes: its people have the grace to come back elsewhere."""
        self._released = True
        with suppress(ParleyError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._store.release(max(self._patience.grace_seconds, 0.5))

    # Audit: whether what is known here is what is written

    def subscribed_again(self) -> None:
        """The subscriber was away: what was published meanwhile has to be found out."""
        self._peers.doubt()
        self._audit.set()

    async def audit(self) -> None:
        """Compare all rosters with what is written, every AUDIT_SECONDS and when there is reason to, for ever."""
        began = self._clock()
        while True:
            believed = self._peers.believed_next(began)
            pause = AUDIT_SECONDS * random.uniform(0.8, 1.2) if believed is None else max(0.0, believed - self._clock())
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._audit.wait()
            self._audit.clear()
            began = self._clock()
            await self.compare_all()

    async def compare_all(self) -> None:
        """Ask for the versions of all rosters; what differs is read or written in the next sweeps."""
        for number, watch in enumerate([watch for watch in self._watches.values() if watch.listening]):
            room = self._hub.get(watch.roster.room)
            if room is not None:
                with suppress(ParleyError):
                    # Before that, a change could be neither read nor heard.
                    await self._hub.confirm(room)
                    self._ledger.compare(watch)
            if number % COMPARED_AT_ONCE == COMPARED_AT_ONCE - 1:
                await asyncio.sleep(0.01)
