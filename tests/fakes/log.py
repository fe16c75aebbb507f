"""Events and batches as scripts/publish.lua makes them, and a log that is nothing but a list of them."""

from __future__ import annotations

from app.events import Batch, Position

TS = 1000


def event(seq: int, life: str = "m", text: str = "") -> bytes:
    """An event. `life` tells two logs apart that use the same numbers."""
    return b'{"seq":%d,"mid":"%b.%d","ts":%d%b' % (seq, life.encode(), seq, TS, body(text))


def body(text: str = "") -> bytes:
    """An event without its head."""
    return b',"type":"message","text":"%b"}' % text.encode()


def events(first: int, last: int, life: str = "m") -> list[bytes]:
    """Events, both ends included."""
    return [event(seq, life) for seq in range(first, last + 1)]


def mid(seq: int, life: str = "m") -> str:
    """The mid of an event; empty at 0."""
    return f"{life}.{seq}" if seq else ""


def position(seq: int, epoch: str = "e", life: str = "m") -> Position:
    """The position at an event."""
    return Position(epoch, seq, mid(seq, life))


def publication(first: int, last: int, epoch: str = "e", life: str = "m") -> bytes:
    """What the publish script publishes."""
    count = last - first + 1
    return f"{epoch} {mid(first - 1, life)} 0 {first} {count} {TS} {life}\n".encode() + b"\n".join([body()] * count)


def batch(first: int, last: int, epoch: str = "e", life: str = "m") -> Batch:
    """The same, parsed."""
    return Batch.parse(publication(first, last, epoch, life))
