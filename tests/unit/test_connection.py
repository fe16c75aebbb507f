"""The connection's frame parser against the websockets library alone, and its way of ending."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from app import connection as module
from app.connection import CLOSE_SECONDS, DROPPED_BYTES, FRAMES_AT_ONCE, Connection, Connections
from app.deadlines import Deadlines
from app.outbox import OutboxLimits, OutboxPool
from tests.fakes.loop import Clock, Loop
from tests.fakes.transport import Transport
from tests.fakes.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, close, close_code, frame, parse

MESSAGE_BYTES = 2000
LIMITS = OutboxLimits(soft_bytes=1000, grace_seconds=2.0, hard_bytes=5000)


class Heard:
    """A receiver that keeps what it hears, and may do something at each message."""

    heartbeat = b"\x89\x00"

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.losses = 0
        self.goodbyes = 0
        self.at_message: Any = None

    def text(self, payload: bytes) -> None:
        self.messages.append(payload.decode())
        if self.at_message:
            self.at_message()

    def binary(self, payload: bytes) -> None:
        self.messages.append(payload)
        if self.at_message:
            self.at_message()

    def goodbye(self) -> None:
        self.goodbyes += 1

    def lost(self) -> None:
        self.losses += 1


class Bench:
    """A connection on a transport without a socket, with a clock that stands still."""

    def __init__(self, message_bytes: int = MESSAGE_BYTES, *, has_eof: bool = True) -> None:
        self.clock = Clock()
        self.loop = Loop()
        self.deadlines = Deadlines(self.clock)
        self.all = Connections(self.loop, OutboxPool(self.loop, self.deadlines, LIMITS), message_bytes)  # type: ignore
        self.heard = Heard()
        self.transport = Transport(self.loop, has_eof=has_eof)
        self.connection = self.connect(self.transport, self.heard)

    def connect(self, transport: Transport, heard: Heard) -> Connection:
        """Another connection of the same worker."""
        connection = Connection(transport, self.all)
        transport.set_protocol(connection)
        connection.receiver = heard
        return connection

    def receive(self, *chunks: bytes) -> None:
        """The peer sends; then the loop runs dry."""
        for chunk in chunks:
            self.transport.receive(chunk)
            self.loop.run()

    def later(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        self.clock.pass_(seconds)
        self.deadlines.sweep()
        self.loop.run()

    @property
    def code(self) -> int | None:
        """The code of the close frame sent."""
        return close_code(self.transport.sent)

    @property
    def replies(self) -> list[tuple[int, bytes]]:
        """Opcode and payload of everything sent."""
        return [(int(one.opcode), bytes(one.data)) for one in parse(self.transport.sent)]


@pytest.fixture
def bench() -> Bench:
    """A connection just opened."""
    return Bench()


# What the library alone makes of a stream


class Library:
    """The reference: websockets' server protocol, its frames put together to messages as its connections do."""

    def __init__(self, message_bytes: int) -> None:
        self.protocol = ServerProtocol(state=OPEN, max_size=message_bytes)
        self.messages: list[str | bytes] = []
        self.code: int | None = None
        self.pongs: list[bytes] = []
        self._parts: list[bytes] = []
        self._first = Opcode.TEXT

    def receive(self, data: bytes) -> None:
        if self.code is not None:
            return
        self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            assert isinstance(event, Frame)
            self._frame(event)
        if self.protocol.close_sent is not None and self.code is None:
            self.code = self.protocol.close_sent.code

    def _frame(self, event: Frame) -> None:
        if self.code is not None:
            return
        if event.opcode is Opcode.PING:
            self.pongs.append(bytes(event.data))
        if event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if event.opcode is not Opcode.CONT:
            self._parts, self._first = [], event.opcode
        self._parts.append(bytes(event.data))
        if event.fin:
            whole = b"".join(self._parts)
            try:
                self.messages.append(whole.decode() if self._first is Opcode.TEXT else whole)
            except UnicodeDecodeError:
                self.code = 1007


def _text(dice: random.Random, size: int) -> bytes:
    alphabet = dice.choice(["abc {}", "aä€\U0001f600"])
    return "".join(dice.choices(alphabet, k=size)).encode()


def _size(dice: random.Random) -> int:
    return dice.choice([0, 1, 2, 5, 50, 124, 125, 126, 127, 300, MESSAGE_BYTES - 1, MESSAGE_BYTES])


