"""Faults that a tool injects, as its report knows them. Times are seconds since the run began."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class FaultMark:
    """A fault that was injected. `lifted`: from here on the service could come back; `back`: it was, for everybody."""

    name: str
    begun: float
    lifted: float = 0.0
    back: float | None = None
    effect: str = ""
    took: bool = False
