"""The secret that signs guest tokens: the configured one, or one made at random and kept in the data directory.

Servers that share a Redis share the secret too: a guest of one would be a stranger to the others. What tells them apart
is a fingerprint in Redis, from which the secret cannot be found out.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from app.backplane import keys
from app.backplane.link import Link
from app.backplane.pipeline import Script
from app.config import SECRET_CHARS, Settings, data_path, flag, several
from app.errors import SettingError, reason

SETTLED_SECONDS = 20
"""A server that has started so long ago has a lease, or is gone."""


def secrets_of(settings: Settings) -> list[str]:
    """The secrets to use: the first signs, all are recognised. Made now if there is none.

    Raises:
        SettingError: none is configured, and the data directory cannot be read or written.
    """
    if settings.secret:
        return several(settings.secret)
    try:
        data = data_path(settings)
    except SettingError as error:
        raise SettingError(flag("secret"), f"needed, since none can be kept here: {error}") from None
    return [_kept(data / "secret")]


def _kept(path: Path) -> str:
    """The secret of a file, made if need be: whoever comes first makes it for all who share the directory."""
    try:
        if not path.exists():
            fresh = path.with_name(f".secret-{secrets.token_hex(8)}")
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        secret = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(flag("data_dir"), f"no secret can be kept in {path} ({reason(error)})") from None
    if len(secret) < SECRET_CHARS:
        raise SettingError(flag("data_dir"), f"{path} does not hold a secret; remove it and a new one is made")
    return secret


def fingerprint(secret: str) -> str:
    """Tells secrets apart and tells nothing else of them."""
    return hmac.digest(secret.encode(), b"parley secret fingerprint", "sha256").hex()[:32]


async def check_shared(link: Link, known: list[str]) -> None:
    """Raises SettingError if servers with another secret live at this Redis."""
    named = (keys.FINGERPRINT, keys.LEASES)
    marks = [fingerprint(secret) for secret in known]
    if not await link.call("EVAL", Script("secret").source, 2, *named, SETTLED_SECONDS * 1000, *marks):
        raise SettingError(
            flag("secret"),
            "other servers at this Redis sign guest tokens with another secret: give all of them the same "
            "PARLEY_SECRET, or a data directory that they share",
        )
