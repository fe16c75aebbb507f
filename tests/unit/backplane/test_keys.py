"""Names in Redis."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from app.backplane import keys
from app.errors import BadRequest
from app.protocol.names import room_name

ROOM_KEYS = (
    keys.log,
    keys.meta,
    keys.events,
    keys.feed,
    lambda room: keys.cids(room, "u1/s1"),
)


def names_of(room: str) -> list[str]:
    """Every name that belongs to a room."""
    made = [make(room) for make in ROOM_KEYS]
    return [name.decode() if isinstance(name, bytes) else name for name in made]


def test_all_names_of_a_room_lie_in_one_slot() -> None:
    """They carry the room as their hash tag, so one script may touch them all on a cluster."""
    assert {re.findall(r"\{(.*?)\}", name)[0] for name in names_of("lobby")} == {"lobby"}
    assert len(set(names_of("lobby"))) == len(ROOM_KEYS)


@given(st.text(max_size=64), st.text(max_size=64))
def test_no_two_rooms_share_a_name(one: str, other: str) -> None:
    """Whatever rooms may be called, and whatever kind of name it is."""
    try:
        one, other = room_name(one), room_name(other)
    except BadRequest:
        return
    if one != other:
        assert not set(names_of(one)) & set(names_of(other))


def test_everything_is_under_one_prefix() -> None:
    """So that a Redis can be shared and cleaned."""
    everything = [*names_of("lobby"), keys.canary("n1").decode(), keys.FINGERPRINT]
    assert all(name.startswith(keys.PREFIX) for name in everything)
