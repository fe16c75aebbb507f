"""Pytest plugin: leaves out what this machine cannot run, and says so where everyone sees it.

A test that needs Docker carries the marker `docker`, one that needs Chromium the marker `browser`. Where the
need is not met the tests are deselected, and the run ends with the section "not run here": one line for each
reason, with the number of tests. Loaded by `-p tests.reporting` in pyproject.toml.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS_CHROME = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
DOCKER_TIMEOUT_SECONDS = 20


@cache
def chromium() -> str | None:
    """Path of the browser to test with: $CHROMIUM, else an installed Chromium or Chrome, else None."""
    if named := os.environ.get("CHROMIUM"):
        return shutil.which(named)
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    return found or (str(MACOS_CHROME) if MACOS_CHROME.exists() else None)


def _why_no_browser() -> str | None:
    return None if chromium() else "no Chromium found (install it, or name one in $CHROMIUM)"


def _why_no_docker() -> str | None:
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(command, capture_output=True, timeout=DOCKER_TIMEOUT_SECONDS, check=False)
        except FileNotFoundError:
            return "Docker is not installed"
        except subprocess.TimeoutExpired:
            return f"`{' '.join(command)}` did not answer in {DOCKER_TIMEOUT_SECONDS} s"
        if done.returncode:
            return f"`{' '.join(command)}` fails here"
    return None


NEEDS: dict[str, Callable[[], str | None]] = {
    "docker": cache(_why_no_docker),
    "browser": cache(_why_no_browser),
}


class Reporting:
    """Owns the list of what was left out of one run."""

    def __init__(self) -> None:
        self.left_out: dict[str, int] = {}

    # Last, so that what -m or -k deselected anyway is not reported as missing.
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            reasons = [
                reason for need, why in NEEDS.items() if item.get_closest_marker(need) and (reason := why())
            ]
            (dropped if reasons else kept).append(item)
            if reasons:
                key = "; ".join(reasons)
                self.left_out[key] = self.left_out.get(key, 0) + 1
        if dropped:
            items[:] = kept
            config.hook.pytest_deselected(items=dropped)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.left_out:
            terminalreporter.section("not run here")
            for reason, count in self.left_out.items():
                terminalreporter.line(f"{count} test{'s' if count > 1 else ''}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Reporting(), "parley-reporting")
