"""What a Redis is set up to keep: read at the start, said in one line, with a warning for each weakness."""

from __future__ import annotations

from dataclasses import dataclass

import hiredis

from app.backplane.link import Link
from app.errors import NotConfirmed

OLDEST_TESTED = (7, 0)
BUFFER_ADVISED_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the server can promise on this Redis.

    Attributes:
        engine: redis or valkey, with its version.
        guarantee: what becomes of acknowledged events when things fail.
        warnings: what makes it weaker than it could be, and what to set.
    """

    engine: str
    guarantee: str
    warnings: tuple[str, ...]


async def assess(link: Link) -> Assessment:
    """Read the settings that matter. A Redis that shows none (managed, or by ACL) gets a guarantee that says so."""
    info = _fields(await _ask(link, "INFO"))
    config = {}
    for name in ("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy", "client-output-buffer-limit"):
        pair = await _ask(link, "CONFIG", "GET", name)
        if isinstance(pair, list) and len(pair) == 2:
            config[name] = pair[1].decode()
    engine = "valkey" if "valkey_version" in info else "redis"
    version = info.get("valkey_version") or info.get("redis_version", "unknown")
    warnings = [*_version(engine, version), *_eviction(config), *_buffer(config), *_replicas(info)]
    if "appendonly" not in config:
        warnings.append("its settings cannot be read: make sure that it persists and does not evict")
    return Assessment(f"{engine} {version}", _guarantee(config, warnings), tuple(warnings))


def _guarantee(config: dict[str, str], warnings: list[str]) -> str:
    if "appendonly" not in config:
        return "unknown"
    if config["appendonly"] == "yes":
        if config.get("appendfsync") == "always":
            return "acknowledged events survive a crash of Redis and of its machine"
        if config.get("appendfsync") == "everysec":
            return (
                "acknowledged events survive a crash of Redis; a crash of its machine or a stuck disk may cost seconds"
            )
        return "acknowledged events survive a crash of Redis; a crash of its machine may cost half a minute"
    if config.get("save"):
        warnings.append("no append-only file: set appendonly yes")
        return "a crash of Redis may cost everything since its last snapshot"
    warnings.append("no persistence at all: set appendonly yes")
    return "a restart of Redis costs all history; clients are told so"


def _version(engine: str, version: str) -> list[str]:
    try:
        numbers = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        return []
    return [f"{engine} {version} is older than what is tested (7.0)"] if numbers < OLDEST_TESTED else []


def _eviction(config: dict[str, str]) -> list[str]:
    policy = config.get("maxmemory-policy", "noeviction")
    if policy == "noeviction" or config.get("maxmemory", "0") == "0":
        return []
    return [f"it may evict rooms when memory is short ({policy}): set maxmemory-policy noeviction"]


def _buffer(config: dict[str, str]) -> list[str]:
    words = config.get("client-output-buffer-limit", "").split()
    if "pubsub" not in words:
        return []
    hard = int(words[words.index("pubsub") + 1])
    if hard == 0 or hard >= BUFFER_ADVISED_BYTES:
        return []
    return [f"it cuts a worker that lags by {hard} bytes: raise client-output-buffer-limit pubsub"]


def _replicas(info: dict[str, str]) -> list[str]:
    if info.get("role") == "slave":
        return ["it is a replica: sends will be refused"]
    if int(info.get("connected_slaves", "0")) > 0:
        return ["a failover to a replica may cost events that it had not received; clients are told so"]
    return []


async def _ask(link: Link, *command: str) -> object:
    try:
        return await link.call(*command)
    except (hiredis.ReplyError, NotConfirmed):
        return None


def _fields(info: object) -> dict[str, str]:
    if not isinstance(info, bytes):
        return {}
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
