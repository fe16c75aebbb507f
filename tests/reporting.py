"""Pytest plugin: leaves out what this machine cannot run, and says so where everyone sees it.

A test that needs Docker carries the marker `docker`, one that needs Chromium the marker `browser`, one that needs
Prometheus the marker `prometheus`, one that needs the benchmark's load client the marker `compiler`. Where the need is
not met the tests are deselected, and the run ends with the section "not run here": one line for each reason, with the
number of tests. With several processes the first one looks what there is, and tells the others, so that all have the
same tests. Loaded by `-p tests.reporting` in pyproject.toml.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS_CHROME = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
DOCKER_TIMEOUT_SECONDS = 20
RYUK_TIMEOUT_SECONDS = 60


@cache
def chromium() -> str | None:
    """Path of the browser to test with: $CHROMIUM, else an installed Chromium or Chrome, else None."""
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    return found or (str(MACOS_CHROME) if MACOS_CHROME.exists() else None)


def _why_no_browser() -> str | None:
    return None if chromium() else "no Chromium found (install it, or name one in $CHROMIUM)"


def _why_not(*command: str, timeout_seconds: int = DOCKER_TIMEOUT_SECONDS) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_seconds, check=False)
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    except subprocess.TimeoutExpired:
        return f"`{' '.join(command)}` did not answer in {timeout_seconds} s"
    return f"`{' '.join(command)}` fails" if done.returncode else None


def _why_no_docker() -> str | None:
    return _why_not("docker", "info") or _why_not("docker", "compose", "version")


def _why_no_prometheus() -> str | None:
    return _why_not("promtool", "--version") or _why_not("prometheus", "--version")


def _why_no_compiler() -> str | None:
    if sys.platform != "linux":
        return "the benchmark's load client needs Linux"
    return _why_not(os.environ.get("CC", "cc"), "--version")


NEEDS: dict[str, Callable[[], str | None]] = {
    "browser": cache(_why_no_browser),
    "compiler": cache(_why_no_compiler),
    "docker": cache(_why_no_docker),
    "prometheus": cache(_why_no_prometheus),
}


def _missing(item: pytest.Item) -> str | None:
    """What the item needs and this machine lacks, in words; None when it can run."""
    told: dict[str, str | None] = getattr(item.config, "workerinput", {}).get("lacks", {})
    reasons = [told[need] if need in told else why() for need, why in NEEDS.items() if item.get_closest_marker(need)]
    return "; ".join(filter(None, reasons)) or None


def _without_ryuk_where_it_cannot_be_had() -> None:
    """Ryuk, testcontainers' own container, removes what a killed test run left; the tests do without it."""
    if "TESTCONTAINERS_RYUK_DISABLED" in os.environ:
        return
    from testcontainers.core.config import testcontainers_config

    image = testcontainers_config.ryuk_image
    if _why_not("docker", "image", "inspect", image) and _why_not(
        "docker", "pull", image, timeout_seconds=RYUK_TIMEOUT_SECONDS
    ):
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"


class Reporting:
    """Owns the count of what was left out of one run, by reason."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()

    # Last, so that what -m or -k deselects anyway is not reported as missing.
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            if reason := _missing(item):
                self.left_out[reason] += 1
                dropped.append(item)
            else:
                kept.append(item)
        if dropped:
            items[:] = kept
            config.hook.pytest_deselected(items=dropped)
        if not config.option.collectonly and any(item.get_closest_marker("docker") for item in kept):
            _without_ryuk_where_it_cannot_be_had()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a process that is about to collect what it lacks."""
        node.workerinput["lacks"] = {need: why() for need, why in NEEDS.items()}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the process that reports what this one left out."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["left_out"] = dict(self.left_out)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """All have left out the same; one that crashed has said nothing."""
        self.left_out |= Counter(getattr(node, "workeroutput", {}).get("left_out", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.left_out:
            terminalreporter.section("not run here")
            for reason, count in self.left_out.items():
                terminalreporter.line(f"{count} test{'s' if count > 1 else ''}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Reporting(), "parley-reporting")
