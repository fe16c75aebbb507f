"""Streams of frames, sound and broken, and what the websockets library alone makes of them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tests.fakes.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, close, frame
from tests.unit.connection.bench import MESSAGE_BYTES


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


def whole(dice: random.Random) -> bytes:
    payload = _text(dice, _size(dice) // 4) if dice.random() < 0.6 else dice.randbytes(_size(dice))
    opcode = TEXT if dice.random() < 0.5 and _is_utf8(payload) else BINARY
    return frame(opcode, payload, mask=dice.randbytes(4), form=dice.choice([0, 0, 126, 127]))


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def control(dice: random.Random) -> bytes:
    return frame(dice.choice([PING, PING, PONG]), dice.randbytes(dice.choice([0, 1, 20, 125])), mask=dice.randbytes(4))


def fragmented(dice: random.Random) -> list[bytes]:
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
            frames.append(control(dice))
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


def any_stream(dice: random.Random) -> bytes:
    frames: list[bytes] = []
    for _ in range(dice.randrange(1, 7)):
        kind = dice.random()
        if kind < 0.4:
            frames.append(whole(dice))
        elif kind < 0.7:
            frames += fragmented(dice)
        elif kind < 0.9:
            frames.append(control(dice))
        else:
            frames.append(_wrong(dice))
    return b"".join(frames)


def chunks(dice: random.Random, stream: bytes) -> Iterable[bytes]:
    """The stream cut at random, at worst byte by byte."""
    largest = dice.choice([1, 3, 17, 200, len(stream)])
    at = 0
    while at < len(stream):
        size = dice.randrange(1, largest + 1)
        yield stream[at : at + size]
        at += size
