"""How long a room rests between two script calls: not at all while Redis and this worker keep up, longer under load.

A message costs most alone: a script call, a publication, and one write for each member. Those that wait while their
room rests share all three. The signal is the smoothed time from a call to its answer, which holds every queue on the
way: that of this worker's event loop, that of the machine's cores, that of Redis.
"""

from __future__ import annotations

FREE_SECONDS = 0.008
FACTOR = 8.0
REST_MAX_SECONDS = 0.04
_SMOOTHING = 1 / 16


class Pace:
    """Pure. `round_trip` is the smoothed time in seconds from a call to its answer."""

    __slots__ = ("round_trip",)

    def __init__(self) -> None:
        self.round_trip = 0.0

    def rest(self, took_seconds: float) -> float:
        """Note what a call took; seconds that its room should rest now, 0 to REST_MAX_SECONDS."""
        self.round_trip += (took_seconds - self.round_trip) * _SMOOTHING
        return min(REST_MAX_SECONDS, max(0.0, FACTOR * (self.round_trip - FREE_SECONDS)))
