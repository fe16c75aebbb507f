"""Property tests find the same cases in every run and on every machine, and no clock fails them."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "parley", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("parley")
