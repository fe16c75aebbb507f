"""`parley loadtest` as a command: exact under faults made on purpose, honest about freezes, and gone when it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.traffic import history, machine
from app.traffic.history import Hole, Joined, Repeat, Seen
from tests.integration.faulty import Faulty
from tests.support import ROOT, Server, runs, until

RUN_SECONDS = 180
SOCKETS_ONLY = ("--browsers", "0", "--pages", "0")


class Run:
    """A load test under way."""

    def __init__(self, *arguments: str, report: Path) -> None:
        self.report = report
        self.err = report.with_suffix(".err")
        with self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "loadtest", *arguments, "--report", str(report)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )

    def said(self, word: str) -> bool:
        """Whether its plain lines have a word."""
        return word in self.err.read_text()

    def sends(self) -> bool:
        """Whether the load is under way."""
        return re.search(r"load .*\b[1-9]\d* sent/s", self.err.read_text()) is not None

    def end(self) -> tuple[int, str]:
        """Wait for it; the exit code and what it printed."""
        out, _ = self.process.communicate(timeout=RUN_SECONDS)
        return self.process.returncode, out + self.err.read_text()

    def result(self) -> dict[str, Any]:
        """The result file."""
        found: dict[str, Any] = json.loads((self.report / "result.json").read_text())
        return found

    def account(self) -> dict[str, int]:
        """The account of its only load."""
        (load,) = self.result()["loads"]
        found: dict[str, int] = load["account"]
        return found


def lasting(seconds: float, *, sockets: int = 40, rooms: int = 4, rate: float = 100) -> list[str]:
    """The options of a small load."""
    sizes = ["--sockets", str(sockets), "--rooms", str(rooms), "--rate", f"{rate:g}"]
    return [*SOCKETS_ONLY, *sizes, "--ramp", "0.5s", "--duration", f"{seconds:g}s"]


def settled(code: int, output: str) -> None:
    """Nothing was wrong; whether the machine was quiet enough for figures is not the test's business."""
    assert code in (0, 3), output
    assert re.search(r"^(PASS|INVALID: the generator)", output, re.MULTILINE), output


def test_a_sound_server_loses_nothing(tmp_path: Path):
    """Its own stack: every delivery is accounted for, the files are written, and nothing is left running."""
    run = Run(*lasting(2, rate=200), "--generators", "2", report=tmp_path / "out")
    until(lambda: run.said("load"), "the load begins", 60)
    tree = machine.descendants(run.process.pid)[1:]
    settled(*run.end())
    account = run.account()
    assert account["expected"] == account["given"] == 400 * 10
    assert not any(account[name] for name in account if name not in ("expected", "given"))
    assert len(tree) > 4
    until(lambda: not any(map(runs, tree)), "all its processes are gone")
    result = run.result()
    assert result["loads"][0]["delivery_ms"]["count"] == 4000
    assert result["command"].startswith("parley loadtest --browsers 0 --pages 0 --sockets 40 --rooms 4 --rate 200")
    html = (tmp_path / "out" / "report.html").read_text()
    assert html.startswith("<!doctype html>")
    assert result["command"] in html


async def test_what_a_relay_loses_repeats_and_swaps_is_reported_exactly(shared_server: Server, tmp_path: Path):
    """1 in 1000 dropped, two swapped, one repeated: the account has the relay's own numbers."""
    async with Faulty(shared_server.ws, drop=1000, repeat=1500, swap=2500) as relay:
        run = Run(*lasting(2, rate=250), relay.url, report=tmp_path / "out")
        code, output = await asyncio.to_thread(run.end)
    assert (relay.dropped, relay.repeated, relay.swapped) == (5, 1, 1)
    account = run.account()
    assert (account["lost"], account["twice"], account["late"]) == (5, 1, 1)
    assert account["given"] == account["expected"] - 5 == 4995
    assert account["conflicts"] == account["own_order"] == account["strange"] == account["unanswered"] == 0
    assert code == 1
    assert "FAIL: 5 lost; 1 twice; 1 out of order" in output
    told = [record for client in history.read(tmp_path / "out" / "history.jsonl").clients for record in client.records]
    kinds = Counter(type(record) for record in told)
    assert (kinds[Repeat], kinds[Seen]) == (1, 1)
    assert 1 <= kinds[Hole] <= 6


def workers(server: Server) -> list[int]:
    """The process ids of a server's workers."""
    return [one["pid"] for one in server.health()["workers"]["each"]]


def freeze(pids: list[int], seconds: float) -> None:
    """Stop processes for at least so long."""
    begun = time.monotonic()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: time.monotonic() - begun >= seconds, "the time is over")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_frozen_server_shows_in_maximum_and_p99(server: Callable[..., Server], tmp_path: Path):
    """Stopped for 2 s: what was meant to be sent meanwhile counts from then on.

    The load outlasts the longest wait for a line, five seconds, and the stop.
    """
    stopped = server(workers=2)
    run = Run(*lasting(9), stopped.url, report=tmp_path / "out")
    until(run.sends, "messages are sent", 60)
    freeze(workers(stopped), 2.0)
    settled(*run.end())
    latency = run.result()["loads"][0]["delivery_ms"]
    assert latency["max"] >= 1950
    assert latency["p99"] > 1000
    assert run.account()["lost"] == 0