def _whole(dice: random.Random) -> bytes:
    payload = _text(dice, _size(dice) // 4) if dice.random() < 0.6 else dice.randbytes(_size(dice))
    opcode = TEXT if dice.random() < 0.5 and _is_utf8(payload) else BINARY
    return frame(opcode, payload, mask=dice.randbytes(4), form=dice.choice([0, 0, 126, 127]))


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _control(dice: random.Random) -> bytes:
    return frame(dice.choice([PING, PING, PONG]), dice.randbytes(dice.choice([0, 1, 20, 125])), mask=dice.randbytes(4))


def _fragmented(dice: random.Random) -> list[bytes]:
    """One message in several frames, cut anywhere, also within a character, with control frames between."""
    opcode = dice.choice([TEXT, BINARY])
    payload = _text(dice, dice.randrange(120)) if opcode == TEXT else dice.randbytes(dice.randrange(400))
    cuts = sorted(dice.randrange(len(payload) + 1) for _ in range(dice.randrange(1, 6)))
    parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    frames = []
    for number, part in enumerate(parts):
        fin = number == len(parts) - 1
        frames.append(frame(opcode if number == 0 else CONT, part, fin=fin, mask=dice.randbytes(4)))
        if not fin and dice.random() < 0.3:
            frames.append(_control(dice))
    return frames


def _wrong(dice: random.Random) -> bytes:
    """A frame that breaks a rule, or a close, sound or not."""
    small = dice.randbytes(dice.randrange(20))
    return dice.choice(
        [
            frame(TEXT, small, masked=False),
            frame(dice.choice([TEXT, BINARY, PING]), small, rsv=dice.randrange(1, 8)),
            frame(dice.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), small),
            frame(CONT, small, fin=dice.random() < 0.5),
            frame(TEXT, small, fin=False) + frame(TEXT, small),
            frame(dice.choice([PING, PONG, CLOSE]), small, fin=False),
            frame(dice.choice([PING, PONG, CLOSE]), dice.randbytes(126)),
            frame(TEXT, dice.choice([b"\xff", b"ok\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"])),
            frame(BINARY, b"", size=dice.choice([MESSAGE_BYTES + 1, 65535, 2**31, 2**63, 2**64 - 1]), form=127),
            frame(BINARY, dice.randbytes(MESSAGE_BYTES - 5), fin=False) + frame(CONT, dice.randbytes(6)),
            frame(
                CLOSE,
                dice.choice([b"", b"\x03", b"\x03\xe8", b"\x03\xe8bye", b"\x03\xe8\xff", b"\x03\xed", b"\x00\x00"]),
            ),
            close(dice.choice([999, 1000, 1001, 1004, 1005, 1006, 1011, 1015, 2999, 3000, 4999, 5000]), small[:0]),
        ]
    )


def _stream(dice: random.Random) -> bytes:
    frames: list[bytes] = []
    for _ in range(dice.randrange(1, 7)):
        kind = dice.random()
        if kind < 0.4:
            frames.append(_whole(dice))
        elif kind < 0.7:
            frames += _fragmented(dice)
        elif kind < 0.9:
            frames.append(_control(dice))
        else:
            frames.append(_wrong(dice))
    return b"".join(frames)


def _chunks(dice: random.Random, stream: bytes) -> Iterable[bytes]:
    """The stream cut at random, at worst byte by byte."""
    largest = dice.choice([1, 3, 17, 200, len(stream)])
    at = 0
    while at < len(stream):
        size = dice.randrange(1, largest + 1)
        yield stream[at : at + size]
        at += size


@pytest.mark.parametrize("seed", range(20))
def test_random_streams_give_what_the_library_gives(seed: int) -> None:
    """Whatever a peer sends, however it is cut: the same messages, the same pongs, the same close code."""
    dice = random.Random(seed)
    for case in range(150):
        stream = _stream(dice)
        library, bench = Library(MESSAGE_BYTES), Bench()
        for chunk in _chunks(dice, stream):
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
        for chunk in _chunks(dice, noise):
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
        frames = [one for _ in range(30) for one in (_fragmented(dice) if dice.random() < 0.7 else [_control(dice)])]
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


# Each rule by name


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


