"""Whether the head of an HTTP request is written as it has to be. Pure.

Sanic is lenient with lines that are none. Where a proxy before it reads them otherwise, the two may see requests end in
different places, and one client's body become another's request (RFC 9112, 5.1, 5.2 and 11.2).
"""

from __future__ import annotations

import re

# A token and a colon with nothing between them, then a value without control characters; one line each.
_HEAD = re.compile(
    rb"[!-~]++ [!-~]++ HTTP/1\.[01](?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+)*+",
)


def well_formed(head: bytes, version: str, hosts: int) -> bool:
    """Whether a head, without the empty line at its end, is in order, given how many Host lines it has."""
    return _HEAD.fullmatch(head) is not None and (hosts == 1 or (hosts == 0 and version == "1.0"))
