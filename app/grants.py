"""What somebody may do in which room: patterns of names with rights, from a token's claims or a file of room rules.

Pure. A pattern is a room's name, or the beginning of names followed by `*`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from enum import IntEnum
from pathlib import Path

from app.errors import SettingError
from app.protocol.names import ROOM_MAX

PATTERNS_MAX = 100


class Right(IntEnum):
    """Each includes those before it."""

    NONE = 0
    READ = 1
    WRITE = 2
    MODERATE = 3


class Grants:
    """Patterns with the right that each gives. Where several fit, the greatest right holds."""

    __slots__ = ("_patterns",)

    def __init__(self, patterns: Mapping[str, Right]) -> None:
        self._patterns = dict(patterns)

    @classmethod
    def claimed(cls, claim: object) -> Grants | None:
        """Those of a `rooms` claim: {"team-*": "write", "ops": ["read", "moderate"]}; None where there is none.

        Raises:
            ValueError: it is not of that form; says why.
        """
        if claim is None:
            return None
        if not isinstance(claim, dict) or len(claim) > PATTERNS_MAX:
            raise ValueError(f"rooms is an object of at most {PATTERNS_MAX} patterns")
        return cls({_pattern(name): max(map(_right, _listed(rights))) for name, rights in claim.items()})

    def right(self, room: str) -> Right | None:
        """The right in a room; None where no pattern fits."""
        return max((right for pattern, right in self._patterns.items() if fits(pattern, room)), default=None)


class Rules:
    """What everybody may do, by room: the first pattern that fits decides, without one everything is open."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Iterable[tuple[str, Right]] = ()) -> None:
        self._rules = list(rules)

    @classmethod
    def read(cls, path: Path) -> Rules:
        """Those of a TOML file with a table `rooms`: pattern = "open", "read only" or "members only".

        Raises:
            SettingError: it cannot be read, or is not of that form; says why.
        """
        try:
            table = tomllib.loads(path.read_text("utf-8"))
            rooms = table.pop("rooms", {})
            if table or not isinstance(rooms, dict):
                raise ValueError("it has one table, [rooms]")
            return cls([(_pattern(name), _rule(rule)) for name, rule in rooms.items()])
        except (OSError, ValueError) as error:
            raise SettingError("--room-rules", f"{path}: {error}") from None

    def everybody(self, room: str) -> Right:
        """What everybody may do in a room."""
        return next((right for pattern, right in self._rules if fits(pattern, room)), Right.WRITE)


def fits(pattern: str, room: str) -> bool:
    """Whether a room's name is that of a pattern."""
    return room.startswith(pattern[:-1]) if pattern.endswith("*") else room == pattern


def _pattern(name: object) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= ROOM_MAX or "*" in name[:-1]:
        raise ValueError(f"{name!r:.80} is no room's name, nor the beginning of one followed by *")
    return name


def _listed(rights: object) -> list[object]:
    listed = rights if isinstance(rights, list) else [rights]
    if not listed:
        raise ValueError("a pattern comes with read, write or moderate")
    return listed


def _right(name: object) -> Right:
    right = _RIGHTS.get(name) if isinstance(name, str) else None
    if right is None:
        raise ValueError(f"{name!r:.80} is none of {', '.join(_RIGHTS)}")
    return right


def _rule(name: object) -> Right:
    right = _RULES.get(name) if isinstance(name, str) else None
    if right is None:
        raise ValueError(f"{name!r:.80} is none of {', '.join(_RULES)}")
    return right


_RIGHTS = {"read": Right.READ, "write": Right.WRITE, "moderate": Right.MODERATE}
_RULES = {"open": Right.WRITE, "read only": Right.READ, "members only": Right.NONE}
