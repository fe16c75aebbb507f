"""RFC 6455 from outside, over raw sockets: a feed with one client is an echo, and what is no websocket is refused.

The cases are those of the Autobahn test suite in little: framing, pings, reserved bits and opcodes, fragments, UTF-8,
closing, large messages.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import count

import pytest

from tests.fakes.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, close, frame, parse
from tests.support import DEADLINE_SECONDS, Server

LARGE = 16 * 2**20
GREEK = "κόσμε \U0001f600".encode()
_rooms = count(1)


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose limits are those for conformance runs."""
    home = tmp_path_factory.mktemp("echo")
    limits = {"PARLEY_MESSAGE_BYTES": str(LARGE), "PARLEY_SLOW_HARD_BYTES": str(4 * LARGE)}
    server = Server(home / "log", "--port", "0", "--workers", "1", "--data-dir", str(home / "data"), env=limits)
    yield server
    server.stop()


class Wire:
    """A raw socket after its handshake with a feed of its own."""

    def __init__(self, server: Server, path: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE_SECONDS)
        self._socket.sendall(
            b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            % (path or f"/feed/rfc-{next(_rooms)}").encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        self._bytes = bytearray()

    def send(self, data: bytes) -> None:
        """Write bytes."""
        self._socket.sendall(data)

    def frames(self, number: int) -> list[tuple[int, bytes]]:
        """The opcodes and payloads of all frames so far, when they are so many, or the peer has closed."""
        while True:
            found = [(int(one.opcode), bytes(one.data)) for one in parse(self._bytes)]
            if len(found) >= number:
                return found
            more = self._socket.recv(2**20)
            if not more:
                return found
            self._bytes += more

    def message(self, size: int) -> bytes:
        """One message of that size, by its header alone."""
        while len(self._bytes) < 10 + size:
            more = self._socket.recv(2**20)
            assert more, "the connection has ended"
            self._bytes += more
        assert self._bytes[1] == 127
        assert int.from_bytes(self._bytes[2:10], "big") == size
        return bytes(self._bytes[10 : 10 + size])

    def code(self) -> int:
        """The close code with which the peer ends the connection, after everything else."""
        opcode, payload = self.frames(10_000)[-1]
        assert opcode == CLOSE
        return int.from_bytes(payload[:2], "big") if payload else 1005

    def end(self) -> None:
        """Let go."""
        self._socket.close()


@pytest.fixture
def wire(echo: Server) -> Iterator[Wire]:
    """A connection to a feed with nobody else."""
    wire = Wire(echo)
    yield wire
    wire.end()


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65535, 65536])
def test_a_message_of_any_length_comes_back(wire: Wire, opcode: int, size: int) -> None:
    """Empty ones and those at the edges of the length's forms."""
    wire.send(frame(opcode, b"*" * size) + frame(PING, b"end"))
    assert sorted(wire.frames(2)) == sorted([(opcode, b"*" * size), (PONG, b"end")])


def test_a_frame_may_come_byte_by_byte(wire: Wire) -> None:
    """Whatever the packets are."""
    for byte in frame(TEXT, GREEK) + frame(BINARY, b"\x00\xff"):
        wire.send(bytes((byte,)))
    assert wire.frames(2) == [(TEXT, GREEK), (BINARY, b"\x00\xff")]


@pytest.mark.parametrize("payload", [b"", b"hi", b"\x00\xff\xfe", b"x" * 125])
def test_a_ping_is_answered_with_its_payload(wire: Wire, payload: bytes) -> None:
    """Each of several, in order; an unasked pong is nothing."""
    wire.send(frame(PONG, payload) + frame(PING, payload) + frame(PING, payload + b"2" if len(payload) < 125 else b"2"))
    assert wire.frames(2)[0] == (PONG, payload)


FRAGMENTED: list[tuple[list[bytes], list[tuple[int, bytes]]]] = [
    ([frame(TEXT, b"a", fin=False), frame(CONT, b"b")], [(TEXT, b"ab")]),
    ([frame(BINARY, b"a", fin=False), frame(CONT, b"b", fin=False), frame(CONT, b"c")], [(BINARY, b"abc")]),
    ([frame(TEXT, b"", fin=False), frame(CONT, b"", fin=False), frame(CONT, b"")], [(TEXT, b"")]),
    ([frame(TEXT, b"", fin=False), frame(CONT, b"middle", fin=False), frame(CONT, b"")], [(TEXT, b"middle")]),
    (
        [frame(TEXT, b"a", fin=False), frame(PING, b"p"), frame(CONT, b"b"), frame(TEXT, b"c")],
        [(PONG, b"p"), (TEXT, b"ab"), (TEXT, b"c")],
    ),
    *(
        ([frame(TEXT, GREEK[:cut], fin=False), frame(CONT, GREEK[cut:])], [(TEXT, GREEK)])
        for cut in range(1, len(GREEK))
    ),
    ([frame(TEXT, GREEK[:1], fin=False), *(frame(CONT, GREEK[i : i + 1], fin=False) for i in range(1, len(GREEK))),
      frame(CONT, b"")], [(TEXT, GREEK)]),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "heard"), FRAGMENTED)
