"""How much users have sent over all workers, in memory; tests/contract runs the same suite on it as on the real one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.errors import Unavailable


class MemorySends:
    """One worker's; workers share `until`. `up` false: Redis is away."""

    def __init__(
        self,
        until: dict[str, float],
        clock: Callable[[], float],
        per_second: float = 20.0,
        most_seconds: float = 65.0,
        gathered_seconds: float = 1.25,
    ) -> None:
        self._until = until
        self._clock = clock
        self._per_second = per_second
        self._most_seconds = most_seconds
        self._gathered_seconds = gathered_seconds
        self.up = True
        self.calls: list[dict[str, int]] = []

    def add(self, counts: Mapping[str, int], done: Callable[[str, float], None]) -> None:
        """See Sends."""
        if not self.up:
            raise Unavailable("Redis cannot be reached")
        self.calls.append(dict(counts))
        now = self._clock()
        for user, count in counts.items():
            until = max(now - self._gathered_seconds, self._until.get(user, 0.0)) + count / self._per_second
            self._until[user] = min(until, now + self._most_seconds)
            done(user, max(0.0, self._until[user] - now))
