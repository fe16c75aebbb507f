"""Memory that is free goes back to the system: after a surge the C library would keep most of it.

What was written for a thousand peers who did not read lies between what is still in use; only `malloc_trim` (glibc)
looks for whole free pages there.
"""

from __future__ import annotations

import ctypes

GIVE_BACK_SECONDS = 5.0

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Return free pages; nothing where the C library cannot. Takes under a millisecond for each MiB returned."""
    if _trim is not None:
        _trim(ctypes.c_size_t(0))
