"""Deadlines of all connections of a worker in one table with one sweep: no timer object per connection."""

from __future__ import annotations

from collections.abc import Callable

import structlog

SWEEP_SECONDS = 0.25

_log = structlog.get_logger(component="deadlines")


class Deadlines:
    """At most one deadline per owner and kind. Owns nothing but the table; the lifecycle calls `sweep`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._due: dict[tuple[object, str], tuple[float, Callable[[], None]]] = {}

    def __len__(self) -> int:
        return len(self._due)

    def set(self, owner: object, kind: str, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` once, `seconds` from now (late by up to SWEEP_SECONDS), unless cleared or set anew."""
        self._due[owner, kind] = (self.clock() + seconds, action)

    def clear(self, owner: object, kind: str) -> None:
        """Forget a deadline; no error if there is none."""
        self._due.pop((owner, kind), None)

    def has(self, owner: object, kind: str) -> bool:
        """Whether there is one."""
        return (owner, kind) in self._due

    def sweep(self) -> None:
        """Run and forget what is due."""
        now = self.clock()
        for key in [key for key, (at, _) in self._due.items() if at <= now]:
            due = self._due.pop(key, None)
            if due is not None:
                try:
                    due[1]()
                except Exception:
                    _log.exception("a deadline's action failed", seldom=str(key[1]), kind=key[1])
