"""One connection to Redis: addresses, logging in, replies in order, and everybody answered when it ends."""

from __future__ import annotations

import asyncio
import ssl

import hiredis
import pytest

from app.backplane.link import Address, Link, pack
from app.errors import NotConfirmed, SettingError, Unavailable
from tests.fakes.loop import Clock, Loop
from tests.fakes.redis import OK, Command, played
from tests.fakes.transport import Transport
from tests.support import free_port, until_async


def polite(command: Command) -> bytes:
    """A Redis that lets everybody in and repeats what it is asked to ECHO."""
    if command[0] == b"ECHO":
        return b"$%d\r\n%s\r\n" % (len(command[1]), command[1])
    return OK


async def linked(port: int, seconds: float = 5.0, **address: object) -> tuple[Link, list[bool]]:
    """A link, and a list that gets an entry each time its loss is told."""
    lost: list[bool] = []
    link = await Link.connect(Address(port=port, **address), "tester", seconds, lambda: lost.append(True))  # type: ignore
    return link, lost


# Addresses


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address()),
        ("redis://example.test", Address("example.test")),
        ("redis://example.test:6380/3", Address("example.test", 6380, db=3)),
        ("redis://:p%40ss%2Fword@h", Address("h", password="p@ss/word")),
        ("redis://ada:pw@h:1/2", Address("h", 1, username="ada", password="pw", db=2)),
        ("redis://[::1]:6380/1", Address("::1", 6380, db=1)),
        ("redis://h?db=4", Address("h", db=4)),
        ("unix:///run/redis.sock?db=2", Address(path="/run/redis.sock", db=2)),
    ],
)
def test_urls_of_redis_are_read(url: str, address: Address) -> None:
    """Host, port, user, password, database, socket; what is left out has its default."""
    assert Address.parse(url) == address


def test_a_url_with_tls_checks_the_certificate_unless_told_otherwise() -> None:
    """rediss:// verifies by default."""
    strict = Address.parse("rediss://h").tls
    assert strict is not None
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    loose = Address.parse("rediss://h?ssl_cert_reqs=none").tls
    assert loose is not None
    assert (loose.verify_mode, loose.check_hostname) == (ssl.CERT_NONE, False)
    assert Address.parse("redis://h").tls is None


@pytest.mark.parametrize(
    "url",
    ["", "h:6379", "http://h", "redis://h:port", "redis://h:99999", "redis://h/first", "rediss://h?ssl_ca_certs=/no"],
)
def test_what_is_no_url_of_redis_is_a_wrong_setting(url: str) -> None:
    """One line that says what one looks like."""
    with pytest.raises(SettingError, match="not a Redis URL like redis://host:6379/0") as wrong:
        Address.parse(url)
    assert "\n" not in str(wrong.value)


def test_an_address_does_not_show_its_password() -> None:
    """Neither in logs nor in tracebacks."""
    address = Address.parse("redis://ada:hunter2@h:1/2")
    assert "hunter2" not in repr(address) + str(address)
    assert str(address) == "h:1/2"


# Logging in


@pytest.mark.parametrize(
    ("address", "commands"),
    [
        ({}, [[b"CLIENT", b"SETNAME", b"tester"]]),
        ({"password": "pw"}, [[b"AUTH", b"pw"], [b"CLIENT", b"SETNAME", b"tester"]]),
        (
            {"username": "ada", "password": "pw", "db": 3},
            [[b"AUTH", b"ada", b"pw"], [b"SELECT", b"3"], [b"CLIENT", b"SETNAME", b"tester"]],
        ),
    ],
)
async def test_a_link_logs_in_and_says_its_name(address: dict[str, object], commands: list[Command]) -> None:
    """User and password, database, name: as far as they are given."""
    async with played(polite) as redis:
        link, lost = await linked(redis.port, **address)
        assert redis.commands == commands
        assert (link.up, lost) == (True, [])
        link.drop()


@pytest.mark.parametrize(
    "refusal",
    ["WRONGPASS invalid username-password pair", "NOAUTH Authentication required.", "ERR DB index is out of range"],
)
async def test_a_refused_login_is_a_wrong_setting(refusal: str) -> None:
    """It will not help to try again; the message is what Redis says."""
    async with played(lambda command: b"-%s\r\n" % refusal.encode()) as redis:
        with pytest.raises(SettingError, match=refusal.split()[0]):
            await linked(redis.port, password="pw", db=99)


@pytest.mark.parametrize(
    "answer",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MASTERDOWN Link down\r\n",
        b"-ERR max number of clients reached\r\n",
        None,
    ],
)
async def test_a_redis_that_is_not_ready_is_unavailable(answer: bytes | None) -> None:
    """It may help to try again."""
    async with played(lambda command: answer) as redis:
        with pytest.raises(Unavailable, match=f"127.0.0.1:{redis.port}"):
            await linked(redis.port)


