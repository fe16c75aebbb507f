"""People's words made safe for a terminal: nothing they wrote can move the cursor, change colours or reverse a line."""

from __future__ import annotations

import unicodedata

_JOINERS = frozenset("\u200c\u200d")
"""Needed inside words of some scripts and inside emoji, and harmless."""
_TAGS = range(0xE0020, 0xE0080)
"""Part of some flags, invisible, and harmless."""
_SHOWN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_ISOLATE, _POP = "\u2068", "\u2069"
_INDENT = "      "


def visible(text: str) -> str:
    """The text with every control and formatting character shown instead of sent: ESC as a picture, others by number.

    Line breaks stay.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(char if char.isprintable() or char == "\n" else _shown(char) for char in text)


def inline(text: str, most_chars: int = 200) -> str:
    """The same in one line, cut at so many characters; to stand among other words."""
    text = " ".join(visible(text).split())
    return isolated(text if len(text) <= most_chars else text[: most_chars - 1] + "\N{HORIZONTAL ELLIPSIS}")


def block(text: str) -> str:
    """The same with its line breaks, each further line indented, so that none looks like somebody else's message."""
    return f"\n{_INDENT}".join(isolated(line) for line in visible(text).split("\n"))


def isolated(text: str) -> str:
    """Words of a right-to-left script kept from reordering what stands around them."""
    if text.isascii() or not any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text):
        return text
    return f"{_ISOLATE}{text}{_POP}"


def _shown(char: str) -> str:
    code = ord(char)
    if char in _JOINERS or code in _TAGS or unicodedata.category(char) not in _SHOWN_CATEGORIES:
        return char
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"<U+{code:04X}>"
