"""A whole server with the user it needs, and with less."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from app.backplane import keys
from app.backplane.permissions import USER
from tests.contract.engines import ContainerRedis, almighty, refused, witness
from tests.support import PASSWORD, ROOT, Peer, Server, Valkey, until, until_async

Servers = Callable[..., Server]


@pytest.fixture(params=["valkey", pytest.param("redis", marks=pytest.mark.docker)])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an engine of the test's own, for the servers' user."""
    if request.param == "valkey":
        yield request.getfixturevalue("own_valkey").url
        return
    container = ContainerRedis()
    yield container.url
    container.stop()


def parley(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command, with these settings and no others, until it ends."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=inherited | {f"PARLEY_{name.upper()}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )


async def test_nothing_that_a_server_does_is_refused(server: Servers, store: str, room: str, tmp_path: Path) -> None:
    """Two workers and people who use everything there is; the password comes from a file."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    url = store.replace(f":{PASSWORD}@", "@")
    here = server(redis_url=url, redis_password_file=str(secret), workers=2, presence_grace_seconds="0")
    ada, bob = [await Peer.open(here.ws, name) for name in ("Ada", "Bob")]
    for peer in (ada, bob):
        await peer.ask("join", room=room)
    seq = (await ada.ask("send", room=room, cid="c1", text="hello @Bob"))["seq"]
    assert (await ada.ask("send", room=room, cid="c1", text="hello @Bob"))["dup"] is True
    requests = [
        ("edit", {"cid": "c2", "seq": seq, "text": "hello"}),
        ("react", {"cid": "c3", "seq": seq, "emoji": "👍", "on": True}),
        ("topic", {"cid": "c4", "topic": "greetings"}),
        ("read", {"seq": seq}),
        ("history", {"before": seq + 1}),
        ("delete", {"cid": "c5", "seq": seq}),
    ]
    for type_, fields in requests:
        assert (await ada.ask(type_, room=room, **fields))["type"] != "error", type_
    direct = await ada.ask("direct", user=bob.welcome["user"])
    await ada.ask("join", room=direct["room"])
    assert (await ada.ask("send", room=direct["room"], cid="c6", text="psst"))["type"] == "ack"
    await bob.push("direct")
    await ada.send("typing", room=room)
    await bob.push("typing")
    async with connect(f"{here.feed}/{room}", compression=None) as feed:
        await feed.send("raw")
        assert await feed.recv() == "raw"
    with witness(store) as client:
        await until_async(lambda: client.zscore(keys.ROOMS, room), "the room is listed")
    assert (await bob.ask("rooms"))["type"] == "rooms"
    await ada.close()
    with witness(store) as client:
        rosters = keys.roster(room, "*")
        gone = lambda: not any(client.hexists(key, ada.welcome["user"]) for key in client.scan_iter(rosters))  # noqa: E731
        await until_async(gone, "the roster is without her")
    await bob.close()
    said = await asyncio.to_thread(parley, "doctor", redis_url=url, redis_password_file=str(secret))
    assert "nothing breaks a promise" in said.stdout, said.stdout + said.stderr
    assert "good  redis user: it may do what it needs" in said.stdout
    assert here.stop() == 0
    assert refused(store) == []


def test_a_user_with_too_few_rights_is_one_clear_line(own_valkey: Valkey) -> None:
    """Not a traceback, and not a server that cannot serve."""
    own_valkey.command("ACL", "SETUSER", USER, "-eval")
    said = parley("serve", "--port", "0", redis_url=own_valkey.url)
    assert (said.returncode, said.stdout) == (2, "")
    assert "--redis-url: Redis refuses what every server needs: NOPERM" in said.stderr
    assert "Traceback" not in said.stderr


def test_settings_that_may_not_be_read_are_a_guarantee_that_is_not_known(server: Servers, own_valkey: Valkey) -> None:
    """It serves, and says at its start what it cannot say."""
    own_valkey.command("ACL", "SETUSER", USER, "-config|get")
    here = server(redis_url=own_valkey.url)
    (said,) = [line for line in here.logged() if "guarantee" in line]
    assert said["guarantee"] == "unknown"
    assert [line["advice"] for line in here.logged() if "advice" in line and line["event"] == "redis"] == [
        "unknown: make sure that it persists (appendonly) and does not evict"
    ]


async def test_a_new_password_needs_no_new_start(server: Servers, own_valkey: Valkey, tmp_path: Path) -> None:
    """The file is read at every login: changed there and in Redis, the connection comes back with it."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    here = server(redis_url=own_valkey.url.replace(f":{PASSWORD}@", "@"), redis_password_file=str(secret))
    own_valkey.command("ACL", "SETUSER", USER, "resetpass", ">another")
    secret.write_text("another")
    own_valkey.command("CLIENT", "KILL", "USER", USER)
    until(lambda: here.metric("parley_redis_reconnects_total") >= 2, "both connections were lost")
    until(lambda: here.get("/readyz")[0] == 200, "it is ready again")
    ada = await Peer.open(here.ws)
    await ada.ask("join", room="lobby")
    assert (await ada.ask("send", room="lobby", cid="c1", text="hello"))["type"] == "ack"
    await ada.close()


def test_a_password_file_that_is_none_is_one_clear_line(own_valkey: Valkey, tmp_path: Path) -> None:
    """Not there, empty, or beside a password in the URL."""
    (tmp_path / "empty").touch()
    (tmp_path / "good").write_text(PASSWORD)
    bare = almighty(own_valkey.url)
    wrong = [
        (bare, tmp_path / "missing", "cannot be read"),
        (bare, tmp_path / "empty", "holds no password"),
        (own_valkey.url, tmp_path / "good", "has a password already"),
    ]
    for url, path, why in wrong:
        done = parley("serve", redis_url=url, redis_password_file=str(path))
        assert done.returncode == 2
        assert "--redis-password-file: " in done.stderr
        assert why in done.stderr
        assert PASSWORD not in done.stderr


def test_the_user_can_be_printed_for_a_redis_of_ones_own(own_valkey: Valkey, tmp_path: Path) -> None:
    """What `parley redis-user` prints is a user who can log in with that password; the password is not printed."""
    (tmp_path / "password").write_text("geheim")
    done = parley("redis-user", "--name", "chat", str(tmp_path / "password"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "geheim" not in done.stdout
    assert own_valkey.command("ACL", "SETUSER", *done.stdout.split()[1:]) == "+OK"
    url = own_valkey.url.replace(f"{USER}:{PASSWORD}", "chat:geheim")
    assert "good  redis user: it may do what it needs" in parley("doctor", redis_url=url).stdout
    for wrong in (["--name", "a b", str(tmp_path / "password")], [str(tmp_path / "missing")]):
        assert parley("redis-user", *wrong).returncode == 2


def test_a_redis_that_is_open_to_all_is_found(own_valkey: Valkey) -> None:
    """Without a password, and with one that opens everything."""
    said = parley("doctor", redis_url=almighty(own_valkey.url)).stdout
    assert "weak  redis user: no password is asked for, and everything is allowed" in said
    assert "parley redis-user" in said
    own_valkey.command("ACL", "SETUSER", USER, "+@all")
    assert "weak  redis user: it may do everything" in parley("doctor", redis_url=own_valkey.url).stdout
