"""Who somebody is: guests by name, recognised again by a signed token."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

import jwt

from app.errors import Unauthorized
from app.protocol.names import user_name

GUEST_SECONDS = 30 * 24 * 3600
_ALGORITHM = "HS256"
_AUDIENCE = "parley-guest"


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or a program. `user` is stable and unique, `name` is for display; `new` was never here before."""

    user: str
    name: str
    new: bool = field(default=False, compare=False)


class Guests:
    """Makes and recognises guests. All workers that share the secret know each other's."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def new(self, name: str) -> Identity:
        """Somebody not seen before. Raises BadRequest for a name that breaks the rules."""
        return Identity("g" + secrets.token_urlsafe(9), user_name(name), True)

    def token(self, identity: Identity) -> str:
        """Proves the identity for GUEST_SECONDS."""
        claims = {
            "sub": identity.user,
            "name": identity.name,
            "aud": _AUDIENCE,
            "exp": int(time.time()) + GUEST_SECONDS,
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM)

    def again(self, token: str) -> Identity:
        """The guest of a token. Raises Unauthorized if it is not one of ours, or too old."""
        try:
            claims = jwt.decode(
                token, self._secret, algorithms=[_ALGORITHM], audience=_AUDIENCE, options={"require": ["exp", "sub"]}
            )
            return Identity(str(claims["sub"]), user_name(str(claims["name"])))
        except (jwt.InvalidTokenError, KeyError, ValueError):
            raise Unauthorized("the guest token is not valid here, or has expired") from None
