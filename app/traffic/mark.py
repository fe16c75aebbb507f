"""The mark that a text of a load begins with: who sent it, its number, and when it was meant to be sent.

28 characters that JSON, HTML and every server leave alone: `~pl~`, then eight letters each for time, sender and
number, a nibble a letter, `a` to `p`, lowest first. The benchmark's load client (bench/loadgen/marker.h) writes and
reads the same.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SIZE = 28
SPAN = 2**32
_MAGIC = "~pl~"
_HEX, _LETTERS = b"0123456789abcdef", b"abcdefghijklmnop"
_TO_HEX, _FROM_HEX = bytes.maketrans(_LETTERS, _HEX), bytes.maketrans(_HEX, _LETTERS)
_MARK = re.compile(_MAGIC + "([a-p]{24})")


class Mark(NamedTuple):
    """Who, which, when. `time_us` is in microseconds modulo SPAN; `key` names sender and number in one integer."""

    sender: int
    number: int
    time_us: int

    @property
    def key(self) -> int:
        """Sender and number in one integer, the same for the same message everywhere."""
        return self.sender << 32 | self.number


def write(sender: int, number: int, time_us: int) -> str:
    """The mark as text; all three are taken modulo SPAN."""
    digits = b"%024x" % (number % SPAN << 64 | sender % SPAN << 32 | time_us % SPAN)
    return _MAGIC + digits[::-1].translate(_FROM_HEX).decode()


def read(text: str) -> Mark | None:
    """The first mark in a text, None if there is none."""
    found = _MARK.match(text) or _MARK.search(text)
    if found is None:
        return None
    number = int(found[1][::-1].encode().translate(_TO_HEX), 16)
    return Mark(number >> 32 & SPAN - 1, number >> 64, number & SPAN - 1)


def age_us(time_us: int, now_us: int) -> int:
    """Microseconds from a mark's time to now; 0 where the clocks differ by a hair. Right for half of SPAN, 35 min."""
    age = (now_us - time_us) % SPAN
    return age if age < SPAN // 2 else 0


def text(sender: int, number: int, time_us: int, characters: int) -> str:
    """A text of so many characters, at least SIZE, that begins with the mark."""
    return write(sender, number, time_us) + _FILLER[: max(0, characters - SIZE)]


_FILLER = " " + "the quick brown fox jumps over the lazy dog " * 400
