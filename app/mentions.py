"""Who is meant by `@name` in a text. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from app.protocol.names import NAME_MAX

SIGNS_MAX = 50
PEOPLE_MAX = 20


def mentioned(text: str, people: Iterable[tuple[str, str]]) -> list[str]:
    """The users meant, in order, each once, at most PEOPLE_MAX.

    A name counts behind an `@` that no letter or digit precedes, in any case, up to its end: the longest that fits, and
    everybody of that name.

    Args:
        people: user and name of those who can be meant.
    """
    text = _plain(text)
    starts = [at for at, char in enumerate(text) if char == "@" and not (at and text[at - 1].isalnum())][:SIGNS_MAX]
    if not starts:
        return []
    users: dict[str, list[str]] = {}
    for user, name in people:
        users.setdefault(_plain(name), []).append(user)
    lengths = sorted({len(name) for name in users}, reverse=True)
    found: dict[str, None] = {}
    for start in starts:
        name = _named(text[start + 1 : start + 2 + 4 * NAME_MAX], lengths, users)
        found.update(dict.fromkeys(users.get(name, ())))
    return list(found)[:PEOPLE_MAX]


def _named(rest: str, lengths: list[int], names: dict[str, list[str]]) -> str:
    """The longest name that a text begins with; empty if none does."""
    for length in lengths:
        if rest[:length] in names and not rest[length : length + 1].isalnum():
            return rest[:length]
    return ""


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
