"""What belongs to a letter or an emoji without being one: marks above, below, beside it, what joins it, what varies it.

Several languages cannot be written without these. Beyond what they need they are refused: nobody would see them, or
everybody towers of them.
"""

from __future__ import annotations

import re
import unicodedata

MARKS_MAX = 5
"""Marks on one letter: Burmese has so many."""
COMMON_MARKS_MAX = 2
"""Those among them that go onto letters of any script, and pile up."""

_MARKS = frozenset({"Mn", "Mc"})
_COMMON = re.compile(f"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{{{COMMON_MARKS_MAX + 1}}}")
_UNSEEN_MARK = re.compile("[\u034f\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_JOINERS = "\u200c\u200d"
_JOINER, _VARIANT, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"
_UNSEEN = str.maketrans("", "", _JOINERS + _VARIANT)
_NEEDED = re.compile(f"[{_JOINERS}{_VARIANT}]")
_PICTURE = re.compile("[\u00a9\u00ae\u2190-\u2bff\u3030\u303d\U0001f000-\U0001faff]")
_JOINED_SCRIPTS = (re.compile("[\u0620-\u06ff\u0750-\u077f\u0870-\u08ff]"), re.compile("[\u0900-\u0dff]"))
"""Arabic; the scripts of India."""


def is_mark(char: str) -> bool:
    """Whether this is a part of the letter before it, and can be seen."""
    return unicodedata.category(char) in _MARKS and not _UNSEEN_MARK.match(char)


def is_word(char: str) -> bool:
    """Whether a word goes on with this: a letter, a digit, a mark. Empty is none."""
    return char.isalnum() or (char != "" and is_mark(char))


def has_unseen_mark(name: str) -> bool:
    """Whether there is a mark that nobody sees."""
    return _UNSEEN_MARK.search(name) is not None


def towers(name: str) -> bool:
    """Whether more marks than any language needs stand upon one another."""
    if name.isascii():
        return False
    run = most = 0
    for char in name:
        run = run + 1 if unicodedata.category(char).startswith("M") else 0
        most = max(run, most)
    return most > MARKS_MAX or _COMMON.search(name) is not None


def stray_mark(name: str) -> bool:
    """Whether a mark stands on no letter."""
    before = ""
    for char in name:
        category = unicodedata.category(char)
        if category in _MARKS and not before.startswith(("L", "M")):
            return True
        before = category
    return False


def without_joiners(name: str) -> str:
    """A name without the joiners and variants that stand where words and emoji need them; those elsewhere stay."""
    if not _NEEDED.search(name):
        return name
    return "".join(char for at, char in enumerate(name) if not (_NEEDED.match(char) and _needed(name, at)))


def seen(name: str) -> str:
    """A name without any joiners and variants: what is seen of it."""
    return name if name.isascii() else name.translate(_UNSEEN)


def _needed(name: str, at: int) -> bool:
    """Whether what is at a place joins two letters of a script that wants it, or makes an emoji of what is around."""
    sign, before, after = name[at], name[:at][-1:], name[at + 1 : at + 2]
    if sign == _VARIANT:
        return _PICTURE.match(before) is not None or (after == _KEYCAP and before in "0123456789#*" and before != "")
    if sign == _JOINER and _PICTURE.match(after):
        return _PICTURE.match(name[:at].removesuffix(_VARIANT)[-1:]) is not None
    return any(script.match(before) and script.match(after) for script in _JOINED_SCRIPTS) and all(
        unicodedata.category(char)[0] in "LM" for char in (before, after)
    )
