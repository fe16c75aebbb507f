"""Fan-out: one message to all members of a room, as many as the server carries."""

from __future__ import annotations

from bench.loadclient import Group
from bench.peers import Peer
from bench.scenarios.base import P99_LIMIT_MS, Bench, Figures, Scenario, figures, find_top


def _fanout(bench: Bench, peer: Peer, scenario: str, shape: Group) -> Figures:
    first = peer.first_rates.get(scenario, 100.0)
    steps, top = find_top(bench, peer, scenario, shape, first, P99_LIMIT_MS, "delivery_ms")
    if top is None:
        return {"failed": "no rate was carried"}
    return {**figures(top), "tried": len(steps)}


def one_room(bench: Bench, peer: Peer) -> Figures:
    return _fanout(bench, peer, "fanout-1x1000", Group(rooms=1, members=1000, senders=100))


def many_rooms(bench: Bench, peer: Peer) -> Figures:
    return _fanout(bench, peer, "fanout-200x10", Group(rooms=200, members=10, senders=1))


SCENARIOS = (
    Scenario("fanout-1x1000", "fan-out, 1 room x 1000", one_room, "deliveries_per_second", more_is_better=True),
    Scenario("fanout-200x10", "fan-out, 200 rooms x 10", many_rooms, "deliveries_per_second", more_is_better=True),
)
