"""A room of the client: what it hands on, and what it knows of the room."""

from __future__ import annotations

import math
from typing import Any

from app.client.room import PEOPLE_MAX, Gap, Room, Verdict

Message = dict[str, Any]


def event(seq: int, type_: str = "message", **more: Any) -> Message:
    place = {"type": type_, "room": "r", "seq": seq, "mid": f"m{seq}", "ts": seq, "cid": f"c{seq}"}
    return {**place, "user": "u1", "name": "Ada", "text": f"text {seq}", **more}


def account(*events: Message, epoch: str = "e1", **more: Any) -> Message:
    """A `joined` or `resync` that ends with the last of these events."""
    last = events[-1] if events else {"seq": 0, "mid": ""}
    return {"room": "r", "epoch": epoch, "seq": last["seq"], "mid": last["mid"], "messages": list(events), **more}


def entered(*events: Message, **more: Any) -> Room:
    room = Room("r", rows_max=100)
    joined = account(*events, **more)
    room.catch_up(joined, proven=False)
    room.enter(joined)
    return room


def texts(room: Room) -> list[str]:
    return [row.text for row in room.timeline]


def test_live_events_are_folded_as_they_are_delivered() -> None:
    """What is dropped is not folded."""
    room = entered(event(1))
    assert room.receive(event(2)) is Verdict.DELIVER
    assert room.receive(event(2, text="twice")) is Verdict.REPEAT
    assert room.receive(event(4)) is Verdict.HOLE
    assert texts(room) == ["text 1", "text 2"]


def test_what_was_missed_is_folded_into_the_rows_there_are() -> None:
    """A proven resume keeps the rows."""
    room = entered(event(1))
    missed = account(event(2, "edited", of=1, text="new"), event(3))
    assert room.catch_up(missed, proven=True) == (missed["messages"], None)
    assert texts(room) == ["new", "text 3"]


def test_rows_from_before_a_gap_are_forgotten() -> None:
    """Their changes may be among what was lost."""
    room = entered(event(1), event(2))
    _, gap = room.catch_up(account(event(8), event(9)), proven=False)
    assert gap == Gap(2, 7, False)
    assert texts(room) == ["text 8", "text 9"]


def test_a_page_that_reaches_back_over_what_is_known_is_no_gap() -> None:
    """And what of it was known is not folded again."""
    room = entered(event(1), event(2))
    fresh, gap = room.catch_up(account(event(1, text="older"), event(2), event(3)), proven=False)
    assert ([event["seq"] for event in fresh], gap) == ([3], None)
    assert texts(room) == ["text 1", "text 2", "text 3"]


def test_the_topic_is_the_last_one_given() -> None:
    """In `joined`, or by an event, live or missed."""
    room = entered(event(1), topic="Plans")
    assert room.topic == "Plans"
    room.receive(event(2, "topic", topic="Releases"))
    assert room.topic == "Releases"
    room.catch_up(account(event(3, "topic", topic="")), proven=True)
    assert room.topic == ""


def test_presence_names_who_is_there() -> None:
    """Those of `joined`, then who comes and goes."""
    ada, bob, eve = ({"user": f"u{number}", "name": name} for number, name in enumerate(("Ada", "Bob", "Eve"), 1))
    room = entered(event(1), members=2, presence=[ada, bob])
    room.note({"type": "presence", "room": "r", "joined": [eve], "left": ["u2"], "members": 2})
    assert (room.members, room.people) == (2, {"u1": "Ada", "u3": "Eve"})
    room.note({"type": "presence", "room": "r", "presence": [bob], "members": 1})
    assert (room.members, room.people) == (1, {"u2": "Bob"})


def test_where_many_are_there_they_are_counted_only() -> None:
    """By the server's choice, or beyond what a client keeps."""
    room = entered(event(1), members=1, presence=[{"user": "u1", "name": "Ada"}])
    room.note({"type": "presence", "room": "r", "members": 513})
    assert (room.members, room.people) == (513, {})
    crowd = [{"user": f"u{number}", "name": "Ada"} for number in range(PEOPLE_MAX + 1)]
    room.note({"type": "presence", "room": "r", "joined": crowd, "left": [], "members": len(crowd)})
    assert (room.members, room.people) == (PEOPLE_MAX + 1, {})


def test_who_sends_leaves_or_is_not_named_any_more_does_not_type() -> None:
    """The list is replaced by each push; a message or a departure ends one's typing, a lost connection all."""
    typing = [{"user": "u1", "name": "Ada"}, {"user": "u2", "name": "Bob"}, {"user": "u3", "name": "Eve"}]
    room = entered(event(1), members=3)
    room.note({"type": "typing", "room": "r", "users": typing})
    room.receive(event(2))
    assert list(room.typing.values()) == ["Bob", "Eve"]
    room.note({"type": "presence", "room": "r", "joined": [], "left": ["u2"], "members": 2})
    assert list(room.typing.values()) == ["Eve"]
    room.exit()
    assert (room.typing, room.joined) == ({}, False)


def test_who_typed_is_forgotten_in_time() -> None:
    """The push that ends it may never come."""
    room = entered(event(1))
    room.note({"type": "typing", "room": "r", "users": [{"user": "u2", "name": "Bob"}]}, now=100.0)
    assert room.typists(109.9) == {"u2": "Bob"}
    assert room.typists(110.0) == {}


def test_a_mark_only_moves_forward() -> None:
    """A push that came late does not move it back."""
    room = entered(event(1), read=5)
    room.note({"type": "read", "room": "r", "seq": 7})
    room.note({"type": "read", "room": "r", "seq": 6})
    assert room.read == 7


def test_it_knows_what_its_user_may_do() -> None:
    """As the join says, and what a moderator did since; without word of it everything but to moderate."""
    room = entered(event(1))
    assert (room.rights, room.muted_until) == (["read", "write"], 0.0)
    room.enter(account(event(1), rights=["read"], muted=30.5), 100.0)
    assert (room.rights, room.muted_until) == (["read"], 130.5)
    room.note({"type": "moderated", "room": "r", "action": "unmute"}, 105.0)
    assert room.muted_until == 0.0
    room.note({"type": "moderated", "room": "r", "action": "mute", "seconds": 60}, 110.0)
    assert room.muted_until == 170.0
    room.note({"type": "moderated", "room": "r", "action": "mute"}, 110.0)
    assert room.muted_until == math.inf
    room.enter(account(event(1), muted=0), 100.0)
    assert room.muted_until == math.inf
    room.enter(account(event(1)), 100.0)
    assert room.muted_until == 0.0
