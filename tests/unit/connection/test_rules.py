"""Each rule of the frame parser by name."""

from __future__ import annotations

import pytest

from tests.fakes.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, close, frame
from tests.unit.connection.bench import MESSAGE_BYTES, Bench


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 1999, MESSAGE_BYTES])
@pytest.mark.parametrize("form", [0, 126, 127])
def test_every_form_of_length_is_read(bench: Bench, size: int, form: int) -> None:
    """A message up to the limit arrives, in whatever form its length is written."""
    bench.receive(frame(TEXT, b"x" * size, form=form), frame(BINARY, b"\xff" * size, form=form))
    assert bench.heard.messages == ["x" * size, b"\xff" * size]
    assert bench.transport.sent == b""


def test_a_message_may_come_byte_by_byte(bench: Bench) -> None:
    """However small the pieces are, the message is one."""
    stream = frame(TEXT, "grüß".encode()) + frame(TEXT, b"a" * 300)
    bench.receive(*(stream[at : at + 1] for at in range(len(stream))))
    assert bench.heard.messages == ["grüß", "a" * 300]


def test_a_character_may_be_split_between_fragments(bench: Bench) -> None:
    """UTF-8 is checked over the whole message, not over its fragments."""
    bench.receive(frame(TEXT, b"\xe2\x82", fin=False), frame(CONT, b"", fin=False), frame(CONT, b"\xac"))
    assert bench.heard.messages == ["€"]


def test_a_ping_between_fragments_is_answered_before_the_message_is_whole(bench: Bench) -> None:
    """Control frames may come between fragments and do not disturb them."""
    bench.receive(frame(TEXT, b"a", fin=False), frame(PING, b"now"))
    assert bench.replies == [(PONG, b"now")]
    bench.receive(frame(CONT, b"b"))
    assert bench.heard.messages == ["ab"]


def test_a_pong_that_nobody_asked_for_is_ignored(bench: Bench) -> None:
    """RFC 6455, 5.5.3."""
    bench.receive(frame(PONG, b"?"), frame(TEXT, b"on"))
    assert (bench.heard.messages, bytes(bench.transport.sent)) == (["on"], b"")


RULES = {
    "unmasked": (frame(TEXT, b"a", masked=False), 1002),
    "unmasked ping": (frame(PING, b"", masked=False), 1002),
    "reserved bit 1": (frame(TEXT, b"a", rsv=4), 1002),
    "reserved bit 2": (frame(BINARY, b"a", rsv=2), 1002),
    "reserved bit 3": (frame(PING, b"a", rsv=1), 1002),
    "reserved data opcode": (frame(3, b"a"), 1002),
    "reserved control opcode": (frame(11, b""), 1002),
    "continuation of nothing": (frame(CONT, b"a"), 1002),
    "a message within a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "fragmented ping": (frame(PING, b"a", fin=False), 1002),
    "ping over 125 bytes": (frame(PING, bytes(126)), 1002),
    "text that is not UTF-8": (frame(TEXT, b"\xff"), 1007),
    "text that ends within a character": (frame(TEXT, b"\xe2\x82"), 1007),
    "fragmented text that is not UTF-8": (frame(TEXT, b"\xe2", fin=False) + frame(CONT, b"a"), 1007),
    "surrogate in UTF-8": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "over the limit by one": (frame(BINARY, bytes(MESSAGE_BYTES + 1)), 1009),
    "over the limit, header only": (frame(BINARY, b"", size=2**40, form=127), 1009),
    "length with the sign bit": (frame(BINARY, b"", size=2**63, form=127), 1009),
    "over the limit in fragments": (frame(TEXT, b"a" * 1500, fin=False) + frame(CONT, b"a" * 501), 1009),
    "close code out of range": (close(999), 1002),
    "close code never sent": (close(1005), 1002),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close reason that is not UTF-8": (close(1000, b"\xff"), 1007),
    "close within a message": (frame(TEXT, b"a", fin=False) + close(1000), 1002),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_closes_with_its_code(bench: Bench, rule: str) -> None:
    """Each rule of RFC 6455 has its close code, and nothing after the offence is heard."""
    stream, code = RULES[rule]
    bench.receive(frame(TEXT, b"before") + stream + frame(TEXT, b"after"))
    assert bench.heard.messages == ["before"]
    assert bench.code == code


@pytest.mark.parametrize("part", [b"", b"a"])
def test_a_message_has_at_most_64_fragments(part: bytes) -> None:
    """Fragments cost memory even when they are empty."""
    for pieces, code in ((64, None), (65, 1009)):
        bench = Bench(message_bytes=65536)
        bench.receive(frame(TEXT, part, fin=False) + frame(CONT, part, fin=False) * (pieces - 2) + frame(CONT, part))
        assert (bench.code, bench.heard.messages) == (code, [] if code else [part.decode() * pieces])


def test_a_large_message_may_come_in_many_fragments() -> None:
    """One more for each 16 bytes where messages may be larger than those of a chat."""
    bench = Bench(message_bytes=2**20)
    pieces = 2**16
    bench.receive(frame(TEXT, b"a" * 16, fin=False), frame(CONT, b"a" * 16, fin=False) * (pieces - 2))
    bench.receive(frame(CONT, b"a" * 16))
    assert bench.heard.messages == ["a" * 16 * pieces]
