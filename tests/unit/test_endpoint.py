"""Which handshakes are answered at the door: those that are plainly right, and none that Sanic would see otherwise."""

from __future__ import annotations

import pytest

from app.endpoint import accept_key, chat_handshake

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
FIELDS = (
    b"Host: chat.example",
    b"Upgrade: websocket",
    b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Key: " + KEY,
    b"Sec-WebSocket-Version: 13",
)


def head(*more: bytes, first: bytes = b"GET /ws HTTP/1.1", without: int = -1) -> bytes:
    """A handshake with these fields more, or without the one of that number."""
    return b"\r\n".join([first, *(field for number, field in enumerate(FIELDS) if number != without), *more])


def test_a_handshake_that_is_plainly_right_is_answered() -> None:
    """Its fields are known by names of any case, without the blanks around what they say."""
    headers = chat_handshake(head(b"oRiGiN:   https://chat.example\t", b"X-Forwarded-For: a", b"X-Forwarded-For: b"))
    assert headers is not None
    assert headers.getall("Origin") == ["https://chat.example"]
    assert headers.getall("x-forwarded-for") == ["a", "b"]
    assert accept_key(headers) == ACCEPT


@pytest.mark.parametrize(
    "given",
    [
        head(first=b"GET /ws?room=x HTTP/1.1"),
        head(first=b"GET /wss HTTP/1.1"),
        head(first=b"GET  /ws HTTP/1.1"),
        head(first=b"GET http://chat.example/ws HTTP/1.1"),
        head(first=b"get /ws HTTP/1.1"),
        head(first=b"POST /ws HTTP/1.1"),
        head(first=b"GET /ws HTTP/1.0"),
        head(without=0),
        head(b"Host: other.example"),
        head(b"Content-Length: 0"),
        head(b"TRANSFER-ENCODING: chunked"),
        head(b"Expect: 100-continue"),
        head(b"no field"),
        head(b"Blank : before the colon"),
        head(b" folded: line"),
        head(b": no name"),
        head(b"Control: \x00"),
        head(b"Line: feed\nHost: other.example"),
        head(b"Latin: \xe9"),
        head(b""),
    ],
)
def test_all_else_is_left_to_sanic(given: bytes) -> None:
    """Also what Sanic might take, but is not what any client of the chat sends."""
    assert chat_handshake(given) is None


@pytest.mark.parametrize("without", range(1, len(FIELDS)))
def test_what_asks_for_no_websocket_gets_none(without: int) -> None:
    """A field is missing."""
    headers = chat_handshake(head(without=without))
    assert headers is not None
    assert accept_key(headers) is None