async def test_a_redis_that_says_nothing_is_unavailable() -> None:
    """When its time is over, not before and not never."""
    async with played(lambda command: b"") as redis:
        with pytest.raises(Unavailable, match="no answer"):
            await linked(redis.port, 0.05)


async def test_a_link_that_never_came_up_is_not_lost() -> None:
    """The owner hears of the failure from `connect`, once."""
    lost: list[bool] = []
    for answer in (b"-ERR no\r\n", None):
        async with played(lambda command, answer=answer: answer) as redis:
            with pytest.raises((SettingError, Unavailable)):
                await Link.connect(Address(port=redis.port), "tester", 5.0, lambda: lost.append(True))
    assert lost == []


async def test_nobody_there_is_unavailable() -> None:
    """Connection refused, a name that does not resolve, a socket that is not there."""
    for address in (Address(port=free_port()), Address("no.such.host.invalid"), Address(path="/no/such/socket")):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await Link.connect(address, "tester", 5.0, lambda: None)


# Commands and replies


async def test_replies_come_in_the_order_of_the_commands() -> None:
    """However many are on their way; all of one turn leave in one write."""
    async with played(polite) as redis:
        link, _ = await linked(redis.port)
        words = [f"w{number}" * number for number in range(300)]
        assert await asyncio.gather(*(link.call("ECHO", word) for word in words)) == [w.encode() for w in words]
        link.drop()


async def test_an_error_reply_is_its_callers_alone() -> None:
    """Those before and behind it get their own."""
    async with played(lambda command: b"-ERR no\r\n" if command == [b"ECHO", b"bad"] else polite(command)) as redis:
        link, _ = await linked(redis.port)
        answers = await asyncio.gather(*(link.call("ECHO", w) for w in ("a", "bad", "b")), return_exceptions=True)
        assert (answers[0], answers[2]) == (b"a", b"b")
        assert isinstance(answers[1], hiredis.ReplyError)
        link.drop()


@pytest.mark.parametrize("ending", ["by Redis", "by us", "by nonsense"])
async def test_all_who_wait_are_answered_once_when_the_link_ends(ending: str) -> None:
    """With NotConfirmed: what they asked may or may not have been done. The owner is told once, and nobody else."""
    noise: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
    async with played(lambda command: b"" if command[0] == b"GET" else OK) as redis:
        link, lost = await linked(redis.port)
        answers: list[object] = []
        for _ in range(5):
            link.post(pack((b"GET", b"x")), answers.append)
        await until_async(lambda: len(redis.commands) == 6, "the commands have arrived")
        if ending == "by Redis":
            redis.hang_up()
        elif ending == "by us":
            link.drop()
        else:
            redis.say(b"HTTP/1.1 400 Bad Request\r\n")
        await until_async(lambda: lost, "the owner is told")
        link.drop()
        assert [type(answer) for answer in answers] == [NotConfirmed] * 5
        assert (lost, link.up) == ([True], False)
        assert noise == []


async def test_a_call_on_a_lost_link_is_not_confirmed() -> None:
    """A single awaited command, too."""
    async with played(lambda command: None if command[0] == b"GET" else OK) as redis:
        link, _ = await linked(redis.port)
        with pytest.raises(NotConfirmed):
            await link.call("GET", "x")


class _TimedLoop(Loop):
    """A loop whose time a test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Clock()


def test_any_answer_is_a_sign_of_life() -> None:
    """A link that owes several answers is overdue when nothing at all has come for so long."""
    loop = _TimedLoop()
    link = Link(loop, lambda: None)  # type: ignore[arg-type]
    link.connection_made(Transport(loop))
    for _ in range(2):
        link.post(pack(("PING",)), lambda reply: None)
    loop.time.pass_(1.9)
    assert not link.overdue(2.0)
    link.data_received(b"+PONG\r\n")
    loop.time.pass_(1.9)
    assert not link.overdue(2.0)
    loop.time.pass_(0.2)
    assert link.overdue(2.0)
    link.data_received(b"+PONG\r\n")
    loop.time.pass_(100)
    assert not link.overdue(2.0)


async def test_silence_is_counted_from_the_question() -> None:
    """Overdue is a link that owes an answer and says nothing at all, not one that has nothing to say."""
    async with played(lambda command: b"" if command[0] == b"GET" else OK) as redis:
        link, _ = await linked(redis.port)
        await asyncio.sleep(0)
        assert not link.overdue(0)
        link.post(pack((b"GET", b"x")), lambda reply: None)
        await until_async(lambda: link.overdue(0), "it owes an answer")
        assert not link.overdue(60)
        redis.say(b"$-1\r\n")
        await until_async(lambda: not link.overdue(0), "it has answered")
        link.drop()
