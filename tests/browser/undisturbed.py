"""Becomes Chromium, which then does not hear of the machine's interfaces: `python undisturbed.py CHROMIUM ARGUMENTS...`

When an interface comes or goes, as those of containers do, Chromium gives up all it is loading: ERR_NETWORK_CHANGED.
It hears of it through a netlink socket and does without where it cannot have one. So this process denies itself and its
heirs that kind of socket; where that is not possible it changes nothing. Needs nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

# From linux/{prctl,seccomp,filter,audit}.h
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
SECCOMP_ALLOW, SECCOMP_ERRNO = 0x7FFF0000, 0x00050000
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, ARCHITECTURE_AT, FIRST_ARGUMENT_AT = 0, 4, 16
# Name of a machine -> its audit architecture and its number of the system call `socket`.
MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def deny_netlink() -> None:
    """From now on `socket(AF_NETLINK, ...)` fails in this process and those it starts."""
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        return
    architecture, number = MACHINES[platform.machine()]
    # Each with what to skip when equal and when not: all but a socket of that family goes to the last but one.
    steps = [
        (LOAD_WORD, 0, 0, ARCHITECTURE_AT),
        (JUMP_IF_EQUAL, 0, 4, architecture),
        (LOAD_WORD, 0, 0, NUMBER_AT),
        (JUMP_IF_EQUAL, 0, 2, number),
        (LOAD_WORD, 0, 0, FIRST_ARGUMENT_AT),
        (JUMP_IF_EQUAL, 1, 0, socket.AF_NETLINK),
        (RETURN, 0, 0, SECCOMP_ALLOW),
        (RETURN, 0, 0, SECCOMP_ERRNO | errno.EAFNOSUPPORT),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(Program(len(steps), code)), 0, 0)


if __name__ == "__main__":
    deny_netlink()
    os.execv(sys.argv[1], sys.argv[1:])
