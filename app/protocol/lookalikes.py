"""Which names look alike: a name's skeleton, after the idea of Unicode's UTS 39, with the letters that matter here.

Kept small on purpose: what looks in common fonts like a Latin letter or digit, among Cyrillic, Greek, Armenian and
extended Latin letters. NFKC has dealt with full-width, mathematical and other compatibility forms already.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from app.protocol.letters import seen

# Pairs of strings of the same length: what looks like what, once all is in small letters.
_LIKE = (
    # Cyrillic
    ("аеорсухіјѕԁһӏԛԝғѵвкмнтгпьзбъ", "aeopcyxijsdhlqwfvbkmhtrnb36b"),
    # Greek
    ("αβγεζηικνορτυχωκμσ", "abyezniknoptuxwkuo"),
    # Armenian
    ("սոհօցաղյ", "unhogwnj"),
    # Latin letters that are told from others by little
    ("ıɩɡɑʏꜱɪᴏᴄᴜᴠᴡᴢƽłøđħŧɓɗƙƥʋ", "iigaysiocuvwz5lodhtbdkpv"),
)
_ONE = {ord(sign): like for signs, likes in _LIKE for sign, like in zip(signs, likes, strict=True)}
# One ring, one stroke: i too, since it is folded from I.
_STROKES = str.maketrans("0|!1i", "ollll")
_SEVERAL = (("rn", "m"), ("vv", "w"), ("cl", "d"))

NOBODY: frozenset[str] = frozenset()
"""One for all: each empty set made anew takes as much memory as a small full one, in every room."""


@lru_cache(maxsize=1024)
def skeleton(name: str) -> str:
    """What a name looks like: names that look alike have the same. It is no name itself."""
    plain = unicodedata.normalize("NFD", seen(name).casefold()).translate(_ONE).translate(_STROKES)
    for several, one in _SEVERAL:
        plain = plain.replace(several, one)
    return "".join(plain.split())


def alike(names: Mapping[str, str]) -> frozenset[str]:
    """The users whose name looks like that of another one of them. `names`: user -> name."""
    first: dict[str, str] = {}
    found = set()
    for user, name in names.items():
        other = first.setdefault(skeleton(name), user)
        if other is not user:
            found |= {other, user}
    return frozenset(found) if found else NOBODY