def test_a_killed_worker_costs_reconnects_and_nothing_else(tmp_path: Path):
    """Its members resume; the fault is in the report."""
    run = Run(*lasting(3), "--kill-worker", "1s", report=tmp_path / "out")
    settled(*run.end())
    result = run.result()
    (fault,) = result["faults"]
    assert fault["took"]
    assert fault["back"] > fault["begun"]
    recorded = history.read(tmp_path / "out" / "history.jsonl")
    joined = [record for client in recorded.clients for record in client.records if isinstance(record, Joined)]
    assert [one.took for one in recorded.faults] == [True]
    assert len(joined) == result["loads"][0]["resumed"]
    assert all(record.recovered for record in joined)
    assert result["loads"][0]["reconnects"] > 0
    assert result["loads"][0]["resumed"] == result["loads"][0]["reconnects"]
    assert run.account()["given"] == run.account()["expected"] > 0


def test_an_interruption_still_gives_a_verdict_and_leaves_nothing(tmp_path: Path):
    """Ctrl-C in the middle: what was sent is accounted for."""
    run = Run(*lasting(60), report=tmp_path / "out")
    until(run.sends, "messages are sent", 60)
    tree = machine.descendants(run.process.pid)[1:]
    run.process.send_signal(signal.SIGINT)
    code, output = run.end()
    assert code == 3, output
    assert "partial verdict" in output
    account = run.account()
    assert account["given"] == account["expected"] > 0
    assert tree
    until(lambda: not any(map(runs, tree)), "all its processes are gone")


def test_two_interruptions_end_it_at_once(tmp_path: Path):
    """Also then nothing is left running."""
    run = Run(*lasting(60), report=tmp_path / "out")
    until(lambda: run.said("starting"), "it begins", 60)
    until(lambda: len(machine.descendants(run.process.pid)) > 2, "the server starts", 60)
    run.process.send_signal(signal.SIGINT)
    code, output = run.end()
    assert code == 3, output
    assert "before anything was measured" in output


def test_what_cannot_be_reached_is_exit_code_2(tmp_path: Path):
    """One line says so."""
    code, output = Run(*lasting(2), "http://127.0.0.1:9", report=tmp_path / "out").end()
    assert code == 2
    assert "cannot be reached" in output


def test_a_result_is_compared_with_an_older_one(shared_server: Server, tmp_path: Path):
    """With itself, nearly: whatever the word is, it is said and written down."""
    first = Run(*lasting(4, rate=50), shared_server.url, report=tmp_path / "first")
    settled(*first.end())
    old = str(tmp_path / "first" / "result.json")
    second = Run(*lasting(4, rate=50), "--compare", old, shared_server.url, report=tmp_path / "second")
    code, output = second.end()
    assert code in (0, 3)
    assert re.search(r"^compared with .*: (better|worse|same)$", output, re.MULTILINE)
    assert second.result()["comparison"]["word"] in ("better", "worse", "same")


def test_the_search_ends_with_a_rate_or_says_why_not(shared_server: Server, tmp_path: Path):
    """A tiny one; what it finds depends on the machine."""
    goal = ["--find-max", "--slo", "p99=0.1ms"]
    code, output = Run(*lasting(1, rate=2), *goal, shared_server.url, report=tmp_path / "out").end()
    assert code in (1, 3), output
    assert "no rate keeps p99=0.1ms" in output


@pytest.mark.browser
def test_pages_show_what_was_sent(tmp_path: Path, undisturbed_chromium: str):
    """Two real pages in two browsers: every row in their documents is accounted for, and a picture is taken."""
    options = ["--browsers", "2", "--pages", "2", "--sockets", "10", "--rooms", "2", "--rate", "20"]
    run = Run("--browser", undisturbed_chromium, *options, "--ramp", "1s", "--duration", "3s", report=tmp_path / "out")
    code, output = run.end()
    assert code in (0, 3), output
    (load,) = run.result()["loads"]
    assert load["shown"] == load["page_ms"]["count"] == 60
    account = load["account"]
    assert account["given"] == account["expected"] == 60 * 5 + 60
    assert account["wrong_rows"] == account["lost_in_pages"] == 0
    assert (tmp_path / "out" / "page.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/png;base64," in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.browser
def test_a_browser_that_is_not_there_is_named_with_what_to_do(tmp_path: Path):
    """Exit code 2, before any server is started."""
    code, output = Run("--browser", "/no/such/chromium", report=tmp_path / "out").end()
    assert code == 2
    assert "playwright install chromium" in output
    assert "--pages 0" in output
