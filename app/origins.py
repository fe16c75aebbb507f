"""Which pages may talk to this server: the Origin that browsers send, against an exact list.

Pure. Origins are compared as browsers write them, byte by byte: lower case, no default port, no slash at the end.
Nothing else is ever sent by one, so every other spelling is somebody's trick, and refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

KNOWN = 256
"""Names of this server that are remembered: browsers use few."""

_LONGEST = 300
_ORIGIN = re.compile(r"([a-z][a-z0-9+.\-]*)://([a-z0-9._\-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?\Z")
_PORTS = {"http": "80", "https": "443"}
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


def written(text: str) -> str:
    """An origin as browsers write it, from how a person did.

    Raises:
        ValueError: it is none: a scheme, `://`, a host in ASCII and perhaps a port, and nothing else.
    """
    found = _ORIGIN.match(text.strip().lower())
    if found is None or not 0 < int(found[3] or 1) < 65536:
        raise ValueError(f"{text!r} is no origin, like https://chat.example or http://localhost:8000")
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + (f":{int(port)}" if port and str(int(port)) != _PORTS.get(scheme) else "")


def of_address(scheme: str, host: str) -> str:
    """The origin of the pages that are served under a Host header; empty if that is none."""
    return _of_address(scheme, host) if len(scheme) + len(host) <= _LONGEST else ""


@lru_cache(KNOWN)
def _of_address(scheme: str, host: str) -> str:
    try:
        return written(f"{_SCHEMES[scheme.lower()]}://{host}")
    except (KeyError, ValueError):
        return ""


def from_right(values: Sequence[str], place: int) -> str:
    """What the outermost of `place` proxies has set or added in a header; the leftmost if there are fewer."""
    entries = ",".join(values).rsplit(",", place)
    return entries[-min(place, len(entries))].strip()


def permitted(claimed: Sequence[str], listed: Collection[str], own: str) -> bool:
    """Whether a request may be answered.

    Args:
        claimed: all its Origin headers. None: it comes from no page, but from a program, which could claim anything.
        listed: the origins that are allowed; if there are none, `own` alone is.
        own: the origin of this server's pages, as the client sees it; empty if that is not known.
    """
    if not claimed:
        return True
    if len(claimed) != 1 or not claimed[0]:
        return False
    return claimed[0] in listed if listed else claimed[0] == own
