"""API keys: what a back end proves itself with, and what it may do then. Pure.

A key is shown once, when it is made. What is kept is its digest: nobody guesses 256 random bits, so a fast one will do.
"""

from __future__ import annotations

import hmac
import re
import secrets
import tomllib
from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from app.errors import BadRequest, SettingError, reason
from app.grants import PATTERNS_MAX, fits, pattern
from app.protocol.names import DIRECT, SERVICE, user_name

PREFIX = "pk"
KEYS_MAX = 1000
RATE, RATE_MAX = 50.0, 100_000
"""Requests a second and worker: unless told otherwise, and at most."""

FILE_BYTES_MAX = 256 * 1024
_SHOWN = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_[0-9a-f]{{64}}\Z")


class Scope(StrEnum):
    """What a key is for."""

    SEND = "send"
    READ = "read"
    PRESENCE = "presence"
    ROOMS = "rooms"
    MODERATE = "moderate"
    DISCONNECT = "disconnect"
    COUNTS = "counts"


class ApiKey(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A key as it is kept.

    Attributes:
        id: public, names the key.
        name: of the service that has it, shown with what it sends.
        sha256: of the key as it was shown, in hexadecimal.
        rooms: patterns of the rooms that it is for.
        rate: requests a second that each worker takes from it.
        created, expires: seconds since 1970; 0 is unknown, or never.
    """

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{12}\Z")]
    name: str
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    scopes: Annotated[list[Scope], Meta(min_length=1)]
    rooms: Annotated[list[str], Meta(min_length=1, max_length=PATTERNS_MAX)] = msgspec.field(
        default_factory=lambda: ["*"]
    )
    rate: Annotated[float, Meta(gt=0, le=RATE_MAX)] = RATE
    created: Annotated[int, Meta(ge=0, le=2**53)] = 0
    expires: Annotated[int, Meta(ge=0, le=2**53)] = 0

    @property
    def user(self) -> str:
        """The user that this service is."""
        return SERVICE + self.name

    @property
    def everywhere(self) -> bool:
        """Whether it is for all rooms, and so for what concerns no room."""
        return "*" in self.rooms

    def reaches(self, room: str) -> bool:
        """Whether it is for the room of that name. None is for what two people say to each other."""
        return not room.startswith(DIRECT) and any(fits(each, room) for each in self.rooms)

    def ended(self, now: float) -> bool:
        """Whether its time is over; `now` in seconds since 1970."""
        return bool(self.expires) and now >= self.expires

    def proved_by(self, shown: str) -> bool:
        """Whether this is the key that somebody shows. Takes the same time for all that are not."""
        return hmac.compare_digest(_digest(shown), self.sha256)


def make(
    name: str, scopes: Sequence[str], rooms: Sequence[str], rate: float, now: float, seconds: int | None
) -> tuple[ApiKey, str]:
    """A new key, and how it is shown, once.

    Args:
        seconds: how long it is good; None for ever.

    Raises:
        BadRequest: the name, a scope, a pattern, the rate or the time is none.
    """
    id_ = secrets.token_hex(6)
    shown = f"{PREFIX}_{id_}_{secrets.token_hex(32)}"
    fields = {
        "id": id_,
        "name": name,
        "sha256": _digest(shown),
        "scopes": list(dict.fromkeys(scopes)),
        "rooms": list(rooms) or ["*"],
        "rate": rate,
        "created": int(now),
        "expires": 0 if seconds is None else max(1, int(now) + seconds),
    }
    try:
        return checked(fields), shown
    except ValueError as error:
        raise BadRequest(str(error)) from None


def checked(fields: object) -> ApiKey:
    """A key from its fields. Raises ValueError, which says what is wrong."""
    try:
        key = msgspec.convert(fields, ApiKey)
        if user_name(key.name) != key.name:
            raise ValueError(f"the name {key.name!r:.80} has space around it, or characters of another form")
    except BadRequest as error:
        raise ValueError(str(error)) from None
    for each in key.rooms:
        pattern(each)
    return key


def id_of(shown: str) -> str | None:
    """The id of a key as it is shown; None if it cannot be one."""
    found = _SHOWN.match(shown)
    return found[1] if found else None


def file_keys(path: Path) -> list[ApiKey]:
    """The keys of a TOML file with tables [[keys]], as `parley key create --toml` prints them.

    Raises:
        SettingError: it cannot be read, or is not of that form; says why.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"it has more than {FILE_BYTES_MAX} bytes")
        table = tomllib.loads(data.decode())
        entries = table.pop("keys", [])
        if table or not isinstance(entries, list) or len(entries) > KEYS_MAX:
            raise ValueError(f"it has tables [[keys]], at most {KEYS_MAX}, and nothing else")
        return [checked(entry) for entry in entries]
    except (OSError, ValueError) as error:
        raise SettingError("--api-keys", f"{path}: {reason(error)}") from None


def toml(key: ApiKey) -> str:
    """A key as a table of such a file."""
    fields = msgspec.to_builtins(key)
    # What JSON writes for texts, numbers and lists of texts is TOML as well.
    lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in fields.items()]
    return "\n".join(["[[keys]]", *lines])


def _digest(shown: str) -> str:
    return sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()
