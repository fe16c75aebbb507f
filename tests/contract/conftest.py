"""The engines as fixtures: `stage` for tests that do no harm, `engine` for those that kill, freeze and misconfigure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.contract.engines import ContainerRedis, EmbeddedValkey, Engine, refused, witness
from tests.contract.stage import MemoryStage, RedisStage, Stage
from tests.support import Valkey

REDIS = pytest.param("redis", marks=pytest.mark.docker)
SECONDS = 5.0
IMPATIENT_SECONDS = 0.5


@pytest.fixture(scope="session")
def redis_container() -> Iterator[ContainerRedis]:
    """One Redis in a container for the whole run."""
    container = ContainerRedis()
    yield container
    try:
        assert refused(container.url) == []
    finally:
        container.stop()


@pytest.fixture(params=["valkey", REDIS])
def url(request: pytest.FixtureRequest) -> str:
    """A real engine that is shared and not to be harmed."""
    if request.param == "redis":
        return request.getfixturevalue("redis_container").url
    return request.getfixturevalue("valkey").url


@pytest.fixture
async def real(url: str) -> AsyncIterator[RedisStage]:
    """Brokers on a real engine."""
    async with AsyncExitStack() as stack:
        yield RedisStage(url, stack, SECONDS)


@pytest.fixture(params=["memory", "valkey", REDIS])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Brokers on any engine, the fake of the unit tests included."""
    if request.param == "memory":
        yield MemoryStage()
        return
    name = "redis_container" if request.param == "redis" else "valkey"
    async with AsyncExitStack() as stack:
        yield RedisStage(request.getfixturevalue(name).url, stack, SECONDS)


@pytest.fixture(params=["valkey", REDIS])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A real engine to do harm to. What is left of it is put right afterwards."""
    if request.param == "valkey":
        valkey: Valkey = request.getfixturevalue("own_valkey")
        yield EmbeddedValkey(valkey)
        return
    container: ContainerRedis = request.getfixturevalue("redis_container")
    yield container
    container.thaw()
    with witness(container.url) as client:
        client.execute_command("REPLICAOF", "NO", "ONE")
        client.config_set("maxmemory", 0)
        client.config_set("appendfsync", "everysec")


@pytest.fixture
async def impatient(engine: Engine) -> AsyncIterator[RedisStage]:
    """Brokers on an engine that is going to fail; they give up waiting soon."""
    async with AsyncExitStack() as stack:
        yield RedisStage(engine.url, stack, IMPATIENT_SECONDS)
