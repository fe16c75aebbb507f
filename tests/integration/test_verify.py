"""`parley verify` as a command: the real server passes under every fault, the naive relay does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from app.traffic.history import read
from app.verify.checker import judge
from app.verify.faults import FAULTS
from tests.support import ROOT, Server

RUN_SECONDS = 300


def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "app.cli", "verify", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)


def test_every_promise_is_kept_under_every_fault(tmp_path: Path):
    """Workers killed and drained, Redis killed, frozen, paused and deaf, clients cut: 0 violations, all faults real."""
    done = verify("--events", "2500", "--rate", "100", "--report", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 violations" in done.stdout
    history = read(tmp_path / "history.jsonl")
    assert {fault.name for fault in history.faults if fault.took} == set(FAULTS)
    verdict = judge(history)
    assert verdict.violations == []
    assert verdict.acked >= 2500
    assert verdict.resumed > 24
    assert verdict.duplicates > 10
    assert verdict.amended > 200
    assert verdict.folded > 2500
    report = (tmp_path / "report.md").read_text()
    assert all(f"| {name} | yes" in report for name in FAULTS)


def test_a_plain_relay_is_found_out(tmp_path: Path):
    """The same traffic against pub/sub without log and dedupe fails, with evidence."""
    goal = ["--events", "600", "--clients", "12", "--rate", "100", "--faults", "kill-pubsub,cut-clients"]
    done = verify("--naive", *goal, "--report", str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED" in done.stdout
    rules = set(re.findall(r"^- \[([a-z-]+)\]", (tmp_path / "report.md").read_text(), re.MULTILINE))
    assert {"lost", "twice"} <= rules or {"hole", "twice"} <= rules
    assert "audience-" in (tmp_path / "report.md").read_text()


def test_a_running_server_is_tested_by_its_address(shared_server: Server):
    """With a URL only the clients are disturbed, and the server is left running."""
    done = verify("--events", "200", "--clients", "6", "--rate", "100", shared_server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert shared_server.get("/livez")[0] == 200


def test_what_cannot_be_reached_proves_nothing():
    """No server there: exit code 2 and one line."""
    done = verify("http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "cannot be reached" in done.stderr


def test_a_fault_without_effect_proves_nothing(shared_server: Server):
    """A run whose faults could not be injected is no proof."""
    done = verify("--events", "50", "--clients", "4", "--faults", "kill-redis", shared_server.url)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "kill-redis" in done.stdout


def test_an_unknown_fault_is_named():
    """A wrong option is one clear message and exit code 2."""
    done = verify("--faults", "meteor")
    assert done.returncode == 2
    assert "meteor" in done.stderr
