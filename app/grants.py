"""What somebody may do in which room: patterns of names with rights, from a token's claims or a file of room rules.

Pure. A pattern is a room's name, or the beginning of names followed by `*`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from pathlib import Path

from app.errors import SettingError, reason
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
        return cls({pattern(name): max(map(_right, _listed(rights))) for name, rights in claim.items()})

    def right(self, room: str) -> Right | None:
        """The right in a room; None where no pattern fits."""
        return max((right for name, right in self._patterns.items() if fits(name, room)), default=None)

    @property
    def everywhere(self) -> bool:
        """Whether they let somebody moderate all rooms, and the server."""
        return self._patterns.get("*") is Right.MODERATE


class Rules:
    """What everybody may do, by room: the first pattern that fits decides, without one everything is open.

    `moderators` are users by pattern, beside those whose tokens say so.
    """

    __slots__ = ("_moderators", "_rules")

    def __init__(
        self, rules: Iterable[tuple[str, Right]] = (), moderators: Mapping[str, Collection[str]] | None = None
    ) -> None:
        self._rules = list(rules)
        self._moderators = {pattern: frozenset(users) for pattern, users in (moderators or {}).items()}

    @classmethod
    def read(cls, path: Path) -> Rules:
        """Those of a TOML file with the tables `rooms`: pattern = "open", "read only" or "members only", and
        `moderators`: pattern = a list of users.

        Raises:
            SettingError: it cannot be read, or is not of that form; says why.
        """
        try:
            table = tomllib.loads(path.read_text("utf-8"))
            rooms, moderators = table.pop("rooms", {}), table.pop("moderators", {})
            if table or not isinstance(rooms, dict) or not isinstance(moderators, dict):
                raise ValueError("it has the tables [rooms] and [moderators], and nothing else")
            return cls(
                [(pattern(name), _rule(rule)) for name, rule in rooms.items()],
                {pattern(name): _users(users) for name, users in moderators.items()},
            )
        except (OSError, ValueError) as error:
            raise SettingError("--room-rules", f"{path}: {reason(error)}") from None

    def moderates(self, user: str, room: str) -> bool:
        """Whether a user moderates a room by these rules."""
        return any(user in users and fits(pattern, room) for pattern, users in self._moderators.items())

    def moderates_everywhere(self, user: str) -> bool:
        """Whether a user moderates all rooms, and the server."""
        return user in self._moderators.get("*", ())

    def everybody(self, room: str) -> Right:
        """What everybody may do in a room."""
        return next((right for name, right in self._rules if fits(name, room)), Right.WRITE)


def fits(pattern: str, room: str) -> bool:
    """Whether a room's name is that of a pattern."""
    return room.startswith(pattern[:-1]) if pattern.endswith("*") else room == pattern


def pattern(name: object) -> str:
    """The pattern of that name. Raises ValueError if it is none."""
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


def _users(users: object) -> list[str]:
    if not isinstance(users, list) or not all(isinstance(user, str) and user for user in users):
        raise ValueError("moderators are a list of users, by their ids")
    return users


_RIGHTS = {"read": Right.READ, "write": Right.WRITE, "moderate": Right.MODERATE}
_RULES = {"open": Right.WRITE, "read only": Right.READ, "members only": Right.NONE}
