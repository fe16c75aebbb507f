"""What a Redis is set up to keep, in one line, and what to do about it."""

from __future__ import annotations

from app.backplane.assess import Assessment, assess
from app.backplane.link import Address, Link
from app.findings import Grade
from tests.fakes.redis import OK, Command, played

INFO = "redis_version:8.0.1\r\nrole:master\r\nconnected_slaves:0\r\nused_memory:1000\r\n"
GOOD = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    "maxclients": "10000",
}


async def found(info: str = INFO, **config: str) -> Assessment:
    """What is made of a Redis with these settings; a setting of None cannot be read."""
    settings = {**GOOD, **{name.replace("_", "-"): value for name, value in config.items()}}

    def answer(command: Command) -> bytes:
        if command[0] == b"INFO":
            return b"$%d\r\n%s\r\n" % (len(info), info.encode()) if info else b"-NOPERM\r\n"
        if command[:2] == [b"CONFIG", b"GET"]:
            value = settings[command[2].decode()]
            if value == "hidden":
                return b"-NOPERM this user has no permissions\r\n"
            return b"*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(command[2]), command[2], len(value), value.encode())
        return OK

    async with played(answer) as redis:
        link = await Link.connect(Address(port=redis.port), "tester", 5.0, lambda: None)
        try:
            return await assess(link)
        finally:
            link.drop()


async def test_a_well_set_up_redis_needs_no_advice() -> None:
    """It is named with its version, and its guarantee is said."""
    assessment = await found()
    assert assessment.engine == "redis 8.0.1"
    assert assessment.guarantee == (
        "acknowledged events survive a crash of Redis; a crash of its machine or a stuck disk may cost seconds"
    )
    assert assessment.warnings == ()
    assert {one.topic for one in assessment.findings} == {
        f"redis {what}" for what in ("version", "persistence", "eviction", "memory", "output buffer", "role")
    }
    assert {(one.grade, one.advice) for one in assessment.findings} == {(Grade.GOOD, "")}


async def test_the_guarantee_is_that_of_the_persistence() -> None:
    """Stronger with every write synced, weaker with snapshots or nothing; the weak ones come with advice."""
    assert "survive a crash of Redis and of its machine" in (await found(appendfsync="always")).guarantee
    assert "half a minute" in (await found(appendfsync="no")).guarantee
    snapshots = await found(appendonly="no", save="3600 1 300 100")
    assert "last snapshot" in snapshots.guarantee
    nothing = await found(appendonly="no")
    assert "costs all history" in nothing.guarantee
    for weak in (snapshots, nothing):
        assert any("appendonly yes" in warning for warning in weak.warnings)


async def test_what_makes_it_weaker_is_named_with_what_to_set() -> None:
    """Eviction, a small output buffer, an old version, being a replica or having one."""
    cases = {
        "maxmemory-policy noeviction": await found(maxmemory="104857600", maxmemory_policy="allkeys-lru"),
        "client-output-buffer-limit": await found(client_output_buffer_limit="pubsub 1000000 100 60"),
        "older than what is tested": await found(INFO.replace("8.0.1", "6.2.14")),
        "replica: sends will be refused": await found(INFO.replace("master", "slave")),
        "failover": await found(INFO.replace("connected_slaves:0", "connected_slaves:2")),
        "no cluster": await found(INFO + "cluster_enabled:1\r\n"),
        "soon it refuses every send: give it more memory": await found(maxmemory="1100"),
        "full: it refuses every send: give it more memory": await found(maxmemory="600"),
        "make room on its disk": await found(INFO + "aof_last_write_status:err\r\n"),
    }
    for words, assessment in cases.items():
        (warning,) = assessment.warnings
        assert words in warning


async def test_an_eviction_policy_without_a_limit_evicts_nothing() -> None:
    """No false alarm."""
    assert (await found(maxmemory_policy="allkeys-lru")).warnings == ()
    assert (await found(maxmemory="104857600")).warnings == ()
    assert (await found(client_output_buffer_limit="pubsub 0 0 0")).warnings == ()


async def test_valkey_is_called_by_its_name() -> None:
    """It calls itself redis 7.2 for compatibility."""
    assert (await found(INFO.replace("8.0.1", "7.2.4") + "valkey_version:9.1.0\r\n")).engine == "valkey 9.1.0"


async def test_a_redis_that_shows_nothing_is_said_to_be_unknown() -> None:
    """Managed ones hide their settings: no promise is made up, and no start refused."""
    hidden = dict.fromkeys((name.replace("-", "_") for name in GOOD), "hidden")
    assessment = await found("", **hidden)
    assert assessment.guarantee == "unknown"
    assert ["appendonly" in warning for warning in assessment.warnings] == [False, True]
