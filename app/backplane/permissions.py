"""What a server needs of Redis and nothing beyond: the rules of a user of its own there (Redis' ACL).

Scripts run with the rights of who calls them, so what they call is among the commands. A test holds these against the
scripts and this package; the contract's and all servers of the tests log in as such a user.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from app.backplane import keys

USER = "parley"

COMMANDS = (
    # The connection, and what is asked about Redis itself: its state, and the settings that a guarantee rests on.
    *("client|setname", "select", "ping", "time", "info", "config|get"),
    # Pub/sub and scripts.
    *("publish", "subscribe", "unsubscribe", "script|load", "evalsha", "eval"),
    # Data.
    *("append", "del", "expire", "get", "set", "ttl"),
    *("hdel", "hexists", "hget", "hgetall", "hincrby", "hkeys", "hlen", "hmget", "hset", "hvals"),
    *("lindex", "linsert", "llen", "lrange", "lset", "ltrim", "rpush"),
    *("xadd", "xrevrange", "xtrim"),
    *("zadd", "zcard", "zrangebyscore", "zrem", "zremrangebyrank", "zremrangebyscore", "zrevrange", "zscore"),
)
"""What is called; AUTH needs no permission."""

FORMER: tuple[str, ...] = ()
"""What the version before calls and this one does not: while one takes the place of the other, both run."""


def rules() -> list[str]:
    """The rules of Redis' ACL: our keys, our channels, these commands."""
    return [f"~{keys.PREFIX}*", f"&{keys.PREFIX}*", "-@all", *(f"+{command}" for command in COMMANDS + FORMER)]


def user(password: str, name: str = USER, allowed: Sequence[str] = ()) -> str:
    """A line of Redis' ACL file, also the words after ACL SETUSER: who may do what servers need, or what is `allowed`.

    The password is not in it.
    """
    digest = sha256(password.encode()).hexdigest()
    return " ".join((f"user {name} reset on #{digest}", *(allowed or rules())))
