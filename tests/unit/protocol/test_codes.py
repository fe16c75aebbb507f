"""Close codes and error codes are those of the protocol."""

from __future__ import annotations

import pytest

from app import errors
from app.protocol.codes import REASONS, CloseCode


def _all(kind: type[errors.ParleyError]) -> set[type[errors.ParleyError]]:
    return {kind}.union(*(_all(one) for one in kind.__subclasses__()))


def test_close_codes_are_the_documented_numbers() -> None:
    """Clients of other makes rely on the numbers."""
    assert sorted(CloseCode) == [
        1000, 1001, 1002, 1007, 1009, 1012, 1013,
        4001, 4002, 4003, 4004, 4005, 4500, 4501, 4502, 4503, 4504, 4505, 4506,
    ]  # fmt: skip


def test_reasons_fit_into_a_close_frame() -> None:
    """At most 123 bytes, and never empty."""
    assert all(1 <= len(reason.encode()) <= 123 for reason in REASONS.values())


def test_every_error_has_a_documented_code() -> None:
    """A client never meets a code that the protocol does not name."""
    documented = {
        "bad_request", "unauthorized", "forbidden", "not_joined", "already_joined", "too_large", "rate_limited",
        "unknown_room", "unknown_message", "muted", "expired", "unavailable", "internal",
    }  # fmt: skip
    assert {error.code for error in _all(errors.ParleyError) if error.__module__ == "app.errors"} <= documented


@pytest.mark.parametrize("error", sorted(_all(errors.ClientFault) - {errors.RateLimited}, key=lambda one: one.__name__))
def test_a_clients_fault_is_permanent(error: type[errors.ParleyError]) -> None:
    """Sending the same again does not help, except after a rate limit."""
    assert not error.temporary


def test_faults_that_pass_say_when_to_try_again() -> None:
    """Temporary ones carry a time to wait."""
    for error in (errors.Unavailable("x"), errors.NotConfirmed("x"), errors.RateLimited("x", 0.2)):
        assert error.temporary
        assert error.retry_seconds is not None
    assert errors.RateLimited("x", 0.2).retry_seconds == 0.2


def test_a_setting_error_names_the_setting() -> None:
    """In its attribute and at the beginning of its one line."""
    error = errors.SettingError("PARLEY_PORT", "is not a number")
    assert (error.setting, str(error)) == ("PARLEY_PORT", "PARLEY_PORT: is not a number")
