"""The frame parser against the websockets library alone."""

from __future__ import annotations

import random

import pytest

from tests.fakes.transport import Transport
from tests.fakes.wire import PONG, parse
from tests.unit.connection.bench import MESSAGE_BYTES, Bench, Heard
from tests.unit.connection.streams import Library, any_stream, chunks, control, fragmented


@pytest.mark.parametrize("seed", range(20))
def test_random_streams_give_what_the_library_gives(seed: int) -> None:
    """Whatever a peer sends, however it is cut: the same messages, the same pongs, the same close code."""
    dice = random.Random(seed)
    for case in range(150):
        stream = any_stream(dice)
        library, bench = Library(MESSAGE_BYTES), Bench()
        for chunk in chunks(dice, stream):
            library.receive(chunk)
            bench.receive(chunk)
        where = f"seed {seed}, case {case}: {stream[:200].hex()}"
        assert bench.heard.messages == library.messages, where
        assert [data for opcode, data in bench.replies if opcode == PONG] == library.pongs, where
        assert bench.code == library.code, where


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_give_what_the_library_gives(seed: int) -> None:
    """Pure noise, too: what a frame's header claims in vain is all that may take this parser longer to refuse."""
    dice = random.Random(1000 + seed)
    for case in range(200):
        noise = dice.randbytes(dice.randrange(1, 60)) + bytes(MESSAGE_BYTES)
        library, bench = Library(MESSAGE_BYTES), Bench()
        for chunk in chunks(dice, noise):
            library.receive(chunk)
            bench.receive(chunk)
        assert bench.heard.messages == library.messages, f"seed {seed}, case {case}"
        assert bench.code == library.code, f"seed {seed}, case {case}: {noise[:60].hex()}"


@pytest.mark.parametrize("seed", range(3))
def test_connections_share_spare_parts_without_mixing_messages(seed: int) -> None:
    """Fragments and pings of many connections, interleaved, stay with their connection."""
    dice = random.Random(2000 + seed)
    bench = Bench()
    pairs = []
    for _ in range(8):
        heard = Heard()
        transport = Transport(bench.loop)
        bench.connect(transport, heard)
        frames = [one for _ in range(30) for one in (fragmented(dice) if dice.random() < 0.7 else [control(dice)])]
        pairs.append((transport, heard, Library(MESSAGE_BYTES), frames))
    while any(frames for *_, frames in pairs):
        transport, _, library, frames = dice.choice(pairs)
        if frames:
            data = frames.pop(0)
            transport.receive(data)
            library.receive(data)
    bench.loop.run()
    for transport, heard, library, _ in pairs:
        assert heard.messages == library.messages
        assert [bytes(one.data) for one in parse(transport.sent)] == library.pongs
        assert library.code is None
