"""A clock and an event loop that stand still until a test moves them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any


class Clock:
    """Seconds, as a test says."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Loop:
    """The part of an event loop that synchronous code uses: callbacks of the next turn. `turn` runs one turn."""

    def __init__(self) -> None:
        self.ready: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()

    def call_soon(self, callback: Callable[..., Any], *arguments: Any) -> None:
        """Run in the next turn, in the order of the calls."""
        self.ready.append((callback, arguments))

    def turn(self) -> None:
        """One turn: what was asked for before it began."""
        for _ in range(len(self.ready)):
            callback, arguments = self.ready.popleft()
            callback(*arguments)

    def run(self) -> int:
        """Turn until nothing is left to do; how many turns that took."""
        turns = 0
        while self.ready:
            self.turn()
            turns += 1
        return turns
