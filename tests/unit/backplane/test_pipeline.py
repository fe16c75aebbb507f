"""The connection for commands: kept up, loaded with the scripts, given up when Redis falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import hiredis
import pytest

from app.backplane import pipeline as module
from app.backplane.link import Address
from app.backplane.pipeline import BACKOFF_CAP_SECONDS, Pipeline, backoff
from app.errors import NotConfirmed, Unavailable
from tests.fakes.redis import OK, Command, played
from tests.fakes.sent import running
from tests.support import free_port, until_async

SHA = b"$40\r\n" + b"a" * 40 + b"\r\n"


def redis_with(**answers: bytes | Callable[[Command], bytes | None]) -> Callable[[Command], bytes | None]:
    """A Redis that loads scripts, and answers some commands in its own way."""

    def answer(command: Command) -> bytes | None:
        verb = command[0].decode()
        if verb in answers:
            given = answers[verb]
            return given if isinstance(given, bytes) else given(command)
        return SHA if verb == "SCRIPT" else OK

    return answer


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_BASE_SECONDS", 0.001)
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)


async def test_it_loads_the_scripts_before_it_is_up() -> None:
    """Whoever finds it up can call them."""
    async with played(redis_with()) as redis:
        pipeline = Pipeline(Address(port=redis.port), "tester", 5.0)
        assert not pipeline.up
        async with running(pipeline.run()):
            await until_async(lambda: pipeline.up, "it is up")
            loaded = [command[2].decode() for command in redis.commands if command[0] == b"SCRIPT"]
            assert loaded == [pipeline.publish.source, pipeline.amend.source, pipeline.read.source]
            assert pipeline.publish.sha == "a" * 40


async def test_without_a_connection_everything_is_refused_at_once() -> None:
    """Nothing waits for Redis to come."""
    pipeline = Pipeline(Address(port=free_port()), "tester", 5.0)
    async with running(pipeline.run()):
        with pytest.raises(Unavailable):
            pipeline.post(("PING",), lambda reply: None)
        with pytest.raises(Unavailable):
            await pipeline.call("PING")


async def test_it_connects_again_for_as_long_as_it_takes() -> None:
    """After each loss, and after tries that fail in every way."""
    troubles = iter([b"-LOADING\r\n", None, b"-WRONGPASS no\r\n", OK])
    async with played(redis_with(CLIENT=lambda command: next(troubles, OK))) as redis:
        pipeline = Pipeline(Address(port=redis.port), "tester", 5.0)
        async with running(pipeline.run()):
            for expected in range(3):
                await until_async(lambda: pipeline.up, "it is up")
                assert pipeline.reconnects == expected
                redis.hang_up()
                await until_async(lambda n=expected: pipeline.reconnects > n, "the loss is noticed")


async def test_a_silent_redis_is_given_up() -> None:
    """Whoever waits gets NotConfirmed within the deadline and a step of the watch; then it connects anew."""
    async with played(redis_with(GET=b"")) as redis:
        pipeline = Pipeline(Address(port=redis.port), "tester", 0.5)
        async with running(pipeline.run()):
            await until_async(lambda: pipeline.up, "it is up")
            with pytest.raises(NotConfirmed):
                await pipeline.call("GET", "x")
            await until_async(lambda: redis.connections >= 2 and pipeline.up, "it is up again")


@pytest.mark.parametrize("refusal", [b"-READONLY You can't write against a read only replica.", b"-MASTERDOWN Link is"])
async def test_a_redis_that_is_a_replica_now_is_left(refusal: bytes) -> None:
    """Its address may lead to the new primary, for other connections too; everybody who waits is answered first."""
    async with played(redis_with(SET=refusal + b"\r\n", GET=b"+here\r\n")) as redis:
        pipeline = Pipeline(Address(port=redis.port), "tester", 5.0)
        moved = asyncio.Event()
        pipeline.on_moved = moved.set
        async with running(pipeline.run()):
            await until_async(lambda: pipeline.up, "it is up")
            replies: list[object] = []
            pipeline.post(("SET", "k", "v"), replies.append)
            pipeline.post(("GET", "k"), replies.append)
            async with asyncio.timeout(5):
                await moved.wait()
            assert isinstance(replies[0], hiredis.ReplyError)
            assert len(replies) == 2
            await until_async(lambda: pipeline.up and redis.connections == 2, "it has connected anew")


async def test_a_forgotten_script_is_sent_with_its_source() -> None:
    """The same call, once more, as EVAL; other errors are the caller's."""
    async with played(redis_with(EVALSHA=b"-NOSCRIPT No matching script.\r\n", EVAL=b":7\r\n")) as redis:
        pipeline = Pipeline(Address(port=redis.port), "tester", 5.0)
        async with running(pipeline.run()):
            await until_async(lambda: pipeline.up, "it is up")
            assert await pipeline.run_script(pipeline.read, 1, "key", "argument") == 7
            by_hash, by_source = redis.commands[-2:]
            assert by_hash == [b"EVALSHA", b"a" * 40, b"1", b"key", b"argument"]
            assert by_source == [b"EVAL", pipeline.read.source.encode(), *by_hash[2:]]
            redis.answer = redis_with(EVALSHA=b"-OOM command not allowed\r\n")
            with pytest.raises(hiredis.ReplyError, match="OOM"):
                await pipeline.run_script(pipeline.read, 0)


def test_tries_are_jittered_and_capped() -> None:
    """Never all workers at once, never longer apart than the cap."""
    for tries in (1, 5, 50, 5000):
        waits = [backoff(tries) for _ in range(200)]
        assert max(waits) <= BACKOFF_CAP_SECONDS
        assert len(set(waits)) > 100


async def test_a_cancelled_pipeline_ends_and_answers_those_who_wait() -> None:
    """The worker stops: nobody waits for ever."""
    async with played(redis_with(GET=b"")) as redis:
        pipeline = Pipeline(Address(port=redis.port), "tester", 5.0)
        answers: list[object] = []
        async with running(pipeline.run()):
            await until_async(lambda: pipeline.up, "it is up")
            pipeline.post(("GET", "x"), answers.append)
            await asyncio.sleep(0)
        assert [type(answer) for answer in answers] == [NotConfirmed]
        assert not pipeline.up


@pytest.mark.parametrize("trouble", [None, b"", b"-ERR no\r\n"], ids=["ended", "silent", "refused"])
async def test_trouble_while_scripts_are_loaded_is_tried_again(trouble: bytes | None) -> None:
    """The connection is given up and closed, so that its end at last does not take the next one down."""
    troubles = iter([trouble, trouble])
    async with played(redis_with(SCRIPT=lambda command: next(troubles, SHA))) as redis:
        pipeline = Pipeline(Address(port=redis.port), "tester", 0.5)
        async with running(pipeline.run()):
            await until_async(lambda: pipeline.up, "it is up")
            await until_async(lambda: redis.open == 1, "the others are closed")
            assert (redis.connections, pipeline.reconnects) == (3, 0)
