"""Pytest plugin: how tests are shared out among processes (`-n`); without `-n` it does nothing.

Every process has servers, stores, a browser and containers of its own. What takes long comes first, so that the many
short tests fill the gaps at the end. A file stays in one process, in order, except where each of its tests starts what
it needs itself. Loaded by `-p tests.parallel` in pyproject.toml.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Most tests wait, for servers, leases and drains, far more than they compute.
PROCESSES_PER_CORE = 2
# These files share one stack of containers.
COMPOSE = "tests/integration/test_compose"
LONGEST_FIRST = (
    COMPOSE,
    "tests/attacks/",
    "tests/integration/test_loadtest.py",
    "tests/browser/",
    "tests/integration/",
    "tests/contract/",
    "tests/unit/",
)
# Each test of these starts its own servers, for seconds.
EACH_BY_ITSELF = tuple(
    f"tests/integration/test_{name}.py"
    for name in ("loadtest", "operations", "pipes", "presence", "redis_faults", "slow", "start", "verify")
)


class Schedule(LoadScopeScheduling):
    """Hands out whole files, or single tests where they share nothing, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if file.startswith(COMPOSE):
            return COMPOSE
        return nodeid if file in EACH_BY_ITSELF else file


def place(item: pytest.Item) -> int:
    """Where in LONGEST_FIRST a test belongs."""
    return next((at for at, path in enumerate(LONGEST_FIRST) if item.nodeid.startswith(path)), len(LONGEST_FIRST))


@pytest.hookimpl(tryfirst=True)  # xdist itself would say one a core
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes `-n auto` means."""
    return PROCESSES_PER_CORE * (os.cpu_count() or 1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    config.option.loadscopereorder = False
    return Schedule(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=place)
