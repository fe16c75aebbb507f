"""The rules for what people and programs name: rooms, users, topics, emoji."""

from __future__ import annotations

import base64
import re
import unicodedata
from hashlib import blake2b

from app.errors import BadRequest
from app.protocol.letters import has_unseen_mark, is_mark, stray_mark, towers, without_joiners

ROOM_MAX = 64
NAME_MAX = 32
DIRECT = "dm:"
SERVICE = "svc:"
GUEST = "guest:"
TOPIC_MAX = 200
EMOJI_MAX = 16
_ROOM_PLAIN = re.compile(r"[A-Za-z0-9\-_.:@]{1,64}\Z")
_DIRECT_ROOM = re.compile(r"dm:([A-Za-z0-9_\-]{16})\.([A-Za-z0-9_\-]{16})\Z")
_ROOM_EXTRA = frozenset("-_.:@")
_INVISIBLE = frozenset("\u00ad\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_KEYCAP = "\u20e3"
_KEYS = frozenset("0123456789#*")
_EMOJI_PARTS = frozenset("\u200d\ufe0e\ufe0f") | _KEYS | {_KEYCAP}
_OLD_PICTURES = frozenset("\u203c\u2049\u2139\u2194\u21a9\u21aa\u25fd\u25fe\u2934\u2935\u3030\u303d\u27bf")
_NO_LINE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BAD_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def room_name(name: str) -> str:
    """The room's name in its one form (NFC).

    Raises:
        BadRequest: unless it is 1 to 64 letters with their marks, digits and - _ . : @.
    """
    if _ROOM_PLAIN.match(name):
        return name
    if len(name) > 4 * ROOM_MAX:
        raise BadRequest(f"a room name has at most {ROOM_MAX} characters")
    name = unicodedata.normalize("NFC", name)
    if not 1 <= len(name) <= ROOM_MAX:
        raise BadRequest(f"a room name has 1 to {ROOM_MAX} characters")
    if any(char in _INVISIBLE or not (char.isalnum() or char in _ROOM_EXTRA or is_mark(char)) for char in name):
        raise BadRequest("a room name consists of letters, digits and - _ . : @")
    if stray_mark(name) or towers(name):
        raise BadRequest("the marks in a room name belong to letters, a few to each")
    return name


def user_name(name: str) -> str:
    """A person's display name in its one form (NFKC, single inner spaces, none around).

    Raises:
        BadRequest: unless it is 1 to 32 visible characters; control, bidi and zero-width ones are refused, but for
            the joiners within words of Arabic and Indic scripts and within emoji.
    """
    if len(name) > 4 * NAME_MAX:
        raise BadRequest(f"a name has at most {NAME_MAX} characters")
    name = unicodedata.normalize("NFKC", name)
    bare = without_joiners(name)
    if has_unseen_mark(bare) or any(
        char in _INVISIBLE or unicodedata.category(char) in _BAD_CATEGORIES for char in bare
    ):
        raise BadRequest("a name has no control, bidi or zero-width characters")
    if towers(bare):
        raise BadRequest("a name has a few marks to each letter at most")
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_MAX:
        raise BadRequest(f"a name has 1 to {NAME_MAX} characters")
    if all(unicodedata.category(char).startswith("M") for char in name):
        raise BadRequest("a name has at least one visible character")
    return name


def handle(user: str) -> str:
    """Stands for a user where any id would not do, in names of rooms and in Redis: 16 letters, digits and - _."""
    digest = blake2b(user.encode("utf-8", "surrogatepass"), digest_size=12, person=b"parley user")
    return base64.urlsafe_b64encode(digest.digest()).decode()


def direct_room(one: str, other: str) -> str:
    """The name of the room of two people, given by their handles in any order."""
    return DIRECT + ".".join(sorted((one, other)))


def direct_handles(room: str) -> tuple[str, str] | None:
    """The handles of the two whose room this is; None if it is no direct room. Nobody's if it only looks like one."""
    if not room.startswith(DIRECT):
        return None
    found = _DIRECT_ROOM.match(room)
    return (found[1], found[2]) if found and found[1] < found[2] else ("", "")


def topic_line(topic: str) -> str:
    """A room's topic without space around it.

    Raises:
        BadRequest: unless it is one line of at most 200 characters.
    """
    topic = topic.strip()
    if len(topic) > TOPIC_MAX:
        raise BadRequest(f"a topic has at most {TOPIC_MAX} characters")
    if any(unicodedata.category(char) in _NO_LINE for char in topic):
        raise BadRequest("a topic is one line without control characters")
    return topic


def emoji(text: str) -> str:
    """An emoji: a picture, a flag or a keycap, with what may stand around it (variants, skin tones, joiners, tags).

    Raises:
        BadRequest: unless it is 1 to 16 code points, all of them parts of an emoji.
    """
    if not 1 <= len(text) <= EMOJI_MAX:
        raise BadRequest(f"an emoji has 1 to {EMOJI_MAX} code points")
    pictures = sum(_is_picture(char) for char in text) + text.count(_KEYCAP)
    parts = all(_is_picture(char) or char in _EMOJI_PARTS or "\U000e0020" <= char <= "\U000e007f" for char in text)
    if not pictures or not parts or (any(char in _KEYS for char in text) and _KEYCAP not in text):
        raise BadRequest("a reaction is an emoji")
    return text


def _is_picture(char: str) -> bool:
    """By block, since Python knows fewer emoji than browsers; and the symbols that were characters before."""
    return "\U0001f000" <= char <= "\U0001faff" or char in _OLD_PICTURES or unicodedata.category(char) == "So"
