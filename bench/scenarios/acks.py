"""Send to ack: 200 senders, each alone in its room, from the intended send time until the sender knows.

Parley acknowledges what is stored and published. Servers without acknowledgements are timed until the sender's own
message is back, which is the most that their senders can know.
"""

from __future__ import annotations

from bench.loadclient import Group
from bench.peers import Peer
from bench.scenarios.base import Bench, Figures, Scenario, figures, find_top

SHAPE = Group(rooms=200, members=1, senders=1)
TOP_P99_MS = 100.0


def _key(peer: Peer) -> str:
    return "ack_ms" if peer.proto == "json" else "delivery_ms"


def at_25k(bench: Bench, peer: Peer) -> Figures:
    shape = Group(rooms=200, members=1, senders=1, rate=25_000)
    return figures(bench.step(peer, "ack-25k", [shape]), _key(peer))


def top(bench: Bench, peer: Peer) -> Figures:
    first = peer.first_rates.get("ack-top", peer.first_rates.get("fanout-200x10", 1000.0))
    steps, step = find_top(bench, peer, "ack-top", SHAPE, first, TOP_P99_MS, _key(peer))
    if step is None:
        return {"failed": "no rate was carried"}
    found = figures(step, _key(peer))
    return {**found, "acks_per_second": found["deliveries_per_second"], "tried": len(steps)}


SCENARIOS = (
    Scenario("ack-25k", "send to ack at 25,000/s, 200 senders in 200 rooms", at_25k, "p99_ms"),
    Scenario("ack-top", "most sends to ack, 200 senders in 200 rooms", top, "acks_per_second", more_is_better=True),
)
