"""The servers' user on real engines: all contracts are kept by it (every test here logs in so), and it can do no more.

What it may do, other tests show; this one shows what whoever steals its password may not.
"""

from __future__ import annotations

import pytest
import redis

from app.backplane import keys, permissions
from tests.contract.engines import witness
from tests.support import PASSWORD

THIEF = "thief"
"""Has the same rules. What is refused to the servers' own user is a finding; see `refused`."""

FORBIDDEN = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("RANDOMKEY",),
    ("DBSIZE",),
    ("CONFIG", "SET", "maxmemory", "0"),
    ("CONFIG", "REWRITE"),
    ("SCRIPT", "FLUSH"),
    ("SCRIPT", "KILL"),
    ("FUNCTION", "LIST"),
    ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("CLIENT", "PAUSE", "1"),
    ("ACL", "SETUSER", "mallory", "on", "nopass", "+@all"),
    ("ACL", "LIST"),
    ("MONITOR",),
    ("DEBUG", "SLEEP", "0"),
    ("SHUTDOWN", "NOSAVE"),
    ("REPLICAOF", "127.0.0.1", "1"),
    ("SAVE",),
    ("BGREWRITEAOF",),
    ("MODULE", "LIST"),
    ("MIGRATE", "127.0.0.1", "1", keys.ROOMS, "0", "1"),
    ("DUMP", keys.ROOMS),
    ("RENAME", keys.ROOMS, keys.LEASES),
    ("PSUBSCRIBE", "*"),
    ("PUBSUB", "CHANNELS"),
]
OTHERS = [
    ("GET", "other:key"),
    ("SET", "other:key", "x"),
    ("SET", "parley", "x"),
    ("DEL", "other:key"),
    ("LRANGE", "xparley:{lobby}:log", "0", "-1"),
    ("ZADD", "rooms", "1", "x"),
    ("EVAL", "return redis.call('GET', KEYS[1])", "1", "other:key"),
    ("EVAL", "return redis.call('FLUSHALL')", "0"),
    ("EVAL", "return redis.call('PUBLISH', 'other', 'x')", "0"),
    ("PUBLISH", "other", "x"),
    ("SUBSCRIBE", "other"),
    ("SUBSCRIBE", "parley"),
]


@pytest.mark.parametrize("command", [*FORBIDDEN, *OTHERS], ids=" ".join)
def test_what_servers_do_not_need_is_refused(url: str, command: tuple[str, ...]) -> None:
    """Dangerous commands; keys and channels of others, in scripts too; nothing has changed afterwards."""
    with witness(url) as almighty:
        almighty.set("other:key", "theirs")
        almighty.execute_command("ACL", "SETUSER", *permissions.user(PASSWORD, THIEF).split()[1:])
        limited = redis.Redis.from_url(url.replace(f"{permissions.USER}:", f"{THIEF}:"))
        try:
            with pytest.raises(redis.ResponseError, match=r"(?i)permission|can't run this command|not allowed"):
                limited.execute_command(*command)
        finally:
            limited.close()
        assert almighty.get("other:key") == b"theirs"
        almighty.delete("other:key")


def test_nobody_comes_in_with_another_password(url: str) -> None:
    """The user has exactly one."""
    stranger = redis.Redis.from_url(url.replace(PASSWORD, "guessed"))
    with pytest.raises(redis.AuthenticationError):
        stranger.ping()
    stranger.close()
