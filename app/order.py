"""What the supervisor tells a worker, and what settings mean that both have to understand.

Apart from the worker's own parts, so that the supervisor, who only has to check them, does not load those.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from app.apikeys import ApiKey, file_keys
from app.config import Settings, flag, several
from app.errors import SettingError
from app.grants import Rules
from app.limits import Rate
from app.rights import Rights
from app.sanctions import Sanctions
from app.signin import KeySet, Signin
from app.tokens import Expected, shared_keys
from app.tokens import file_keys as token_keys

BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """What the supervisor hands to one worker: its number and three inherited descriptors."""

    number: int
    workers: int
    listener_fd: int
    board_fd: int
    lifeline_fd: int


class Order(msgspec.Struct):
    """The first line on a worker's standard input."""

    settings: Settings
    place: Place


def signin(settings: Settings) -> Signin | None:
    """How users sign in; None if they cannot.

    Raises:
        SettingError: a file of keys is none, or nobody could come in at all.
    """
    if not settings.signs_in:
        if settings.guests == "off":
            raise SettingError(flag("guests"), "nobody could come in: set PARLEY_TOKEN_SECRET, _KEYS or _JWKS_URL")
        return None
    keys = [*shared_keys(several(settings.token_secret)), *token_keys(several(settings.token_keys))]
    expected = Expected(settings.token_audience, settings.token_issuer, settings.token_leeway_seconds)
    return Signin(keys, expected, KeySet(settings.token_jwks_url) if settings.token_jwks_url else None)


def rate(settings: Settings, kind: str) -> Rate:
    """How much of a kind is allowed."""
    per_second: int = getattr(settings, f"{kind}_per_second")
    return Rate(per_second, per_second * settings.burst_seconds)


def rate_of_newcomers(settings: Settings) -> Rate:
    """How many new guests are allowed of a network."""
    return Rate(settings.guests_per_minute / 60, settings.guests_per_minute)


def rights(settings: Settings, sanctions: Sanctions | None = None) -> Rights:
    """Who may do what. Raises SettingError for a file of rules that is none."""
    return Rights(Rules.read(Path(settings.room_rules)) if settings.room_rules else Rules(), sanctions)


def api_keys(settings: Settings) -> list[ApiKey]:
    """The API keys of the file. Raises SettingError for a file that is none."""
    return file_keys(Path(settings.api_keys)) if settings.api_keys else []
