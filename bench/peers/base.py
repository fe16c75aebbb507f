"""What the benchmark needs to know of a server: how it is started and how the load client talks to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
NODE = HERE / "node"
ASGI = HERE / "asgi"


@dataclass(frozen=True)
class Launch:
    """A command, what it needs in its environment, and where it runs."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None


class Peer(ABC):
    """One server program in its documented best set-up.

    ``proto`` is the load client's: ``json`` speaks Parley's protocol, ``raw`` sends plain text frames that
    the whole room receives, ``socketio`` the same in packets of Socket.IO. ``first_rates`` are messages/s at which
    a search starts, by scenario; any number works, a good one saves time.
    """

    name: str
    label: str
    setup: str
    guarantees = "none"
    proto = "raw"
    path = "/feed/{room}"
    ready_path = "/livez"
    brings_engine = False
    first_rates: dict[str, float] = {}  # noqa: RUF012 - read only

    def prepare(self) -> str:
        """Install what it needs; how to call it in a report, with versions. Raises CannotInstall."""
        return "as above"

    @abstractmethod
    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        """How to start it on a loopback port; ``home`` is an empty directory it may write to."""


def environment(port: int, engine_url: str | None, workers: int) -> dict[str, str]:
    """What the servers of this folder are told. Each worker adds one to ``peer:ready`` when it listens;
    ``/livez`` is 200 when all did, so that no worker starts with the connections of another."""
    return {"PEER_PORT": str(port), "PEER_WORKERS": str(workers), "PEER_REDIS_URL": engine_url or ""}
