"""Signed-in users: the JWTs that another system gives them, verified with its secrets or public keys.

A key is for one algorithm, fixed by what the key is; what a token says of itself only chooses among the keys.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from app.auth import GUEST_AUDIENCE
from app.errors import BadRequest, Expired, SettingError, Unauthorized, reason
from app.grants import Grants
from app.protocol.names import GUEST, SERVICE, user_name

USER_MAX = 255
RSA_BITS = 2048
KEYS_MAX = 100
TRIED_MAX = 8
FILE_BYTES_MAX = 256 * 1024

_WRONG = (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class Key:
    """A secret or public key, the one algorithm it is for, and its name, if it has one."""

    algorithm: str
    material: Any = field(repr=False)
    kid: str = ""


@dataclass(frozen=True, slots=True)
class User:
    """Who a token is for, what it grants, and when it ends, in seconds since 1970."""

    user: str
    name: str
    grants: Grants | None
    ends: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say beside its signature; empty: nothing. `leeway_seconds` is for clocks that differ."""

    audience: str = ""
    issuer: str = ""
    leeway_seconds: float = 30.0


def shared_keys(secrets: Iterable[str]) -> list[Key]:
    """Keys of secrets that are shared with the system that signs."""
    return [Key("HS256", secret) for secret in secrets]


def file_keys(paths: Iterable[str]) -> list[Key]:
    """Public keys of PEM files and of key sets (JWKS).

    Raises:
        SettingError: a file cannot be read, or holds no key that can be used.
    """
    found = []
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
            keys = key_set(data) if data.lstrip().startswith(b"{") else [_public(load_pem_public_key(data))]
        except (OSError, *_WRONG) as error:
            raise SettingError("--token-keys", f"{path}: {reason(error)}") from None
        if not keys:
            raise SettingError("--token-keys", f"{path}: no key for RS256, ES256 or EdDSA")
        found += keys
    return found


def key_set(data: bytes) -> list[Key]:
    """The keys of a JWKS that are for signatures and of a kind known here; others are left out.

    Raises:
        ValueError: it is no JWKS, or too large.
    """
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"a key set has at most {FILE_BYTES_MAX} bytes")
    try:
        entries = json.loads(data)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("this is no key set") from None
    if not isinstance(entries, list):
        raise ValueError("this is no key set")
    keys = []
    for entry in entries[:KEYS_MAX]:
        try:
            if entry.get("kty") != "oct" and entry.get("use", "sig") == "sig":
                keys.append(_public(jwt.PyJWK(entry).key, str(entry.get("kid", ""))))
        except (AttributeError, *_WRONG):
            continue
    return keys


def _public(key: Any, kid: str = "") -> Key:
    if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS:
        return Key("RS256", key, kid)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return Key("ES256", key, kid)
    if isinstance(key, Ed25519PublicKey):
        return Key("EdDSA", key, kid)
    raise ValueError(f"no public key for RS256 (of {RSA_BITS} bits or more), ES256 or EdDSA")


def key_name(token: str) -> tuple[str, str]:
    """The algorithm and the name of the key that a token says it was signed with. Raises Unauthorized."""
    try:
        head = jwt.get_unverified_header(token)
    except _WRONG:
        raise Unauthorized("the token is not valid here") from None
    kid = head.get("kid", "")
    return str(head.get("alg")), kid if isinstance(kid, str) else ""


def fitting(keys: Iterable[Key], algorithm: str, kid: str) -> list[Key]:
    """The keys that may have signed a token, at most TRIED_MAX."""
    return [key for key in keys if key.algorithm == algorithm and (not kid or key.kid in ("", kid))][:TRIED_MAX]


def verify(token: str, keys: Sequence[Key], expected: Expected) -> User:
    """Who a token is for.

    Raises:
        Expired: it was good, and is too old.
        Unauthorized: it is not signed by any of the keys, or does not say what it has to.
    """
    for key in keys:
        try:
            claims = jwt.decode(
                token,
                key.material,
                algorithms=[key.algorithm],
                audience=expected.audience or None,
                issuer=expected.issuer or None,
                leeway=expected.leeway_seconds,
                options={"require": ["exp", "sub"], "verify_aud": bool(expected.audience)},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.ExpiredSignatureError:
            raise Expired("the token has expired") from None
        except _WRONG:
            break
        return _user(claims)
    raise Unauthorized("the token is not valid here")


def _user(claims: dict[str, Any]) -> User:
    audience = claims.get("aud")
    if audience == GUEST_AUDIENCE or (isinstance(audience, list) and GUEST_AUDIENCE in audience):
        raise Unauthorized("a guest's token is given as guest")
    try:
        user = claims["sub"]
        if not isinstance(user, str) or not 1 <= len(user) <= USER_MAX or not user.isprintable():
            raise ValueError(f"sub has 1 to {USER_MAX} printable characters")
        if user.startswith(SERVICE):
            raise ValueError(f"users whose id begins with {SERVICE} are services")
        if user.startswith(GUEST):
            raise ValueError(f"users whose id begins with {GUEST} are guests")
        name = claims.get("name", user)
        if not isinstance(name, str):
            raise ValueError("name is a text")
        return User(user, user_name(name), Grants.claimed(claims.get("rooms")), float(claims["exp"]))
    except (ValueError, OverflowError, BadRequest) as error:
        raise Unauthorized(f"the token: {error}") from None


def make(secret: str, user: str, seconds: int, claims: dict[str, Any]) -> str:
    """A token for trying out, signed with a shared secret (HS256), good for so many seconds."""
    given = {"sub": user, "exp": int(time.time()) + seconds, **claims}
    return jwt.encode(given, secret, algorithm="HS256")
