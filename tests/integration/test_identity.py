"""Signed-in users of a real server: keys by secret, file and key set, rules for rooms, and no token in any log."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.tokens import make
from tests.support import ROOT, Peer, Server
from tests.unit.test_tokens import EC, ED, OTHER, RSA, SECRET, jwk, pem, signed


class Publisher(http.server.ThreadingHTTPServer):
    """Publishes a key set on loopback; `answer` is what it says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/keys"
        self.answer = b""
        self.status = 200
        self.asked = 0

    def publish(self, *entries: dict[str, Any]) -> None:
        """Other keys from now on."""
        self.answer = json.dumps({"keys": entries}).encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        publisher = self.server
        assert isinstance(publisher, Publisher)
        publisher.asked += 1
        self.send_response(publisher.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(publisher.answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A publisher of keys."""
    publisher = Publisher()
    thread = threading.Thread(target=publisher.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield publisher
    publisher.shutdown()
    thread.join()
    publisher.server_close()


async def refused(url: str, **hello: Any) -> tuple[str, int]:
    """The error and the close code of a hello."""
    peer = await Peer.bare(url)
    answer = await peer.ask("hello", **hello)
    return answer["code"], await peer.closed()


async def signed_in(url: str, token: str) -> str:
    """The user of a token."""
    peer = await Peer.bare(url)
    welcome = await peer.ask("hello", token=token)
    await peer.close()
    return str(welcome.get("user", welcome))


async def test_tokens_by_secret_and_by_file(server: Callable[..., Server], tmp_path: Path) -> None:
    """Both of two secrets, a PEM and a key set; nothing else, and guests are out. No token is in the log."""
    (tmp_path / "ec.pem").write_bytes(pem(EC))
    (tmp_path / "set.json").write_text(json.dumps({"keys": [jwk(ED, kid="ed")]}))
    files = f"{tmp_path}/ec.pem,{tmp_path}/set.json"
    here = server(token_secret=f"{OTHER},{SECRET}", token_keys=files, guests="off", log_level="debug")
    tokens = [signed(), signed(OTHER), signed(EC, "ES256"), signed(ED, "EdDSA", "ed")]
    for token in tokens:
        assert await signed_in(here.ws, token) == "u1"
    wrong = [signed(RSA, "RS256"), signed("x" * 40), "e30.e30."]
    for token in wrong:
        assert await refused(here.ws, token=token) == ("unauthorized", 4500)
    late = signed(exp=int(time.time()) - 100)
    assert await refused(here.ws, token=late) == ("expired", 4004)
    assert await refused(here.ws, name="Ada") == ("unauthorized", 4500)
    huge = await Peer.bare(here.ws)
    assert (await huge.ask("hello", token="A" * 60_000))["code"] == "bad_request"
    assert (await huge.ask("hello", token=tokens[0]))["type"] == "welcome"
    await huge.close()
    assert (here.get("/api/v1/rooms")[0], here.get("/feed")[0]) == (401, 403)
    log = here.log.read_text()
    assert not [token for token in (*tokens, *wrong, late, SECRET, OTHER) if token in log]


async def test_no_token_makes_a_user_a_guest(server: Callable[..., Server]) -> None:
    """Whatever the system that signs lets its users call themselves: a guest's id is public, and its rooms are not."""
    here = server(token_secret=SECRET)
    bob = await Peer.open(here.ws, "Bob")
    assert bob.welcome["user"].startswith("guest:")
    mallory = await Peer.bare(here.ws)
    answer = await mallory.ask("hello", token=make(SECRET, bob.welcome["user"], 60, {}))
    assert (answer["code"], "begins with guest: are guests" in answer["message"]) == ("unauthorized", True)
    assert await mallory.closed() == 4500
    again = await Peer.open(here.ws, guest=bob.welcome["guest"])
    assert again.welcome["user"] == bob.welcome["user"]
    for peer in (bob, again):
        await peer.close()


async def test_a_connection_ends_with_its_token_unless_it_is_refreshed(server: Callable[..., Server]) -> None:
    """4004 in time for the one, and the other goes on."""
    here = server(token_secret=SECRET, token_leeway_seconds="0")
    ending, lasting = await Peer.bare(here.ws), await Peer.bare(here.ws)
    for peer in (ending, lasting):
        assert (await peer.ask("hello", token=make(SECRET, "u1", 3, {})))["exp"] <= 3
    assert (await lasting.ask("refresh", token=make(SECRET, "u1", 60, {})))["type"] == "refreshed"
    assert await ending.closed() == 4004
    assert (await lasting.ask("ping"))["type"] == "pong"
    await lasting.close()


async def test_keys_are_fetched_and_rotated(server: Callable[..., Server], publisher: Publisher) -> None:
    """A key published later is found when a token names it; one withdrawn is known no more; failures do no harm."""
    publisher.publish(jwk(RSA, kid="one"))
    here = server(token_jwks_url=publisher.url)
    assert await signed_in(here.ws, signed(RSA, "RS256", "one")) == "u1"
    asked = publisher.asked
    publisher.publish(jwk(EC, kid="two"))
    both = await asyncio.gather(*(signed_in(here.ws, signed(EC, "ES256", "two")) for _ in range(20)))
    assert set(both) == {"u1"}
    assert publisher.asked == asked + 1
    assert await refused(here.ws, token=signed(RSA, "RS256", "one")) == ("unauthorized", 4500)
    publisher.status = 302
    assert await refused(here.ws, token=signed(ED, "EdDSA", "three")) == ("unavailable", 1013)
    assert await signed_in(here.ws, signed(EC, "ES256", "two")) == "u1"
    publisher.status, publisher.answer = 200, b" " * 2**20
    assert await refused(here.ws, token=signed(ED, "EdDSA", "three")) == ("unavailable", 1013)
    assert await signed_in(here.ws, signed(EC, "ES256", "two")) == "u1"


async def test_rules_and_claims_decide_over_workers(server: Callable[..., Server], tmp_path: Path, room: str) -> None:
    """What a moderator deletes is gone for a guest elsewhere, who reads and may not write."""
    rules = tmp_path / "rooms.toml"
    rules.write_text(f'[rooms]\n"{room}" = "read only"\n"team-*" = "members only"\n')
    here = server(workers=2, token_secret=SECRET, room_rules=str(rules))
    guest, editor, head = await Peer.open(here.ws, "Guest"), await Peer.bare(here.ws), await Peer.bare(here.ws)
    await editor.ask("hello", token=make(SECRET, "u1", 60, {"name": "Ed", "rooms": {room: "write"}}))
    await head.ask("hello", token=make(SECRET, "u2", 60, {"name": "Head", "rooms": {"*": "moderate"}}))
    for peer in (guest, editor, head):
        assert (await peer.ask("join", room=room))["type"] == "joined"
    assert (await guest.ask("send", room=room, cid="a", text="hi"))["code"] == "forbidden"
    assert (await guest.ask("join", room="team-red"))["code"] == "forbidden"
    assert (await head.ask("join", room="team-red"))["type"] == "joined"
    sent = await editor.ask("send", room=room, cid="a", text="hi")
    assert (await head.ask("delete", room=room, cid="b", seq=sent["seq"]))["type"] == "ack"
    assert (await guest.push("deleted"))["of"] == sent["seq"]
    assert here.get("/feed/team-red")[0] == 403
    for peer in (guest, editor, head):
        await peer.close()


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command of parley."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={**inherited, **env},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )


async def test_parley_token_makes_one_that_the_server_takes(server: Callable[..., Server], room: str) -> None:
    """It prints the token and nothing else; what the server would refuse, it refuses."""
    settings = {"token_secret": f"{SECRET},{OTHER}", "token_audience": "chat"}
    here = server(**settings)
    env = {f"PARLEY_{name.upper()}": value for name, value in settings.items()}
    made = run("token", "--user", "u7", "--name", "Ada", "--room", f"{room}=read", **env)
    assert (made.returncode, made.stderr) == (0, "")
    peer = await Peer.bare(here.ws)
    welcome = await peer.ask("hello", token=made.stdout.strip())
    assert (welcome["user"], welcome["name"]) == ("u7", "Ada")
    await peer.ask("join", room=room)
    assert (await peer.ask("send", room=room, cid="a", text="hi"))["code"] == "forbidden"
    await peer.close()
    for wrong in (["--user", "u7", "--room", f"{room}=own"], ["--user", "u7", "--name", "a\nb"], ["--user", ""]):
        told = run("token", *wrong, **env)
        assert (told.returncode, told.stdout) == (2, "")
        assert told.stderr.startswith("parley: the token: ")
    assert run("token", "--user", "u7").stderr == "parley: PARLEY_TOKEN_SECRET: needed to sign a token\n"


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("GUESTS", "off", "--guests: nobody could come in"),
        ("TOKEN_KEYS", "/nowhere.pem", "--token-keys: /nowhere.pem: "),
        ("ROOM_RULES", "/nowhere.toml", "--room-rules: /nowhere.toml: "),
        ("TOKEN_JWKS_URL", "http://example.test/keys", "PARLEY_TOKEN_JWKS_URL: must begin with https://"),
        ("TOKEN_SECRET", "short", "PARLEY_TOKEN_SECRET: must have at least 32 characters"),
        ("TOKEN_LEEWAY_SECONDS", "61", "PARLEY_TOKEN_LEEWAY_SECONDS: 61 is not between 0 and 60"),
    ],
)
def test_what_cannot_be_is_one_clear_line(setting: str, value: str, said: str, tmp_path: Path) -> None:
    """At the start, with exit code 2."""
    done = run("serve", "--port", "0", "--data-dir", str(tmp_path), **{f"PARLEY_{setting}": value})
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
