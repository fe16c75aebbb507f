"""The people on this worker, each with all its connections, and what other workers tell them.

A person's channel is shared by all persons of its shard, so that the subscriptions of a worker stay few. What is told
here may be lost: it is sent to whoever is there, and to nobody who is behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

import structlog

from app.backplane import keys
from app.backplane.personal import Notice, read_notice
from app.member import Member
from app.metrics import Counters

_log = structlog.get_logger(component="people")


class Channels(Protocol):
    """The subscriber, as needed here."""

    def want(self, channel: bytes) -> None:
        """Hear a channel soon."""

    def unsubscribe(self, channel: bytes) -> None:
        """Hear it no more."""


class People:
    """Owns the connections of each person here, by handle. `on_mark` is told of notices that carry a read mark."""

    def __init__(self, channels: Channels, counters: Counters) -> None:
        self._channels = channels
        self._counters = counters
        self._here: dict[str, Member | tuple[Member, ...]] = {}
        self._shards: Counter[int] = Counter()
        self.on_mark: Callable[[Notice], None] = lambda notice: None

    def __len__(self) -> int:
        return len(self._here)

    def handles(self) -> list[str]:
        """Who is on this worker."""
        return list(self._here)

    def here(self, handle: str) -> tuple[Member, ...]:
        """The person's connections on this worker, in the order in which they came."""
        found = self._here.get(handle, ())
        return found if isinstance(found, tuple) else (found,)

    def enter(self, member: Member) -> None:
        """A connection has said who it is."""
        handle = member.handle
        others = self.here(handle)
        self._here[handle] = (*others, member) if others else member
        if not others:
            shard = keys.shard(handle)
            if not self._shards[shard]:
                self._channels.want(keys.people(shard))
            self._shards[shard] += 1

    def leave(self, member: Member) -> None:
        """A connection is gone; no error if it never said who it is."""
        handle = member.handle
        others = tuple(other for other in self.here(handle) if other is not member)
        if others:
            self._here[handle] = others if len(others) > 1 else others[0]
        elif self._here.pop(handle, None) is not None:
            shard = keys.shard(handle)
            self._shards[shard] -= 1
            if not self._shards[shard]:
                del self._shards[shard]
                self._channels.unsubscribe(keys.people(shard))

    def hear(self, channel: bytes, data: bytes) -> None:
        """What was published for somebody, perhaps for nobody here; or in a room that was closed a moment ago."""
        if not keys.is_people(channel):
            return
        try:
            notice = read_notice(data)
        except ValueError:
            self._counters.foreign += 1
            _log.error("a notice that is none of ours", seldom="notices")
            return
        if notice.mark is not None:
            self.on_mark(notice)
        push = bytes(notice.push)
        for member in self.here(notice.to):
            known = member.conn == notice.skip or (notice.elsewhere and member.joined(notice.elsewhere) is not None)
            if not known and not member.outbox.behind:
                member.reply(push)
