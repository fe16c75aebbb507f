"""Frames in and out of the load test's own websocket, held against the library."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from app import frames
from app.traffic import wire
from app.traffic.wire import WireError

payloads = st.one_of(st.binary(max_size=200), st.integers(0, 70_000).map(bytes))


@given(payloads)
def test_a_clients_frame_is_read_by_the_library(payload: bytes):
    """Masked, whole, of any length."""
    library = Protocol(SERVER)
    library.receive_data(wire.masked(wire.TEXT, payload))
    assert library.events_received() == [Frame(Opcode.TEXT, payload)]


@given(st.lists(payloads, max_size=5), st.data())
def test_frames_are_found_wherever_the_bytes_are_cut(texts: list[bytes], data: st.DataObject):
    """What is unfinished stays for the next read."""
    stream = frames.texts(texts)
    cut = data.draw(st.integers(0, len(stream)))
    found: list[tuple[int, bytes]] = []

    def take(first: int, payload: bytes) -> None:
        found.append((first, payload))

    used = wire.split(stream[:cut], take)
    rest = stream[used:cut] + stream[cut:]
    assert wire.split(rest, take) == len(rest)
    assert found == [(wire.TEXT, text) for text in texts]


def test_a_masked_frame_from_a_server_is_an_error():
    """As the standard has it."""
    with pytest.raises(WireError):
        wire.split(wire.masked(wire.TEXT, b"hello"), lambda first, payload: None)


def test_a_frame_beyond_all_bounds_is_an_error():
    """It is not waited for."""
    with pytest.raises(WireError):
        wire.split(b"\x81\x7f" + (2**40).to_bytes(8, "big"), lambda first, payload: None)
