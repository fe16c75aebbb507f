"""What the doctor makes of settings and machine, and how it says so."""

from __future__ import annotations

import io
import json
import resource
import ssl
from pathlib import Path

import pytest

from app import cli
from app.config import Settings, load
from app.doctor import command, machine, redis
from app.findings import Finding, Grade, bad, good, weak
from tests.support import free_port


class Terminal(io.StringIO):
    """A place to write to that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def by_topic(findings: list[Finding]) -> dict[str, Finding]:
    """Findings by what was looked at."""
    return {one.topic: one for one in findings}


def test_settings_that_suit_each_other_need_no_advice() -> None:
    """As the defaults do."""
    (finding,) = machine.settings(Settings(), ())
    assert (finding.grade, finding.advice) == (Grade.GOOD, "")


@pytest.mark.parametrize(
    ("given", "topic", "words"),
    [
        ({"ping_seconds": "60"}, "heartbeat", "PARLEY_PING_SECONDS"),
        ({"drain_seconds": "0"}, "drain", "PARLEY_DRAIN_SECONDS"),
        ({"drain_seconds": "60"}, "drain", "stop_grace_period"),
        ({"history_events": "100", "resume_events": "200"}, "history", "PARLEY_HISTORY_EVENTS"),
    ],
)
def test_settings_that_weaken_a_promise_are_named_with_what_to_set(
    given: dict[str, str], topic: str, words: str
) -> None:
    """Weak, not bad: the server runs."""
    finding = by_topic(machine.settings(load(given, {}), ()))[topic]
    assert finding.grade is Grade.WEAK
    assert words in finding.advice


def test_variables_that_name_a_service_are_mentioned() -> None:
    """Nobody has to wonder why they do not count."""
    assert "2 name a service" in by_topic(machine.settings(Settings(), ["A", "B"]))["variables"].found


@pytest.mark.parametrize(
    ("hard", "grade"),
    [(256, Grade.BAD), (4096, Grade.WEAK), (1_000_000, Grade.GOOD), (resource.RLIM_INFINITY, Grade.GOOD)],
)
def test_the_limit_of_open_files_is_judged(monkeypatch: pytest.MonkeyPatch, hard: int, grade: Grade) -> None:
    """Each connection takes one."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, hard))
    assert by_topic(machine.machine(Settings()))["open files"].grade is grade


def test_more_workers_than_cores_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """They only take turns."""
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert by_topic(machine.machine(Settings(workers=4)))["workers"].grade is Grade.GOOD
    assert by_topic(machine.machine(Settings(workers=5)))["workers"].grade is Grade.WEAK


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the directory that is there or would be made; nothing is written."""
    settings = Settings(data_dir=str(tmp_path / "a" / "b"))
    assert by_topic(machine.machine(settings))["data directory"].found.startswith(str(tmp_path / "a" / "b"))
    assert not (tmp_path / "a").exists()
    usage = machine.shutil._ntuple_diskusage  # type: ignore[attr-defined]
    for free, grade in ((10**12, Grade.GOOD), (10**9, Grade.WEAK), (10**8, Grade.BAD)):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, free=free: usage(10**12, 0, free))
        assert by_topic(machine.machine(settings))["data directory"].grade is grade
    assert "data directory" not in by_topic(machine.machine(Settings(redis_url="redis://localhost")))


FINDINGS = [
    good("settings", "they suit", "nothing to say"),
    weak("redis [bold]version[/]", "redis 6", "old", "upgrade it"),
    bad("redis persistence", "none", "a restart costs all", "set appendonly yes"),
]


def test_elsewhere_than_on_a_terminal_findings_are_plain_lines() -> None:
    """One for each, one for each advice, and the verdict last."""
    out = io.StringIO()
    command.show(FINDINGS, out)
    assert out.getvalue().splitlines() == [
        "good  settings: they suit; nothing to say",
        "weak  redis [bold]version[/]: redis 6; old",
        "      -> upgrade it",
        "bad   redis persistence: none; a restart costs all",
        "      -> set appendonly yes",
        "1 good, 1 weak, 1 bad: something breaks a promise",
    ]


def test_on_a_terminal_they_are_a_table() -> None:
    """With every word of them, whatever it looks like."""
    out = Terminal()
    command.show(FINDINGS, out)
    text = out.getvalue()
    assert "┃" in text
    for finding in FINDINGS:
        for cell in finding[2:]:
            assert all(word in text for word in cell.split())
    assert "[bold]" in text


def test_only_what_is_bad_makes_it_fail(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Exit code 0 with weaknesses, 1 where a promise is broken; as JSON the same."""
    weakly = {"data_dir": str(tmp_path), "drain_seconds": "0"}
    assert command.run(weakly, {}, "", False, as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert {one["grade"] for one in said["findings"]} == {"good", "weak"}
    badly = {"redis_url": f"redis://:geheim@127.0.0.1:{free_port()}/0"}
    assert command.run(badly, {}, "", False, as_json=True) == 1
    text = capsys.readouterr().out
    said = json.loads(text)
    assert said["ok"] is False
    (finding,) = [one for one in said["findings"] if one["grade"] == "bad"]
    assert finding["topic"] == "redis"
    assert "geheim" not in text


def test_wrong_settings_are_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    """Named as they were given; nothing else can be looked at then."""
    assert command.run({}, {"PARLEY_PORT": "x"}, "", False, as_json=False) == 1
    assert "PARLEY_PORT: 'x' is not a whole number" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("peer", "verify", "grade", "found"),
    [
        ("", None, Grade.GOOD, "inside this machine"),
        ("127.0.0.1", None, Grade.GOOD, "inside this machine"),
        ("::1", None, Grade.GOOD, "inside this machine"),
        ("10.0.0.7", None, Grade.WEAK, "plain text to 10.0.0.7"),
        ("fd00::7", None, Grade.WEAK, "plain text to fd00::7"),
        ("10.0.0.7", ssl.CERT_REQUIRED, Grade.GOOD, "TLS to 10.0.0.7"),
        ("10.0.0.7", ssl.CERT_NONE, Grade.WEAK, "not looked at"),
    ],
)
def test_who_is_between_here_and_redis_is_told(
    peer: str, verify: ssl.VerifyMode | None, grade: Grade, found: str
) -> None:
    """Nobody inside a machine, nobody who can read with TLS, else everybody on the network."""
    tls = ssl.create_default_context() if verify is not None else None
    if tls is not None and verify is ssl.CERT_NONE:
        tls.check_hostname, tls.verify_mode = False, verify
    finding = redis.transport(peer, tls)
    assert finding.grade is grade
    assert found in finding.found


@pytest.mark.parametrize(
    "url", ["https://example.org/chat", "https://example.org/?room=1", "example.org", "ws://example.org"]
)
def test_an_address_that_is_no_servers_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The server is at the root of a host, and reached over HTTP."""
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor", "--url", url])
    assert end.value.code == 2
    assert "--url" in capsys.readouterr().err
