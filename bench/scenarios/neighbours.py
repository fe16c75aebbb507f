"""What one room, or one reader, does to the others."""

from __future__ import annotations

from dataclasses import replace

from bench import netns
from bench.loadclient import Group, Step
from bench.peers import Peer
from bench.scenarios.base import P99_LIMIT_MS, Bench, Figures, Scenario, disturbed, find_top, latencies

HOT = Group(rooms=1, members=2000, senders=100, name="hot")
QUIET = Group(rooms=1, members=10, senders=1, rate=50, name="quiet")

# Long texts, so that a reader that stopped is soon behind by more than sockets hold, and few of them, so that every
# server carries the load: 10,000 deliveries/s.
STALL_TEXT_BYTES = 4000
STALL_RATE = 10.0
STALL_WARMUP_SECONDS, STALL_SECONDS = 2.0, 20.0


def hot_room(bench: Bench, peer: Peer) -> Figures:
    """A room of ten beside one of 2,000 at half the rate which that one can bear alone."""
    first = peer.first_rates.get("fanout-1x1000", 100.0) / 2
    _, top = find_top(bench, peer, "hot-room", HOT, first, P99_LIMIT_MS, "delivery_ms", coarse=True)
    if top is None:
        return {"failed": "a room of 2,000 was carried at no rate"}
    half = round(top.groups[0]["rate"] / 2, 1)
    step = bench.step(peer, "hot-room", [replace(HOT, rate=half), QUIET])
    hot, quiet = step.groups
    found = {
        "hot_top_deliveries_per_second": top.groups[0]["deliveries_per_second"],
        "hot_deliveries_per_second": hot["deliveries_per_second"],
        **latencies(quiet),
        **latencies(hot, prefix="hot_"),
        "cores": step.cores,
        "client_cpu": step.client["cpu"],
        "valid": not step.client["saturated"],
        "disturbed": disturbed([top, step]),
    }
    return {**found, "failed": step.incomplete} if step.incomplete else found


def _with_stalled(bench: Bench, peer: Peer, stall: int) -> Step:
    """A step with so many readers that stop reading once the load begins."""
    client = replace(bench.client, text_bytes=STALL_TEXT_BYTES, warmup=STALL_WARMUP_SECONDS, seconds=STALL_SECONDS)
    group = Group(rooms=1, members=1000, senders=10, rate=STALL_RATE, stall=stall)
    return bench.step(peer, f"stalled-{stall}", [group], client)


def stalled(bench: Bench, peer: Peer) -> Figures:
    """What 999 readers notice of one that stopped, and what it costs to keep or to cut it."""
    with netns.small_send_buffers():
        without, beside = _with_stalled(bench, peer, 0), _with_stalled(bench, peer, 1)
    found = {
        **latencies(without.groups[0], prefix="without_"),
        **latencies(beside.groups[0]),
        "grown_mib_without": without.grown_mib,
        "grown_mib": beside.grown_mib,
        "valid": not beside.client["saturated"],
        "disturbed": disturbed([without, beside]),
    }
    problem = (without.incomplete and f"without a stalled reader: {without.incomplete}") or beside.incomplete
    return {**found, "failed": problem} if problem else found


SCENARIOS = (
    Scenario("hot-room", "a room of 10 beside one of 2,000 at half its top rate", hot_room, "p99_ms"),
    Scenario("stalled", "one stalled reader among 1,000", stalled, "p99_ms"),
)
