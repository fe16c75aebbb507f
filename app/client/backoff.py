"""When to try again, and whether at all: the close-code table of the protocol."""

from __future__ import annotations

import random

from app.protocol.codes import CloseCode


def delay(tries: int, base_seconds: float, cap_seconds: float) -> float:
    """Seconds before try number `tries` (0 is the first): full jitter, uniform in [0, min(cap, base * 2^tries))."""
    return random.random() * min(cap_seconds, base_seconds * 2.0 ** min(tries, 30))


def comes_back(code: int) -> bool:
    """Whether a client reconnects after this close code. Unknown codes follow the rule of their range."""
    return code != CloseCode.BYE and not 4500 <= code <= 4999
