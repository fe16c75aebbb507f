"""How goals are written on the command line, and what may not be asked for."""

from __future__ import annotations

import pytest

from app import cli
from app.loadtest import plan
from app.loadtest.plan import Limit


def test_a_goal_names_percentiles_and_the_maximum():
    """Separated by commas, in ms or s."""
    assert plan.limits("p99=200ms, p99.9=1s,max=2s") == (Limit(99, 200), Limit(99.9, 1000), Limit(100, 2000))
    assert ",".join(map(str, plan.limits("p99=0.2s,max=2s"))) == "p99=200ms,max=2000ms"


@pytest.mark.parametrize("text", ["p99", "p99<200ms", "p100=1ms", "p99=200", "mean=3ms"])
def test_what_is_no_goal_is_refused(text: str):
    """With an example."""
    with pytest.raises(ValueError, match="p99=200ms"):
        plan.limits(text)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--kill-worker", "5s", "http://127.0.0.1:9"], "--kill-worker"),
        (["--kill-worker", "70s"], "--kill-worker"),
        (["--find-max", "--repeat", "3"], "--find-max"),
        (["--pages", "0"], "--browsers"),
        (["--rooms", "20", "--sockets", "10"], "--rooms"),
        (["--slo", "fast"], "p99=200ms"),
        (["--compare", "/does/not/exist.json"], "--compare"),
        (["--rate", "0"], "--rate"),
        (["--text-bytes", "10"], "--text-bytes"),
        (["--duration", "0"], "--duration"),
    ],
)
def test_what_cannot_be_done_is_named_before_anything_starts(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
):
    """Exit code 2 and the option's name."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["loadtest", *arguments])
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


def test_what_is_not_installed_comes_with_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The packages of the extra are named as this version wants them."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["loadtest"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "-m pip install" in said
    assert "hdrhistogram<1" in said
    assert "playwright<2" in said


def test_without_pages_no_browser_driver_is_needed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Then the run begins, here against nobody."""
    from importlib.util import find_spec

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "playwright" else find_spec(name))
    with pytest.raises(SystemExit) as ended:
        cli.main(["loadtest", "--browsers", "0", "--pages", "0", "http://127.0.0.1:9"])
    assert ended.value.code == 2
    assert "cannot be reached" in capsys.readouterr().err
