"""What a Redis is set up to keep: read at the start, said in one line, with a warning for each weakness."""

from __future__ import annotations

from dataclasses import dataclass

import hiredis

from app.backplane.link import Link
from app.errors import NotConfirmed
from app.findings import Finding, Grade, bad, good, weak

OLDEST_TESTED = (7, 0)
BUFFER_ADVISED_BYTES = 8 * 1024 * 1024
FULL = 0.85
SETTINGS = (
    "appendonly",
    "appendfsync",
    "save",
    "maxmemory",
    "maxmemory-policy",
    "client-output-buffer-limit",
    "maxclients",
)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the server can promise on this Redis.

    Attributes:
        engine: redis or valkey, with its version.
        guarantee: what becomes of acknowledged events when things fail.
        findings: all that was looked at.
    """

    engine: str
    guarantee: str
    findings: tuple[Finding, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes it weaker than it could be, and what to set."""
        return tuple(f"{one.means}: {one.advice}" for one in self.findings if one.grade is not Grade.GOOD)


async def assess(link: Link) -> Assessment:
    """Read the settings that matter. A Redis that shows none (managed, or by ACL) gets a guarantee that says so."""
    info = _fields(await _ask(link, "INFO"))
    config = {}
    for name in SETTINGS:
        pair = await _ask(link, "CONFIG", "GET", name)
        if isinstance(pair, list) and len(pair) == 2:
            config[name] = pair[1].decode()
    return judge(info, config)


def judge(info: dict[str, str], config: dict[str, str]) -> Assessment:
    """Make up one's mind about what INFO and CONFIG GET say."""
    engine = "valkey" if "valkey_version" in info else "redis"
    version = info.get("valkey_version") or info.get("redis_version", "unknown")
    persistence = _persistence(config)
    findings = [
        _version(f"{engine} {version}", version),
        persistence,
        *_eviction(config),
        *_memory(info, config),
        *_disk(info),
        *_buffer(config),
        *_role(info),
    ]
    return Assessment(f"{engine} {version}", persistence.means, tuple(findings))


def _persistence(config: dict[str, str]) -> Finding:
    topic = "redis persistence"
    if "appendonly" not in config:
        return weak(
            topic,
            "its settings cannot be read",
            "unknown",
            "make sure that it persists (appendonly) and does not evict",
        )
    if config["appendonly"] == "yes":
        sync = config.get("appendfsync", "")
        found = f"append-only file, appendfsync {sync}"
        if sync == "always":
            return good(topic, found, "acknowledged events survive a crash of Redis and of its machine")
        if sync == "everysec":
            means = (
                "acknowledged events survive a crash of Redis; a crash of its machine or a stuck disk may cost seconds"
            )
            return good(topic, found, means)
        means = "acknowledged events survive a crash of Redis; a crash of its machine may cost half a minute"
        return weak(topic, found, means, "set appendfsync everysec, or always")
    if config.get("save"):
        means = "a crash of Redis may cost everything since its last snapshot"
        return bad(topic, f"snapshots only (save {config['save']})", means, "no append-only file: set appendonly yes")
    means = "a restart of Redis costs all history; clients are told so"
    return bad(topic, "none", means, "no persistence at all: set appendonly yes")


def _version(engine: str, version: str) -> Finding:
    topic = "redis version"
    try:
        numbers = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        return weak(topic, engine, "nobody can say whether it suits", "let INFO be read")
    if numbers < OLDEST_TESTED:
        return weak(topic, engine, "it is older than what is tested (7.0)", "upgrade it")
    return good(topic, engine, "tested")


def _eviction(config: dict[str, str]) -> list[Finding]:
    if "maxmemory-policy" not in config:
        return []
    policy = config["maxmemory-policy"]
    if policy == "noeviction":
        return [good("redis eviction", policy, "a full Redis refuses sends and drops nothing")]
    if config.get("maxmemory", "0") == "0":
        return [good("redis eviction", f"{policy}, but no maxmemory", "nothing is evicted")]
    means = f"it may evict rooms when memory is short ({policy})"
    return [bad("redis eviction", policy, means, "set maxmemory-policy noeviction")]


def _memory(info: dict[str, str], config: dict[str, str]) -> list[Finding]:
    if "used_memory" not in info or "maxmemory" not in config:
        return []
    used, most = int(info["used_memory"]), int(config["maxmemory"])
    if most == 0:
        found = f"{_mib(used)} used, no maxmemory"
        return [good("redis memory", found, "when its machine has no more, it is killed and comes back")]
    found = f"{_mib(used)} of {_mib(most)} used"
    if used > most:
        return [
            bad("redis memory", found, "it is full: it refuses every send", "give it more memory, or keep less history")
        ]
    if used > FULL * most:
        return [bad("redis memory", found, "soon it refuses every send", "give it more memory, or keep less history")]
    return [good("redis memory", found, "room for more")]


def _disk(info: dict[str, str]) -> list[Finding]:
    failed = [name for name in ("aof_last_write_status", "rdb_last_bgsave_status") if info.get(name) == "err"]
    if not failed:
        return []
    means = "it cannot write to its disk: sends are refused, or would not survive"
    return [bad("redis disk", ", ".join(failed), means, "make room on its disk; its log has the error")]


def _buffer(config: dict[str, str]) -> list[Finding]:
    words = config.get("client-output-buffer-limit", "").split()
    if "pubsub" not in words:
        return []
    hard = int(words[words.index("pubsub") + 1])
    if hard == 0 or hard >= BUFFER_ADVISED_BYTES:
        found = f"pubsub {_mib(hard)}" if hard else "pubsub unlimited"
        return [good("redis output buffer", found, "a worker that lags has time to catch up")]
    means = f"it cuts a worker that lags by {hard} bytes; nothing is lost, but all its rooms are read anew"
    return [weak("redis output buffer", f"pubsub {hard}", means, "raise client-output-buffer-limit pubsub")]


def _role(info: dict[str, str]) -> list[Finding]:
    if info.get("cluster_enabled") == "1":
        means = "the server speaks to one Redis: rooms on other nodes are refused"
        return [bad("redis role", "a node of a cluster", means, "use one that is no cluster")]
    if info.get("role") == "slave":
        return [bad("redis role", "replica", "it is a replica: sends will be refused", "name the primary")]
    if int(info.get("connected_slaves", "0")) > 0:
        means = "a failover to a replica may cost events that it had not received; clients are told so"
        return [weak("redis role", "primary with replicas", means, "set min-replicas-to-write, or accept it")]
    return [good("redis role", "one primary", "there is nothing to fail over to")] if "role" in info else []


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


async def _ask(link: Link, *command: str) -> object:
    try:
        return await link.call(*command)
    except (hiredis.ReplyError, NotConfirmed):
        return None


def _fields(info: object) -> dict[str, str]:
    if not isinstance(info, bytes):
        return {}
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
