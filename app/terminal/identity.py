"""Who this user is as a guest: the tokens of earlier welcomes, kept in the user's data directory.

The file is readable by its owner alone. Who comes without a name comes as whom he was last at that server.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

GUESTS_MAX = 100
FILE_BYTES_MAX = 2**20


class Guest(msgspec.Struct, frozen=True):
    """A guest at a server. `token` is empty for somebody new."""

    url: str
    name: str
    token: str = ""


_decode = msgspec.json.Decoder(list[Guest]).decode


class Identities:
    """The guests of a file, newest last."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, url: str, name: str) -> Guest | None:
        """The guest last used at a server, by that name if one is given."""
        known = (guest for guest in reversed(self._load()) if guest.url == url and name in ("", guest.name))
        return next(known, None)

    def keep(self, guest: Guest) -> None:
        """Remember a guest as the last one used there. Raises OSError if that cannot be written."""
        guests = self._load()
        if guests and guests[-1] == guest:
            return
        others = [other for other in guests if (other.url, other.name) != (guest.url, guest.name)]
        self._save([*others, guest][-GUESTS_MAX:])

    def _load(self) -> list[Guest]:
        try:
            with self.path.open("rb") as file:
                return _decode(file.read(FILE_BYTES_MAX))
        except (OSError, msgspec.DecodeError):
            return []

    def _save(self, guests: list[Guest]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file made by mkstemp has mode 0600 from the start; renaming shows others the old or the new, never a half.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".guests-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(guests), indent=1))
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


def default_path(environment: Mapping[str, str]) -> Path:
    """Where this user's programs keep their data."""
    home = Path(environment.get("HOME") or "~").expanduser()
    given = environment.get("XDG_DATA_HOME", "")
    if given.startswith("/"):
        return Path(given) / "parley" / "guests.json"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "parley" / "guests.json"
    return home / ".local" / "share" / "parley" / "guests.json"
