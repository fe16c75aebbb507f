"""What a server needs of Redis and nothing beyond: the rules of a user of its own there (Redis' ACL).

Scripts run with the rights of who calls them, so what they call is among the commands. A test holds these against the
scripts and this package; the contract's and all servers of the tests log in as such a user.
"""

from __future__ import annotations

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
    *("lindex", "llen", "lrange", "lset", "ltrim", "rpush"),
    *("xadd", "xrevrange", "xtrim"),
    *("zadd", "zcard", "zrangebyscore", "zrem", "zremrangebyrank", "zremrangebyscore", "zrevrange", "zscore"),
)
"""What is called; AUTH needs no permission."""


def rules() -> list[str]:
    """The rules of Redis' ACL: our keys, our channels, these commands."""
    return [f"~{keys.PREFIX}*", f"&{keys.PREFIX}*", "-@all", *(f"+{command}" for command in COMMANDS)]


def user(password: str, name: str = USER) -> str:
    """The user as a line of Redis' ACL file, or as the words after ACL SETUSER. The password is not in it."""
    digest = sha256(password.encode()).hexdigest()
    return " ".join((f"user {name} reset on #{digest}", *rules()))
