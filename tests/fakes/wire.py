"""Websocket frames as a client sends them, right and wrong ones, and what a client makes of a server's bytes."""

from __future__ import annotations

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.uri import parse_uri
from websockets.utils import apply_mask

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    mask: bytes = b"\x01\x82\x43\xf4",
    form: int = 0,
    size: int | None = None,
) -> bytes:
    """One client frame. `form` forces the length into 16 (126) or 64 bits (127); `size` claims another length."""
    size = len(payload) if size is None else size
    bit = 0x80 if masked else 0
    if form == 127 or size > 65535:
        length = bytes((bit | 127,)) + size.to_bytes(8, "big")
    elif form == 126 or size > 125:
        length = bytes((bit | 126,)) + size.to_bytes(2, "big")
    else:
        length = bytes((bit | size,))
    body = mask + apply_mask(payload, mask) if masked else payload
    return bytes((fin << 7 | rsv << 4 | opcode,)) + length + body


def close(code: int, reason: bytes = b"") -> bytes:
    """A client's close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def parse(sent: bytes | bytearray) -> list[Frame]:
    """The frames in a server's bytes, as websockets' own client reads them; raises what that does not accept."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)
    client.receive_data(bytes(sent))
    if client.parser_exc is not None:
        raise client.parser_exc
    return [event for event in client.events_received() if isinstance(event, Frame)]


def close_code(sent: bytes | bytearray) -> int | None:
    """The code of the close frame at the end of a server's bytes; None if there is none, 1005 if it has no code.

    Fails if anything follows it.
    """
    frames = parse(sent)
    if not frames or frames[-1].opcode is not Opcode.CLOSE:
        return None
    data = bytes(frames[-1].data)
    assert bytes(sent).endswith(data), "bytes after the close frame"
    return int.from_bytes(data[:2], "big") if data else 1005
