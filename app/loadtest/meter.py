"""Who uses the machine's cores: the servers under load, their Redis, generators, browsers, everybody."""

from __future__ import annotations

import os
import time

from app.traffic import machine


class Meter:
    """Cores used since the last reading, by group. Groups are the trees below a process."""

    def __init__(self) -> None:
        self._roots: dict[str, int] = {}
        self._used: dict[int, float] = {}
        self._clock = machine.Clock.read()
        self._at = time.monotonic()

    def watch(self, name: str, root: int) -> None:
        """Read this tree too, from now on."""
        self._roots[name] = root

    def read(self) -> dict[str, float]:
        """Cores by group; a Redis in the tree of `server` is the group `engine`; `machine` is everything there is.

        `others` is what is neither watched nor this process, and what the machine's host took away.
        """
        now, clock = time.monotonic(), machine.Clock.read()
        seconds = max(0.001, now - self._at)
        used: dict[int, float] = {}
        me = os.getpid()
        used[me] = machine.cpu_seconds([me])
        own = used[me] - self._used.get(me, used[me])
        cores = {"machine": (clock.busy - self._clock.busy) / seconds}
        for name, root in self._roots.items():
            for pid in machine.descendants(root):
                used[pid] = machine.cpu_seconds([pid])
                group = "engine" if name == "server" and machine.is_engine(pid) else name
                # A process that is new has used what it used; one that is gone is not subtracted.
                cores[group] = cores.get(group, 0.0) + (used[pid] - self._used.get(pid, 0.0)) / seconds
        cores["others"] = 2 * cores["machine"] - sum(cores.values()) - own / seconds
        cores["others"] = max(0.0, cores["others"]) + (clock.stolen - self._clock.stolen) / seconds
        self._used, self._clock, self._at = used, clock, now
        return {name: round(max(0.0, value), 3) for name, value in cores.items()}
