"""A loopback of one's own: in a fresh network namespace no packet filter, connection tracking or other
traffic stands between server and client (Docker alone makes a loopback send a fifth slower)."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

SEND_BUFFERS = Path("/proc/sys/net/ipv4/tcp_wmem")
# Least, initial and highest size of a socket's send buffer, in bytes.
SMALL = "4096 16384 65536"

_entered = False


def enter() -> bool:
    """Move this process and its children-to-be there, with ``lo`` up; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare") or libc.unshare(CLONE_NEWNET) != 0:
        return False
    with socket.socket() as s:
        request = fcntl.ioctl(s, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", request)[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
    global _entered
    _entered = True
    return True


@contextlib.contextmanager
def small_send_buffers() -> Iterator[None]:
    """In a namespace of our own the kernel takes little off a server whose reader stopped, as on a slow line;
    elsewhere the machine's settings are left alone."""
    if not _entered:
        yield
        return
    before = SEND_BUFFERS.read_text()
    SEND_BUFFERS.write_text(SMALL)
    try:
        yield
    finally:
        SEND_BUFFERS.write_text(before)