def test_empty_fragments_without_end_are_refused(bench: Bench) -> None:
    """Fragments cost memory even when they are empty, so their number is bounded too."""
    bench.receive(frame(TEXT, b"", fin=False), frame(CONT, b"", fin=False) * 500)
    assert bench.code == 1009


def test_a_message_may_come_in_many_fragments() -> None:
    """The bound on fragments grows with the message limit and leaves room for clients that cut small."""
    bench = Bench(message_bytes=65536)
    pieces = 100
    bench.receive(frame(TEXT, b"a" * 16, fin=False) + frame(CONT, b"a" * 16, fin=False) * (pieces - 2))
    bench.receive(frame(CONT, b"a" * 16))
    assert bench.heard.messages == ["a" * 16 * pieces]


# The end, in both directions


def test_the_peers_close_is_answered_with_its_code(bench: Bench) -> None:
    """The closing handshake begun by the peer: its code comes back, and the transport is let go."""
    bench.receive(close(4321, b"bye"))
    assert bench.replies == [(CLOSE, (4321).to_bytes(2, "big") + b"bye")]
    assert (bench.transport.closing, bench.heard.losses) == (True, 1)


@pytest.mark.parametrize(("code", "goodbyes"), [(1000, 1), (1001, 0), (4000, 0)])
def test_only_a_close_with_1000_is_a_goodbye(bench: Bench, code: int, goodbyes: int) -> None:
    """Told before the loss, once; a browser that is reloaded says 1001, and may come back."""
    bench.receive(close(code))
    assert (bench.heard.goodbyes, bench.heard.losses) == (goodbyes, 1)


def test_an_answer_to_our_close_is_no_goodbye(bench: Bench) -> None:
    """It was us who left."""
    bench.connection.close(1012, "restart")
    bench.receive(close(1000))
    assert (bench.heard.goodbyes, bench.heard.losses) == (0, 1)


def test_replies_that_wait_leave_before_the_close(bench: Bench) -> None:
    """What was answered in the same turn is written before the close frame, in order."""
    bench.heard.at_message = lambda: bench.connection.outbox.reply(b"\x81\x02ok")
    bench.receive(frame(TEXT, b"q") + frame(PING, b"p") + close(1000))
    assert [opcode for opcode, _ in bench.replies] == [TEXT, PONG, CLOSE]


def test_our_close_waits_for_the_peers(bench: Bench) -> None:
    """The closing handshake begun here: messages on the way are dropped, the peer's close ends it."""
    bench.connection.close(4001, "slow")
    assert bench.code == 4001
    bench.receive(frame(TEXT, b"late"), frame(PING, b""))
    assert not bench.transport.closing
    bench.receive(close(4001))
    assert (bench.heard.messages, bench.heard.losses, bench.code) == ([], 1, 4001)
    assert len(bench.deadlines) == 0


def test_a_peer_that_never_answers_our_close_is_aborted(bench: Bench) -> None:
    """CLOSE_SECONDS after the close frame the transport is cut."""
    bench.connection.close(1012)
    bench.later(CLOSE_SECONDS - 0.1)
    assert not bench.transport.aborted
    bench.later(0.2)
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


def test_a_peer_that_does_not_take_the_answer_to_its_close_is_aborted(bench: Bench) -> None:
    """A deaf peer cannot keep its connection by saying goodbye."""
    bench.transport.deaf = True
    bench.receive(close(1000))
    assert bench.heard.losses == 0
    bench.later(CLOSE_SECONDS + 0.1)
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


@pytest.mark.parametrize("ending", ["ours", "peer's", "failure"])
def test_nothing_is_written_after_a_close(ending: str) -> None:
    """Once a close frame is written no broadcast, reply, heartbeat or second close follows."""
    bench = Bench()
    if ending == "ours":
        bench.connection.close(1012)
    else:
        bench.receive(close(1000) if ending == "peer's" else frame(TEXT, b"\xff"))
    before = bytes(bench.transport.sent)
    connection = bench.connection
    connection.outbox.write(b"\x81\x01a")
    connection.outbox.reply(b"\x81\x01b")
    connection.beat()
    connection.close(4000)
    connection.too_slow()
    bench.receive(frame(PING, b"x"), frame(TEXT, b"\xff"), frame(TEXT, b"m", masked=False))
    assert bytes(bench.transport.sent) == before
    assert not connection.is_open