def test_fragments_are_one_message(wire: Wire, sent: list[bytes], heard: list[tuple[int, bytes]]) -> None:
    """Control frames come between them; characters may be cut anywhere."""
    wire.send(b"".join(sent))
    assert wire.frames(len(heard)) == heard


WRONG: dict[str, tuple[bytes, int]] = {
    "a ping of more than 125 bytes": (frame(PING, b"x" * 126), 1002),
    "a ping in fragments": (frame(PING, b"x", fin=False), 1002),
    "a close in fragments": (frame(CLOSE, b"\x03\xe8", fin=False), 1002),
    "a continuation of nothing": (frame(CONT, b"x"), 1002),
    "an open continuation of nothing": (frame(CONT, b"x", fin=False), 1002),
    "a message within a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "a frame without a mask": (frame(TEXT, b"hi", masked=False), 1002),
    **{f"reserved bits {rsv}": (frame(TEXT, b"hi", rsv=rsv), 1002) for rsv in range(1, 8)},
    **{f"reserved bits {rsv} on a ping": (frame(PING, b"", rsv=rsv), 1002) for rsv in (1, 2, 4)},
    **{f"opcode {opcode}": (frame(opcode, b""), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "half a character": (frame(TEXT, GREEK[:-1]), 1007),
    "half a character at the end of fragments": (frame(TEXT, b"a", fin=False) + frame(CONT, GREEK[:1]), 1007),
    "a byte that never is": (frame(TEXT, b"\xff"), 1007),
    "an overlong form": (frame(TEXT, b"\xc0\xaf"), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "beyond the last character": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "one byte too many": (frame(BINARY, b"", size=LARGE + 1, form=127), 1009),
    "2**63 bytes": (frame(BINARY, b"", size=2**63, form=127), 1009),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_ends_the_connection_with_its_code(wire: Wire, what: str) -> None:
    """1002, 1007 or 1009; what came before is answered, nothing after it."""
    sent, code = WRONG[what]
    wire.send(frame(PING, b"before") + sent + frame(PING, b"after"))
    assert wire.code() == code
    assert wire.frames(0)[:-1] == [(PONG, b"before")]


GOOD_CODES = (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
CLOSES: dict[str, tuple[bytes, int]] = {
    "without a code": (frame(CLOSE), 1005),
    "with a reason": (close(1000, b"bye"), 1000),
    "with a long reason": (close(1000, b"x" * 123), 1000),
    "of one byte": (frame(CLOSE, b"\x03"), 1002),
    "with a reason that is no UTF-8": (close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"), 1007),
    "with a reason too long": (close(1000, b"x" * 124), 1002),
    **{f"with {code}": (close(code), code) for code in GOOD_CODES},
    **{f"with {code}": (close(code), 1002) for code in BAD_CODES},
}


@pytest.mark.parametrize("what", CLOSES)
def test_a_close_is_answered(wire: Wire, what: str) -> None:
    """With its own code, or with what is wrong about it; then the connection ends."""
    sent, code = CLOSES[what]
    wire.send(frame(PING, b"before") + sent + frame(TEXT, b"after"))
    assert wire.code() == code


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("part", [LARGE, 4096, 64])
def test_a_large_message_comes_back(echo: Server, opcode: int, part: int) -> None:
    """16 MiB, at once and in small fragments."""
    payload = (b"0123456789abcdef" * (LARGE // 16))[:LARGE]
    parts = [payload[at : at + part] for at in range(0, LARGE, part)]
    last = len(parts) - 1
    frames = (frame(CONT if n else opcode, one, fin=n == last) for n, one in enumerate(parts))
    wire = Wire(echo)
    wire.send(b"".join(frames))
    assert wire.message(LARGE) == payload
    wire.end()


@pytest.mark.parametrize("path", ["/ws", "/feed/fragments"])
@pytest.mark.parametrize("payload", [b"", b"x"])
def test_a_message_has_at_most_64_fragments(shared_server: Server, path: str, payload: bytes) -> None:
    """Empty ones count; 64 are a message, one more is the end: 1009."""
    wire = Wire(shared_server, path)
    first, rest = frame(TEXT, b'{"type":"hello","name":"Ada",', fin=False), frame(CONT, payload, fin=False)
    wire.send(first + rest * 62 + frame(CONT, b'"id":1}'))
    assert len(wire.frames(1)) == 1
    wire.send(first + rest * 63 + frame(CONT, b'"id":1}'))
    assert wire.code() == 1009
    wire.end()


@pytest.mark.parametrize("path", ["/ws", "/feed/size"])
def test_a_message_has_at_most_64_kib_over_all_its_fragments(shared_server: Server, path: str) -> None:
    """One byte more is the end: 1009."""
    wire = Wire(shared_server, path)
    wire.send(frame(BINARY, b"x" * 40_000, fin=False) + frame(CONT, b"x" * 25_536))
    assert len(wire.frames(1)) == 1
    wire.send(frame(BINARY, b"x" * 40_000, fin=False) + frame(CONT, b"x" * 25_537))
    assert wire.code() == 1009
    wire.end()
