"""What the log is told of a connection to Redis that is away: why, as that changes, and when it is over."""

from __future__ import annotations

import structlog

AGAIN_SECONDS = 60.0
TEXTS_MOST = 8

_log = structlog.get_logger(component="redis")


class Outage:
    """One connection's absences, by a clock in seconds that its owner reads. `what` is in the lines: redis, ..."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None
        self._said: set[str] = set()
        self._said_since = 0.0

    def lost(self, now: float) -> None:
        """The connection has ended, or a try to make one has begun to fail."""
        if self._since is None:
            self._since = self._said_since = now

    def failed(self, words: str, now: float) -> None:
        """A try has failed for this reason: told if it was not in the last AGAIN_SECONDS, of few reasons only."""
        self.lost(now)
        if now - self._said_since >= AGAIN_SECONDS:
            self._said.clear()
            self._said_since = now
        if words not in self._said and len(self._said) < TEXTS_MOST:
            self._said.add(words)
            _log.warning(f"{self._what} unreachable", error=words)

    def over(self, now: float) -> None:
        """It is connected: told if it had been away."""
        if self._since is not None:
            _log.info(f"{self._what} connected", away_seconds=round(now - self._since, 3))
            self._since = None
            self._said.clear()


class Refusals:
    """Changes that Redis refuses while it is reached: full, its disk, its rights. One line when that begins, one a
    minute while it lasts, one when it is over.

    Attributes:
        changes: how many were refused in all.
        lasting: whether the last call was refused.
    """

    def __init__(self) -> None:
        self.changes = 0
        self.lasting = False
        self._told_at = -AGAIN_SECONDS

    def refused(self, words: str, changes: int, now: float) -> None:
        """A call that carried so many changes was answered with an error."""
        self.changes += changes
        if not self.lasting or now - self._told_at >= AGAIN_SECONDS:
            self.lasting, self._told_at = True, now
            _log.error("redis refuses changes", seldom="redis refuses", error=words)

    def over(self) -> None:
        """A call was carried out."""
        self.lasting = False
        _log.info("redis takes changes again", seldom="redis takes", refused=self.changes)