def test_after_a_failure_the_peer_can_still_hear_it(bench: Bench) -> None:
    """A failed connection half-closes, reads and drops for a while, and is then cut: no reset overtakes the close."""
    bench.receive(frame(TEXT, b"\xff"))
    assert bench.transport.eof_written
    assert not bench.transport.closing
    bench.receive(bytes(DROPPED_BYTES))
    assert not bench.transport.aborted
    bench.later(CLOSE_SECONDS)
    assert bench.transport.aborted


def test_a_failed_peer_that_keeps_sending_is_cut(bench: Bench) -> None:
    """No more than DROPPED_BYTES are read for nothing."""
    bench.receive(frame(TEXT, b"\xff"), bytes(DROPPED_BYTES + 1))
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


def test_a_transport_without_half_close_fails_the_same() -> None:
    """TLS has no write_eof."""
    bench = Bench(has_eof=False)
    bench.receive(frame(TEXT, b"\xff"))
    assert bench.code == 1007


def test_the_receiver_is_told_once_that_the_connection_is_lost(bench: Bench) -> None:
    """However it ends, and whatever deadlines were set."""
    bench.connection.close(1000)
    bench.transport.abort()
    bench.loop.run()
    bench.later(60)
    assert bench.heard.losses == 1
    assert (len(bench.all.open), len(bench.deadlines)) == (0, 0)


# Holding and releasing


def test_what_comes_while_held_comes_later_in_order(bench: Bench) -> None:
    """A receiver that holds gets nothing, and after release everything, whole and in order."""
    stream = b"".join(frame(TEXT, b"%d" % number) for number in range(50))
    bench.heard.at_message = lambda: bench.connection.hold() if len(bench.heard.messages) % 7 == 0 else None
    bench.receive(*(stream[at : at + 11] for at in range(0, len(stream), 11)))
    while len(bench.heard.messages) < 50:
        before = len(bench.heard.messages)
        bench.loop.run()
        assert len(bench.heard.messages) == before, "something came through while held"
        bench.connection.release()
        bench.loop.run()
        assert len(bench.heard.messages) > before
    assert bench.heard.messages == [str(number) for number in range(50)]


@pytest.mark.parametrize("seed", range(10))
def test_holds_at_random_lose_nothing(seed: int) -> None:
    """Receiver and slow peer hold and release in any order, within messages too: the same messages come."""
    dice = random.Random(3000 + seed)
    for _ in range(40):
        bench = Bench()
        stream = b"".join([*_fragmented(dice), _whole(dice), _control(dice), *_fragmented(dice), _whole(dice)])
        library = Library(MESSAGE_BYTES)
        library.receive(stream)
        doings = [
            bench.connection.hold,
            bench.connection.release,
            bench.connection.pause_writing,
            bench.connection.resume_writing,
            bench.loop.turn,
        ]
        bench.heard.at_message = lambda doings=doings: dice.choice(doings[:2])()
        for chunk in _chunks(dice, stream):
            bench.transport.receive(chunk)
            dice.choice(doings)()
        bench.heard.at_message = None
        bench.connection.resume_writing()
        bench.connection.release()
        bench.loop.run()
        assert bench.heard.messages == library.messages
        assert not bench.connection.held


def test_a_held_connection_keeps_what_was_pending_until_it_closes(bench: Bench) -> None:
    """Our close lets reading go on, so that the peer's answer is seen although requests wait unread."""
    bench.connection.hold()
    bench.receive(frame(TEXT, b"never"))
    bench.connection.close(1012)
    bench.loop.run()
    bench.receive(close(1012))
    assert (bench.heard.messages, bench.heard.losses, bench.transport.aborted) == ([], 1, False)


def test_a_turn_takes_a_bounded_number_of_frames(bench: Bench) -> None:
    """A peer that sends very many frames at once gets FRAMES_AT_ONCE a turn; the others have their turns between."""
    total = 3 * FRAMES_AT_ONCE + 10
    stream = b"".join(frame(TEXT, b"%d" % number) for number in range(total))
    bench.transport.receive(stream)
    turns = [len(bench.heard.messages)]
    while bench.loop.ready:
        bench.loop.turn()
        turns.append(len(bench.heard.messages))
    assert bench.heard.messages == [str(number) for number in range(total)]
    assert all(late - early <= FRAMES_AT_ONCE for early, late in zip([0, *turns], turns, strict=False))
    assert bench.transport.is_reading()


