"""How much memory there is; and what is free of it goes back to the system: after a surge C would keep most.

What was written for a thousand peers who did not read lies between what is still in use; only `malloc_trim` (glibc)
looks for whole free pages there.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

GIVE_BACK_SECONDS = 5.0
BOUNDS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container reads what it may use, by either version of Linux' control groups."""

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Return free pages; nothing where the C library cannot. Takes under a millisecond for each MiB returned."""
    if _trim is not None:
        _trim(ctypes.c_size_t(0))


def usable_bytes(bounds: Iterable[Path] = BOUNDS) -> int:
    """Memory of the machine, or what this container may use of it if that is less."""
    usable = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for bound in bounds:
        try:
            usable = min(usable, int(bound.read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return usable
