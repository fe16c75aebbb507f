"""The judge of parley verify: it passes whole histories and finds every kind of damage."""

from __future__ import annotations

import copy
import random

import pytest

from app.events import Position
from app.traffic.faults import FaultMark
from app.traffic.history import Acked, ClientHistory, Event, History, Joined, Record, Resync, RoomLog, Seen, Sent
from app.verify.checker import Verdict, judge
from tests.unit.verify.damages import DAMAGES, Damage
from tests.unit.verify.world import World


def rules(verdict: Verdict) -> set[str]:
    """The rules that were broken."""
    return {violation.rule for violation in verdict.violations}


@pytest.mark.parametrize("seed", range(20))
def test_a_whole_history_passes(seed: int):
    """Nobody is accused: not with resumes, repeats, refused and unknown sends."""
    verdict = judge(World(seed).history())
    assert verdict.violations == []
    assert verdict.acked > 50
    assert verdict.resumed > 5
    assert verdict.unknown
    assert verdict.amended > 5
    assert verdict.folded > 100


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("seed", range(12))
def test_every_damage_is_found(damage: Damage, seed: int):
    """One change in one place is a violation, by a rule that fits, and the evidence can be read."""
    history = copy.deepcopy(World(seed).history())
    fitting = damage(history, random.Random(seed))
    verdict = judge(history)
    assert rules(verdict) & fitting, [str(violation) for violation in verdict.violations]
    assert all(str(violation) for violation in verdict.violations)


def test_a_gap_that_was_told_is_no_loss():
    """A log that is gone, and everybody told so: what was acknowledged is lost, but nobody was lied to about it."""
    old, new = [Event(1, "m1", "u", "a", "a"), Event(2, "m2", "u", "b", "b")], Event(1, "n1", "u", "c", "c")
    records: list[Record] = [
        Joined(0, "r", None, Position("e1", 0, ""), False, []),
        Sent(1, "r", "a", "a"),
        Seen(1, "r", old[0]),
        Sent(1, "r", "b", "b"),
        Seen(1, "r", old[1]),
        Resync(2, "r", Position("e2", 0, ""), True, []),
        Sent(3, "r", "c", "c"),
        Seen(3, "r", new),
        Acked(3, "r", "c", 1, "n1", False),
    ]
    history = History([ClientHistory("c", "u", True, records)], {"r": RoomLog("r", Position("e2", 1, "n1"), [new])})
    verdict = judge(history)
    assert verdict.gaps_told == 1
    assert rules(verdict) == {"log"}, "what was shown is not in the log any more, and nothing else is wrong"


def test_a_client_that_came_late_needs_only_what_came_after():
    """Older events than its first page are not missing."""
    log = [Event(seq, f"m{seq}", "u", f"x{seq}", "t") for seq in range(1, 8)]
    sender: list[Record] = [Joined(0, "r", None, Position("e1", 0, ""), False, [])]
    for event in log:
        sender += [
            Sent(1, "r", event.cid, "t"),
            Seen(1, "r", event),
            Acked(1, "r", event.cid, event.seq, event.mid, False),
        ]
    late: list[Record] = [Joined(2, "r", None, Position("e1", 7, "m7"), False, log[-2:])]
    history = History(
        [ClientHistory("c0", "u", True, sender), ClientHistory("c1", "v", True, late)],
        {"r": RoomLog("r", Position("e1", 7, "m7"), log)},
    )
    assert judge(history).violations == []


def test_a_log_that_was_trimmed_is_judged_by_what_it_has():
    """Events older than the log's oldest are no loss."""
    history = World(3).history()
    for room, log in history.logs.items():
        history.logs[room] = RoomLog(room, log.position, log.events[5:])
    assert judge(history).violations == []


def test_a_fault_after_which_somebody_stays_away_is_a_violation():
    """Nothing lost, but the service did not come back: that is no pass."""
    history = World(2).history()
    history.faults = [FaultMark("kill-redis", 1.0, 2.0, 3.0), FaultMark("kill-worker", 4.0, 4.0, None)]
    assert [str(violation) for violation in judge(history).violations] == [
        "[back] all rooms: kill-worker at 4.00 s: not everybody was served again in time"
    ]


def test_nothing_at_all_is_nothing_acknowledged():
    """An empty history breaks no promise and proves nothing."""
    verdict = judge(History())
    assert (verdict.violations, verdict.acked) == ([], 0)
