"""What a server that is not at its limit adds to a message."""

from __future__ import annotations

from dataclasses import replace

from bench.loadclient import Group
from bench.peers import Peer
from bench.scenarios.base import Bench, Figures, Scenario, figures


def common_load(bench: Bench, peer: Peer) -> Figures:
    """36,000 deliveries/s to one room of 1,000: what a busy but healthy server adds."""
    return figures(bench.step(peer, "latency-36k", [Group(rooms=1, members=1000, senders=36, rate=36)]))


def lone(bench: Bench, peer: Peer) -> Figures:
    """A message every 20 ms in a room of ten, nothing else: each is long delivered when the next one comes."""
    client = replace(bench.client, seconds=2 * bench.client.seconds)
    return figures(bench.step(peer, "lone", [Group(rooms=1, members=10, senders=1, rate=50)], client))


SCENARIOS = (
    Scenario("latency-36k", "latency at 36,000 deliveries/s, 1 room x 1000", common_load, "p99_ms"),
    Scenario("lone", "latency of a lone message in a quiet room", lone, "p99_ms"),
)
