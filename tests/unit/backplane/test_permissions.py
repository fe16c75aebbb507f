"""The rules of the server's user in Redis: all that is called, and nothing that is not."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from app.backplane import keys, permissions

APP = Path(permissions.__file__).parents[1]
SUBCOMMANDS = {"CLIENT", "SCRIPT", "CONFIG", "ACL"}
WITHOUT_PERMISSION = {"auth", "acl|whoami", "acl|getuser"}
"""AUTH needs none; a user that may not ask who it is has limits, which is what the doctor wants to know."""


def called_by_scripts() -> set[str]:
    """What redis.call and its short form are given. Every call names its command in place."""
    found = set()
    for path in (APP / "backplane" / "scripts").glob("*.lua"):
        text = re.sub(r"--.*", "", path.read_text())
        calls = re.findall(r"(?<![\w.])(?:redis\.p?)?call\(\s*(\S)", text)
        names = re.findall(r"(?<![\w.])(?:redis\.p?)?call\(\s*'([A-Za-z]+)'", text)
        assert len(calls) == len(names), f"{path.name}: a call whose command is not written out"
        found |= {name.lower() for name in names}
    return found


def called_by_the_server() -> set[str]:
    """What modules send: the first word of what is called, posted or packed, with its subcommand."""
    found = set()
    for path in [*(APP / "backplane").glob("*.py"), APP / "canary.py", APP / "secret.py", APP / "doctor" / "redis.py"]:
        calls = re.findall(r'(?:call|post|pack|_ask)\((?:link, |\()?b?"([A-Z]+)"(?:, b?"([A-Z]+)")?', path.read_text())
        for name, second in calls:
            found.add(f"{name}|{second}".lower() if name in SUBCOMMANDS else name.lower())
    return found


def test_what_is_called_is_allowed_and_nothing_else() -> None:
    """A new command in a script or module is written into app/backplane/permissions.py; one that is gone leaves it."""
    called = called_by_scripts() | called_by_the_server()
    assert {"publish", "evalsha", "hset", "script|load"} <= called  # they are found at all
    assert called - set(permissions.COMMANDS) - WITHOUT_PERMISSION == set()
    assert set(permissions.COMMANDS) - called == set()


def test_the_rules_begin_with_nothing_and_name_our_keys_and_channels_alone() -> None:
    """No category of commands, no other pattern, no password."""
    rules = permissions.rules()
    assert rules[:3] == [f"~{keys.PREFIX}*", f"&{keys.PREFIX}*", "-@all"]
    assert all(re.fullmatch(r"\+[a-z]+(\|[a-z]+)?", rule) for rule in rules[3:])
    line = permissions.user("geheim", "ada")
    assert line == f"user ada reset on #{sha256(b'geheim').hexdigest()} {' '.join(rules)}"


def test_every_name_is_under_the_prefix() -> None:
    """What keys.py builds is what the rules allow."""
    names = [keys.log("r"), keys.meta("r"), keys.cids("r", "s"), keys.roster("r", "w"), keys.marks("h")]
    names += [keys.directs("h"), keys.FINGERPRINT, keys.ROOMS, keys.LEASES]
    names += [name.decode() for name in (keys.events("r"), keys.feed("r"), keys.people(1), keys.canary("w"))]
    assert all(name.startswith(keys.PREFIX) for name in names)
