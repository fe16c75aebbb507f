"""Server frames, read by the websockets library's own client."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Opcode

from app import frames
from tests.fakes.wire import parse

SIZES = [0, 1, 125, 126, 127, 2046, 2047, 2048, 2049, 65535, 65536, 70000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("make", "opcode"), [(frames.text, Opcode.TEXT), (frames.binary, Opcode.BINARY)])
def test_a_client_reads_every_size(make: object, opcode: Opcode, size: int) -> None:
    """All three forms of the length, on both sides of their borders and of the table's end."""
    payload = bytes(index % 128 for index in range(size))
    (frame,) = parse(make(payload))  # type: ignore[operator]
    assert (frame.opcode, bytes(frame.data), frame.fin) == (opcode, payload, True)


@given(st.lists(st.text(max_size=3000), max_size=5))
def test_joined_texts_are_the_single_ones_in_order(texts: list[str]) -> None:
    """One write of many frames says what many writes say."""
    payloads = [text.encode() for text in texts]
    joined = frames.texts(payloads)
    assert joined == b"".join(frames.text(payload) for payload in payloads)
    assert [bytes(frame.data) for frame in parse(joined)] == payloads


@example(1012, "x" * 123)
@example(1012, "x" * 124)
@example(4001, "\u20ac" * 60)
@given(st.sampled_from([1000, 1001, 1012, 4001, 4999]), st.text(max_size=200))
def test_a_close_frame_holds_its_code_and_as_much_reason_as_fits(code: int, reason: str) -> None:
    """The reason is cut between characters, and the frame stays within the 125 bytes of a control frame."""
    (frame,) = parse(frames.close(code, reason))
    data = bytes(frame.data)
    assert (frame.opcode, len(data) <= 125, int.from_bytes(data[:2], "big")) == (Opcode.CLOSE, True, code)
    told = data[2:].decode()
    assert reason.startswith(told)
    assert told == reason or len(told.encode()) > 123 - 4


def test_the_shared_ping_is_empty() -> None:
    """One ping for all connections."""
    (frame,) = parse(frames.PING)
    assert (frame.opcode, bytes(frame.data)) == (Opcode.PING, b"")
