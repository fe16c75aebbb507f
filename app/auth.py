"""Who somebody is: guests by name, recognised again by a signed token."""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from dataclasses import dataclass, field

import jwt
import msgspec

from app.errors import BadRequest, Unauthorized
from app.protocol.names import GUEST, user_name

GUEST_SECONDS = 30 * 24 * 3600
_ALGORITHM = "HS256"
GUEST_AUDIENCE = "parley-guest"


class _Claims(msgspec.Struct):
    """What a guest token says."""

    sub: str
    name: str
    exp: int
    aud: str = GUEST_AUDIENCE


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


_HEADER = _base64(msgspec.json.encode({"alg": _ALGORITHM, "typ": "JWT"})) + b"."


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or a program. `user` is stable and unique, `name` is for display; `new` was never here before."""

    user: str
    name: str
    new: bool = field(default=False, compare=False)


class Guests:
    """Makes and recognises guests. All workers that share the secret know each other's.

    `others` are secrets that signed before: their guests are recognised, and get a token by the present one.
    """

    def __init__(self, secret: str, *others: str) -> None:
        self._secret = secret
        self._known = (secret, *others)

    def new(self, name: str) -> Identity:
        """Somebody not seen before, by an id that no token gives. Raises BadRequest for a name against the rules."""
        return Identity(GUEST + secrets.token_urlsafe(9), user_name(name), True)

    def token(self, identity: Identity) -> str:
        """Proves the identity for GUEST_SECONDS: a JWT, signed here because PyJWT took a sixth of a connect for it."""
        claims = _Claims(identity.user, identity.name, int(time.time()) + GUEST_SECONDS)
        signed = _HEADER + _base64(msgspec.json.encode(claims))
        return (signed + b"." + _base64(hmac.digest(self._secret.encode(), signed, "sha256"))).decode()

    def again(self, token: str) -> Identity:
        """The guest of a token. Raises Unauthorized if it is not one of ours, or too old."""
        for secret in self._known:
            identity = _guest(token, secret)
            if identity is not None:
                return identity
        raise Unauthorized("the guest token is not valid here, or has expired")


def _guest(token: str, secret: str) -> Identity | None:
    try:
        claims = jwt.decode(
            token, secret, algorithms=[_ALGORITHM], audience=GUEST_AUDIENCE, options={"require": ["exp", "sub"]}
        )
        return Identity(str(claims["sub"]), user_name(str(claims["name"])))
    except (jwt.InvalidTokenError, KeyError, ValueError, RecursionError, BadRequest):
        return None
