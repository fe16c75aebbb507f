"""The listeners of parley verify are held to the logs, on frames of the test's own."""

from __future__ import annotations

import json

import pytest

from app import frames
from app.events import Position
from app.traffic.history import Event, RoomLog
from app.traffic.member import Member
from app.verify.audience import Audience
from tests.support import until_async

LOG = [Event(seq, f"m{seq}", "u", f"c-{seq}", "text") for seq in range(1, 6)]
LOGS = {"r": RoomLog("r", Position("e", 5, "m5"), LOG)}


def listener(audience: Audience) -> Member:
    """The only one, as it is once it has joined."""
    (member,) = audience.members
    say(member, type="joined", id=2, epoch="e", seq=0, mid="", messages=[])
    return member


def say(member: Member, **message: object) -> None:
    """The server says this."""
    assert member.received(frames.text(json.dumps(message).encode())) == b""


def give(member: Member, *seqs: int, **other: object) -> None:
    """Events, one by one."""
    for seq in seqs:
        say(member, **{"type": "message", "room": "r", "seq": seq, "mid": f"m{seq}", "cid": f"c-{seq}", **other})


def rules(audience: Audience) -> list[str]:
    """What is violated."""
    return [violation.rule for violation in audience.judge(LOGS)]


@pytest.fixture
def audience() -> Audience:
    """One listener in one room; nothing is connected."""
    return Audience(["ws://127.0.0.1:9/ws"], ["r"], 1)


def test_a_listener_who_was_given_all_is_content(audience: Audience):
    """Amendments count like messages, whatever they have for a text."""
    member = listener(audience)
    give(member, 1, 2, 3)
    give(member, 4, type="reacted", of=2)
    give(member, 5, type="superseded", of=1)
    assert rules(audience) == []
    assert audience.deliveries == 5


@pytest.mark.parametrize(
    ("seqs", "rule"),
    [((1, 2, 4, 5), "lost"), ((1, 2, 3), "lost"), ((1, 2, 2, 3, 4, 5), "twice"), ((1, 3, 2, 4, 5), "order")],
)
def test_what_is_lost_doubled_or_out_of_order_is_found(audience: Audience, seqs: tuple[int, ...], rule: str):
    """Each for what it is."""
    give(listener(audience), *seqs)
    assert rules(audience) == [rule]


def test_another_event_than_the_log_has_is_found(audience: Audience):
    """Everybody has to have the same one at a seq."""
    member = listener(audience)
    give(member, 1, 2, 3, 4)
    give(member, 5, cid="c-else")
    assert rules(audience) == ["order"]


def test_an_event_at_two_seqs_is_found(audience: Audience):
    """One cid is one event."""
    member = listener(audience)
    give(member, 1, 2, 3, 4)
    give(member, 5, cid="c-4")
    assert sorted(rules(audience)) == ["order", "twice"]


def test_who_was_told_of_a_gap_is_not_missing_what_was_in_it(audience: Audience):
    """The server was honest about it."""
    member = listener(audience)
    give(member, 1)
    say(member, type="resync", epoch="e", seq=5, mid="m5", lost=True, messages=[])
    assert rules(audience) == []


async def test_listeners_are_waited_for_until_they_have_what_the_logs_have(audience: Audience):
    """Or for so long."""
    member = listener(audience)
    await audience.caught_up(LOGS, 0.0)
    assert rules(audience) == ["lost"]
    give(member, 1, 2, 3, 4, 5)
    await until_async(lambda: rules(audience) == [], "nothing is missing")
    await audience.caught_up(LOGS, 60.0)
