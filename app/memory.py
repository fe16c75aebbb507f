"""Memory that is free goes back to the system: after a surge the C library would keep most of it.

What was written for a thousand peers who did not read lies between what is still in use; only `malloc_trim` (glibc)
looks for whole free pages there.
"""

from __future__ import annotations

import contextlib
import ctypes

GIVE_BACK_SECONDS = 5.0


def give_back() -> None:
    """Return free pages; nothing where the C library cannot. Takes under a millisecond for each MiB returned."""
    with contextlib.suppress(AttributeError, OSError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
