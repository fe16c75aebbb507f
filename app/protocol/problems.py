"""What may go wrong over HTTP: each error's status, and the body that tells it (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil

from msgspec import UNSET

from app.errors import BadRequest, ClientFault, ParleyError
from app.protocol.service import Problem

MEDIA_TYPE = "application/problem+json"


class NotFound(ClientFault):
    """Nothing is there."""

    code = "not_found"


class WrongMethod(ClientFault):
    """Something is there, and this cannot be done with it. `allowed` can."""

    code = "method_not_allowed"

    def __init__(self, allowed: list[str]) -> None:
        super().__init__(f"this can be asked for by {', '.join(allowed)}")
        self.allowed = allowed


class WrongType(ClientFault):
    """A body of another kind than JSON."""

    code = "unsupported_media_type"


class KeyReused(BadRequest):
    """An idempotency key that came with another message before."""

    code = "idempotency_key_reused"


STATUS: dict[str, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "expired": 401,
    "forbidden": 403,
    "not_found": 404,
    "unknown_room": 404,
    "unknown_message": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_key_reused": 422,
    "rate_limited": 429,
    "internal": 500,
    "unavailable": 503,
}
"""HTTP status by code; any other code of a client's fault is 400."""


def status_of(error: ParleyError) -> int:
    """The HTTP status of an error."""
    return STATUS.get(error.code, 400 if isinstance(error, ClientFault) else 500)


def code_of(status: int) -> str:
    """The code of an error of which nothing but its HTTP status is known."""
    return next((code for code, one in STATUS.items() if one == status), HTTPStatus(status).name.lower())


def problem(status: int, code: str, detail: str, temporary: bool = False, retry: float | None = None) -> Problem:
    """The body that tells what went wrong."""
    return Problem(
        type=f"urn:parley:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        temporary=temporary,
        retry=UNSET if retry is None else retry,
    )


def told(error: ParleyError) -> tuple[Problem, dict[str, str]]:
    """The body and the headers that tell an error."""
    status = status_of(error)
    headers = {}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="parley"'
    if isinstance(error, WrongMethod):
        headers["allow"] = ", ".join(error.allowed)
    if error.retry_seconds is not None:
        # Whole seconds, and never too few.
        headers["retry-after"] = str(max(1, ceil(error.retry_seconds)))
    return problem(status, error.code, str(error), error.temporary, error.retry_seconds), headers
