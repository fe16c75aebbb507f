"""All attacks, in the order in which they are carried out."""

from __future__ import annotations

from tests.attacks import (
    on_api,
    on_feeds,
    on_frames,
    on_handshakes,
    on_history,
    on_messages,
    on_pages,
    on_rooms,
    on_tokens,
)
from tests.attacks.attacker import ATTACKS

__all__ = [
    "ATTACKS",
    "on_api",
    "on_feeds",
    "on_frames",
    "on_handshakes",
    "on_history",
    "on_messages",
    "on_pages",
    "on_rooms",
    "on_tokens",
]
