"""The command line: wrong arguments are named with what would be right, before anything is started."""

from __future__ import annotations

import dataclasses

import pytest

from app import cli
from app.config import Settings, flag


def _error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The last line of a command that ends with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["serve", "--redisurl", "redis://h"],
            "parley serve: error: unknown: --redisurl redis://h; is --redis-url meant?",
        ),
        (["doctor", "--worker-s=3"], "parley doctor: error: unknown: --worker-s=3; is --workers meant?"),
        (["serve", "--coffee"], "parley serve: error: unknown: --coffee"),
        (["chat", "lobby", "--nme"], "parley chat: error: unknown: --nme"),
        (["key", "list", "--all"], "parley key list: error: unknown: --all"),
        (["redis-user", "file", "--all"], "parley redis-user: error: unknown: --all"),
        (["chat", "lobby", "--history", "x"], "parley chat: error: argument --history: 'x' is not a whole number"),
        (["token", "--user", "u", "--seconds", "0"], "parley token: error: argument --seconds: must be at least 1"),
        (
            ["token", "--user", "u", "-r", "a-*"],
            "parley token: error: argument --room/-r: 'a-*' is not like team-*=write",
        ),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    """By the command that it was given to, and with what was probably meant."""
    assert _error(arguments, capsys) == said


def test_help_says_what_each_setting_may_be(capsys: pytest.CaptureFixture[str]):
    """All settings, with bounds, choices and defaults; the line of usage does not repeat them."""
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("usage: parley serve [--SETTING VALUE ...] Run the server.")
    assert [field.name for field in dataclasses.fields(Settings) if f"{flag(field.name)} VALUE" not in shown] == []
    assert "Port to listen on; 0 takes a free one. (0 to 65535; default: 8000)" in shown
    assert "Least level that is logged. (debug, info, warning, error; default: info)" in shown
