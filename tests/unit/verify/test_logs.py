"""How the rooms' logs are read at the end of a run, from a server that the test plays."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from app.events import Position
from app.traffic.history import History
from app.verify import crew
from app.verify.checker import judge
from tests.fakes.double import event, playing

Message = dict[str, Any]
LOG = [event(seq) for seq in range(1, 6)]


def joined(seq: int) -> Message:
    """The answer to a join where the log's events are relayed up to a seq."""
    page = {"recovered": False, "messages": LOG[seq - 1 : seq]}
    return {"type": "joined", "room": "r", "epoch": "e1", "seq": seq, "mid": f"m{seq}", **page}


async def logs_of(positions: list[int]) -> tuple[History, int]:
    """What is read where joins are answered by these positions in turn, the last again and again; how many joined."""
    turns = itertools.chain(positions, itertools.repeat(positions[-1]))
    async with playing() as server:
        server.answer["join"] = lambda _: joined(next(turns))
        server.answer["history"] = lambda _: {"type": "history", "room": "r", "messages": LOG, "more": False}
        history = History(logs=await crew.read_logs([server.url], ["r"]))
        return history, len(server.requests("join"))


async def test_a_worker_that_relays_a_moment_later_than_it_acknowledges_is_asked_again() -> None:
    """Where it stands and what the log has are the same in the end, and that is no violation."""
    history, joins = await logs_of([3, 4, 5])
    assert (history.logs["r"].position, joins) == (Position("e1", 5, "m5"), 3)
    assert [one.seq for one in history.logs["r"].events] == [1, 2, 3, 4, 5]
    assert [one for one in judge(history).violations if one.rule == "log"] == []


async def test_a_worker_that_never_relays_the_end_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given its time, not more."""
    monkeypatch.setattr(crew, "AGREE_SECONDS", 0.3)
    history, joins = await logs_of([3])
    assert joins > 1
    (violation,) = [one for one in judge(history).violations if one.rule == "log"]
    assert "ends at 5 m5, but the room's position is Position(epoch='e1', seq=3" in violation.what
