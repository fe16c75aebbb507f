"""What is measured. A scenario takes a running bench and one peer and returns its figures as a dict."""

from __future__ import annotations

import time

from bench.loadclient import LoadClientError
from bench.peers import Peer
from bench.scenarios import acks, fanout, idle, latency, neighbours
from bench.scenarios.base import Bench, Figures, Scenario
from bench.servers import CannotStart

__all__ = ["QUICK", "SCENARIOS", "Bench", "Figures", "Scenario", "measure"]

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for module in (fanout, idle, acks, latency, neighbours) for scenario in module.SCENARIOS
}
QUICK = ("fanout-1x1000", "fanout-200x10", "idle", "latency-36k", "lone")


def measure(bench: Bench, scenario: Scenario, peer: Peer) -> Figures:
    """One cell of the table; a peer that cannot do it is a result too."""
    began = time.monotonic()
    try:
        found = scenario.measure(bench, peer)
    except (LoadClientError, CannotStart) as problem:
        found = {"failed": str(problem).splitlines()[-1]}
    return {"scenario": scenario.name, "peer": peer.name, "seconds": round(time.monotonic() - began, 1), **found}