def test_a_flood_of_pings_is_bounded_by_the_turn_too(bench: Bench) -> None:
    """Frames that carry no message count as well, and every ping gets its pong."""
    total = 2 * FRAMES_AT_ONCE
    bench.transport.receive(frame(PING, b"") * total)
    assert not bench.transport.is_reading()
    bench.loop.run()
    assert len(bench.replies) == total


# Slow and silent peers


def test_a_peer_that_takes_nothing_is_closed_as_slow(bench: Bench) -> None:
    """Above the soft limit, and nothing taken for the grace time: 4001, then the end."""
    bench.transport.deaf = True
    bench.connection.outbox.write(bytes(LIMITS.soft_bytes + 1))
    assert not bench.transport.is_reading()
    bench.later(LIMITS.grace_seconds - 0.1)
    assert bench.connection.is_open
    bench.later(0.2)
    assert not bench.connection.is_open
    bench.later(CLOSE_SECONDS)
    assert (bench.transport.aborted, bench.heard.losses) == (True, 1)


def test_a_slow_peer_that_wakes_up_reads_why(bench: Bench) -> None:
    """What was written before leaves first, and the close frame last."""
    bench.transport.deaf = True
    whole = b"\x82\x7e" + (1200).to_bytes(2, "big") + bytes(1200)
    bench.connection.outbox.write(whole)
    bench.later(LIMITS.grace_seconds)
    bench.connection.outbox.write(b"\x81\x01a")
    bench.transport.take()
    assert bench.code == 4001
    assert [opcode for opcode, _ in bench.replies] == [BINARY, CLOSE]


def test_a_peer_far_behind_is_closed_at_once(bench: Bench) -> None:
    """Over the hard limit no grace is given, and the buffer does not grow."""
    bench.transport.deaf = True
    for _ in range(20):
        bench.connection.outbox.write(bytes(900))
    assert not bench.connection.is_open
    assert bench.transport.get_write_buffer_size() <= LIMITS.hard_bytes + 200


def test_a_peer_that_catches_up_in_time_stays(bench: Bench) -> None:
    """Slow for less than the grace time is no offence, and its requests are read again."""
    bench.transport.deaf = True
    bench.connection.outbox.write(bytes(LIMITS.soft_bytes + 1))
    bench.transport.receive(frame(TEXT, b"asked meanwhile"))
    bench.later(LIMITS.grace_seconds - 0.1)
    assert bench.heard.messages == []
    bench.transport.take()
    bench.later(10)
    assert bench.connection.is_open
    assert bench.heard.messages == ["asked meanwhile"]


def test_a_silent_peer_is_closed_after_two_heartbeats(bench: Bench) -> None:
    """Any byte is a sign of life; without one the third beat is the end."""
    bench.connection.beat()
    bench.connection.beat()
    bench.receive(frame(PONG, b""))
    bench.connection.beat()
    bench.connection.beat()
    assert bench.connection.is_open
    bench.connection.beat()
    assert bench.code == 4002


async def test_all_connections_are_beaten_and_waited_for(bench: Bench) -> None:
    """The heartbeat reaches every connection, and `gone` is true once the last one is lost."""
    others = [Transport(bench.loop) for _ in range(450)]
    for transport in others:
        bench.connect(transport, Heard())
    await bench.all.heartbeat()
    assert all(bytes(one.sent) == Heard.heartbeat for one in [bench.transport, *others])
    assert await bench.all.gone(0) is False
    for one in [bench.transport, *others]:
        one.abort()
    bench.loop.run()
    assert await bench.all.gone(0) is True


def test_an_idle_connection_owns_no_parser_and_no_deadline(bench: Bench) -> None:
    """What a rare frame needed is given back, so that ten thousand idle connections share one spare."""
    bench.receive(frame(PING, b"x"), frame(TEXT, b"a", fin=False), frame(CONT, b"b"))
    assert len(bench.deadlines) == 0
    spare = bench.all.take_library()
    assert spare.state is OPEN
    assert spare.current_size is None
    assert bench.all.take_library() is not spare


def test_the_module_holds_no_dict_per_connection() -> None:
    """A connection is slots only; a __dict__ would cost more than all of them."""
    assert not hasattr(Bench().connection, "__dict__")
    assert "__slots__" in vars(module.Connection)
