"""How long a room rests between two script calls: not at all while Redis and this worker keep up, longer under load.

A message costs most alone: a script call, a publication, and one write for each member. Those that wait while their
room rests share all three. The signal is the time from a call to its answer, which holds every queue on the way: that
of this worker's event loop, that of the machine's cores, that of Redis. It is smoothed over SMOOTH_SECONDS, however
many answers come in them: a signal that follows faster than what the rests do to it makes them swing between nothing
and all.
"""

from __future__ import annotations

FREE_SECONDS = 0.008
FACTOR = 8.0
REST_MAX_SECONDS = 0.04
SPARSE_SECONDS = 0.001
SMOOTH_SECONDS = 1.0
_SMOOTHING = 1 / 16


class Pace:
    """Pure. `round_trip` is the smoothed time in seconds from a call to its answer, `interval` that between answers."""

    __slots__ = ("_answered_at", "interval", "round_trip")

    def __init__(self) -> None:
        self.round_trip = 0.0
        self.interval = 0.0
        self._answered_at = 0.0

    def rest(self, took_seconds: float, now_seconds: float, gathers: bool) -> float:
        """Note what a call took; seconds that its room should rest now, 0 to REST_MAX_SECONDS.

        A room where nothing gathers rests only where such rooms are many: where calls are SPARSE_SECONDS apart or more,
        the load is another one's, and resting would only make a quiet room wait.
        """
        self.interval += (now_seconds - self._answered_at - self.interval) * _SMOOTHING
        self._answered_at = now_seconds
        self.round_trip += (took_seconds - self.round_trip) * min(_SMOOTHING, self.interval / SMOOTH_SECONDS)
        if not gathers and self.interval >= SPARSE_SECONDS:
            return 0.0
        return min(REST_MAX_SECONDS, max(0.0, FACTOR * (self.round_trip - FREE_SECONDS)))
