"""The rules for names that people and programs choose: rooms, users, sessions, cids."""

from __future__ import annotations

import re
import unicodedata

from app.errors import BadRequest

ROOM_MAX = 64
NAME_MAX = 32
_ROOM_PLAIN = re.compile(r"[A-Za-z0-9\-_.:@]{1,64}\Z")
_ROOM_EXTRA = frozenset("-_.:@")
_INVISIBLE = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_BAD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def room_name(name: str) -> str:
    """The room's name in its one form (NFC).

    Raises:
        BadRequest: unless it is 1 to 64 letters, digits and - _ . : @.
    """
    if _ROOM_PLAIN.match(name):
        return name
    if len(name) > 4 * ROOM_MAX:
        raise BadRequest(f"a room name has at most {ROOM_MAX} characters")
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= ROOM_MAX:
        raise BadRequest(f"a room name has 1 to {ROOM_MAX} characters")
    if not all((char.isalnum() or char in _ROOM_EXTRA) and char not in _INVISIBLE for char in name):
        raise BadRequest("a room name consists of letters, digits and - _ . : @")
    return name


def user_name(name: str) -> str:
    """A person's display name in its one form (NFKC, single inner spaces, none around).

    Raises:
        BadRequest: unless it is 1 to 32 visible characters; control, bidi and zero-width ones are refused.
    """
    if len(name) > 4 * NAME_MAX:
        raise BadRequest(f"a name has at most {NAME_MAX} characters")
    name = unicodedata.normalize("NFKC", name)
    if any(char in _INVISIBLE or unicodedata.category(char) in _BAD_CATEGORIES for char in name):
        raise BadRequest("a name has no control, bidi or zero-width characters")
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_MAX:
        raise BadRequest(f"a name has 1 to {NAME_MAX} characters")
    if all(unicodedata.category(char).startswith("M") for char in name):
        raise BadRequest("a name has at least one visible character")
    return name
