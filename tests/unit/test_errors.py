"""Errors: what the system says of its own is said in words."""

from __future__ import annotations

import errno
import os
import socket
from urllib.error import URLError

import pytest

from app.errors import reason

REFUSED = os.strerror(errno.ECONNREFUSED)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/etc/rules"), os.strerror(errno.ENOENT)),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), REFUSED),
        (URLError(ConnectionRefusedError(errno.ECONNREFUSED, "whatever")), REFUSED),
        (OSError(f"Multiple exceptions: [Errno {errno.ECONNREFUSED}] a, [Errno {errno.ECONNREFUSED}] b"), REFUSED),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (ValueError("it has no tables"), "it has no tables"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "'utf-8' codec can't decode byte 0xff"),
        (TimeoutError(), ""),
    ],
)
def test_a_reason_has_neither_numbers_nor_addresses(error: Exception, said: str):
    """One line for people; the file or the address stands before it already."""
    assert reason(error).startswith(said)
    assert "[Errno" not in reason(error)
    assert bool(reason(error)) == bool(said)
