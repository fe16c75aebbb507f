"""Settings that contradict each other or the machine, and the machine's own limits."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Collection
from pathlib import Path

from app.config import Settings, cores
from app.findings import Finding, bad, good, weak
from app.order import BACKLOG

FEW_FILES, MANY_FILES = 1024, 8192
PROXY_SILENCE_SECONDS = 55
STOP_SECONDS = 25
DISK_SHORT_BYTES, DISK_EMPTY_BYTES = 2 * 2**30, 200 * 2**20


def settings(given: Settings, links: Collection[str]) -> list[Finding]:
    """Whether the settings suit each other. `links` are variables that name a service and are no settings."""
    found = []
    if given.ping_seconds > PROXY_SILENCE_SECONDS:
        found.append(
            weak(
                "heartbeat",
                f"every {given.ping_seconds} s",
                "many proxies and routers forget a connection after 60 s of silence: people reconnect all the time",
                f"set PARLEY_PING_SECONDS to {PROXY_SILENCE_SECONDS} or less",
            )
        )
    if given.drain_seconds < 1:
        found.append(
            weak(
                "drain",
                f"{given.drain_seconds:g} s",
                "at a stop all members come back to the other replicas at the same moment",
                "set PARLEY_DRAIN_SECONDS to some seconds",
            )
        )
    elif given.drain_seconds > STOP_SECONDS:
        found.append(
            weak(
                "drain",
                f"{given.drain_seconds:g} s",
                "what stops it may kill it before (docker stop after 10 s, Kubernetes after 30 s)",
                "give it longer than the drain: stop_grace_period, terminationGracePeriodSeconds",
            )
        )
    if given.resume_events > given.history_events:
        found.append(
            weak(
                "history",
                f"{given.history_events} events kept, {given.resume_events} given to who resumes",
                "who missed more than is kept gets the latest page, not what he missed",
                "raise PARLEY_HISTORY_EVENTS",
            )
        )
    if not found:
        found.append(good("settings", "they suit each other", "nothing to say"))
    if links:
        found.append(good("variables", f"{len(links)} name a service", "they are no settings and are left out"))
    return found


def machine(given: Settings) -> list[Finding]:
    """Whether this machine can carry what the settings promise. It is that of the server only if run there."""
    return [_workers(given), _files(), *_backlog(), *(_disk(given) if given.embedded else ())]


def _workers(given: Settings) -> Finding:
    have, want = cores(), given.worker_count
    found = f"{want} on {have} cores"
    if want > 2 * have:
        means = "they take turns: everybody waits longer, and nobody is served more"
        return weak("workers", found, means, "set PARLEY_WORKERS to the number of cores, less one for Redis on it")
    return good("workers", found, "one that dies leaves the others" if want > 1 else "one that dies ends all it has")


def _files() -> Finding:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return good("open files", "no limit", "connections are not limited by it")
    found, means = f"at most {hard}", f"a worker has room for about {max(hard - 100, 0)} connections"
    if hard < FEW_FILES:
        return bad("open files", found, means, "raise the hard limit of nofile (ulimit -Hn, LimitNOFILE, ulimits)")
    if hard < MANY_FILES:
        return weak("open files", found, means, "raise the hard limit of nofile (ulimit -Hn, LimitNOFILE, ulimits)")
    return good("open files", found, means)


def _backlog() -> list[Finding]:
    try:
        most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        return []
    if most >= BACKLOG:
        return [good("listen queue", str(most), "many can come back at once")]
    means = "when everybody comes back at once, some wait for a second or more to be let in"
    return [weak("listen queue", str(most), means, f"sysctl net.core.somaxconn={BACKLOG}")]


def _disk(given: Settings) -> list[Finding]:
    path = given.data_place
    here = next(parent for parent in (path, *path.parents) if parent.exists())
    if not os.access(here, os.W_OK):
        return [bad("data directory", str(path), "the server does not start", f"let it write to {here}")]
    free = shutil.disk_usage(here).free
    found = f"{path}: {free / 2**30:.1f} GiB free"
    if free < DISK_EMPTY_BYTES:
        return [bad("data directory", found, "soon every send is refused", "make room")]
    if free < DISK_SHORT_BYTES:
        return [weak("data directory", found, "rewriting its log needs as much again", "make room")]
    return [good("data directory", found, "room for history")]
