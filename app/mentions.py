"""Who is meant by `@name` in a text. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

import msgspec

from app.protocol.letters import is_word, seen
from app.protocol.names import NAME_MAX, SERVICE

SIGNS_MAX = 50
PEOPLE_MAX = 20
AUTHORS_OF = 100
"""Whoever is the author of one of a room's last events, so many, can be meant without being there."""


class _Event(msgspec.Struct):
    user: str = ""
    name: str = ""


_event: msgspec.json.Decoder[_Event] = msgspec.json.Decoder(_Event)


def authors(events: Iterable[bytes]) -> dict[str, str]:
    """User -> last name of the people whose events these are, given oldest first; services are none."""
    found = {event.user: event.name for event in map(_event.decode, events)}
    return {user: name for user, name in found.items() if user and not user.startswith(SERVICE)}


def with_authors(there: Mapping[str, str], events: Iterable[bytes]) -> Iterable[tuple[str, str]]:
    """User and name of all who can be meant: who is there, then who is not and has written of late.

    A user has one name, the one that is used now.
    """
    yield from there.items()
    for user, name in authors(events).items():
        if user not in there:
            yield user, name


def mentioned(text: str, people: Iterable[tuple[str, str]]) -> list[str]:
    """The users meant, in order, each once, at most PEOPLE_MAX.

    A name counts behind an `@` that no letter, mark or digit precedes, in any case, up to its end: the longest that
    fits, and everybody of that name: of two nobody but the author knows who was meant, so neither may miss it.

    Args:
        people: user and name of those who can be meant.
    """
    text = _plain(text)
    starts = [at for at, char in enumerate(text) if char == "@" and not (at and is_word(text[at - 1]))][:SIGNS_MAX]
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
        if rest[:length] in names and not is_word(rest[length : length + 1]):
            return rest[:length]
    return ""


def _plain(text: str) -> str:
    return seen(unicodedata.normalize("NFKC", text)).casefold()
