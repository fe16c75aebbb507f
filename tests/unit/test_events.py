"""Positions, heads and publications."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import Batch, Head, Position, head
from tests.fakes.log import events, publication


def test_a_head_is_read_from_the_front_of_an_event() -> None:
    """Seq, mid and ts are what the script wrote, whatever the body says of itself."""
    stored = b'{"seq":7,"mid":"w-1.7","ts":1763791200123,"type":"message","text":"\\"seq\\":9,\\"mid\\":\\"x\\""}'
    assert head(stored) == Head(7, "w-1.7", 1763791200123)


@pytest.mark.parametrize(
    "wrong",
    [b"", b"{}", b'{"mid":"a","seq":1,"ts":2}', b'{"seq":"1","mid":"a","ts":2}', b' {"seq":1,"mid":"a","ts":2}'],
)
def test_an_event_without_its_head_is_refused(wrong: bytes) -> None:
    """Anything else is a ValueError, no wrong number."""
    with pytest.raises(ValueError, match="not a stored event"):
        head(wrong)


def test_a_publication_is_read_as_a_batch() -> None:
    """Header and events of one script call."""
    batch = Batch.parse(publication(5, 7))
    assert (batch.epoch, batch.first, batch.last, batch.previous, batch.last_mid) == ("e", 5, 7, "m.4", "m.7")
    assert batch.payloads == events(5, 7)
    assert batch.position == Position("e", 7, "m.7")


def test_the_first_publication_follows_nothing() -> None:
    """Before the first event there is no mid."""
    batch = Batch.parse(publication(1, 1))
    assert (batch.first, batch.previous, batch.last_mid) == (1, "", "m.1")


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\n",
        b"e m.1",
        b"e m.1 0\n",
        b"e m.1 0 1 1 1000 m",
        b"e m.1 0 1 2 1000 m\n,}",
        b"e m.1 0 1 -1 1000 m\n,}",
        b"e m.1 0 1 0 1000 m",
        b"e m.1 1 1 1 1000 m\n,}",
        b"e m.1 0 1 1 1000 m\n,}\n1 ,}",
        b"e m.1 0 one 1 1000 m\n,}",
        b"e m.1 0 1 1 1000 m more\n,}",
        b"e m.1 more 0 1 1 1000 m\n,}",
        b"\xff m.1 0 1 1 1000 m\n,}",
    ],
)
def test_a_publication_of_another_kind_is_a_value_error(wrong: bytes) -> None:
    """What others publish on the channel is told apart, never half understood."""
    with pytest.raises(ValueError, match=r"entry|unpack|literal|decode|events"):
        Batch.parse(wrong)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_batch_or_a_value_error(noise: bytes) -> None:
    """No other exception escapes, for the reader runs in the subscriber's read."""
    try:
        assert Batch.parse(noise).payloads
    except ValueError:
        pass


def test_positions_are_equal_only_with_all_three_parts() -> None:
    """A number says nothing without its epoch and mid."""
    here = Position("e", 5, "m5")
    assert here == Position("e", 5, "m5")
    assert here not in (Position("f", 5, "m5"), Position("e", 6, "m5"), Position("e", 5, "x5"))
