"""TLS before the compose stack: in its own nginx, and in a proxy of one's own that stands before that."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.contract.authority import Authority
from tests.integration.compose import Stack
from tests.support import free_port, until

pytestmark = pytest.mark.docker

HTTP_SECONDS = 10


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificate of these tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_address() -> str:
    """Where the stack is reached with TLS."""
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def tls_stack(authority: Authority, tls_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with deploy/tls.yml and deploy/outer.yml."""
    directory = tmp_path_factory.mktemp("certificates")
    for made, name in zip(authority.issue("chat", "127.0.0.1"), ("fullchain.pem", "privkey.pem"), strict=True):
        place = directory / name
        place.write_bytes(Path(made).read_bytes())
        place.chmod(0o444)
    directory.chmod(0o755)
    stack = Stack(
        COMPOSE_FILE="docker-compose.yml:deploy/tls.yml:deploy/outer.yml",
        PARLEY_CERTIFICATES=str(directory),
        PARLEY_TLS_PORT=tls_address,
    )
    try:
        stack.up("--scale", "app=1")
        yield stack
    finally:
        stack.down()


async def answer(url: str, origin: str, trust: ssl.SSLContext | None = None, **headers: str) -> int:
    """The status that a page of this origin gets for a websocket."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        async with connect(url, ssl=trust, additional_headers={"Origin": origin, **said}):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


def get(url: str, trust: ssl.SSLContext | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        request = urllib.request.Request(url, headers=said)
        with urllib.request.urlopen(request, context=trust, timeout=HTTP_SECONDS) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def test_the_page_comes_in_over_tls(tls_stack: Stack, tls_address: str, authority: Authority) -> None:
    """With a certificate in this nginx: the page that was opened over TLS, and no other."""
    trust = ssl.create_default_context(cafile=authority.ca)
    assert get(f"https://{tls_address}/", trust)[0] == 200
    assert await answer(f"wss://{tls_address}/ws", f"https://{tls_address}", trust) == 101
    assert await answer(f"wss://{tls_address}/ws", f"http://{tls_address}", trust) == 403


async def test_a_proxy_before_it_tells_how_clients_come(tls_stack: Stack) -> None:
    """It ends TLS, and says who the client is; without its word it is the connection that counts."""
    url, own = f"ws://{tls_stack.address}/ws", f"https://{tls_stack.address}"
    told = {"X_Forwarded_For": "198.51.100.7", "X_Forwarded_Proto": "https"}
    assert await answer(url, own, **told) == 101
    assert await answer(url, own) == 403
    seen = json.loads(get(f"http://{tls_stack.address}/seen", **told)[1])
    assert (seen["address"], seen["origin"]) == ("198.51.100.7", own)


def test_the_access_log_names_what_was_asked(tls_stack: Stack) -> None:
    """Also of requests that end in an error, and without what stands behind the question mark."""
    assert get(f"http://{tls_stack.address}/metrics?token=hidden")[0] == 404
    assert get(f"http://{tls_stack.address}/r/there?token=hidden")[0] == 200
    until(lambda: "/r/there" in tls_stack.compose("logs", "--no-color", "nginx"), "the requests are in the log")
    said = tls_stack.compose("logs", "--no-color", "nginx")
    assert '"GET /metrics HTTP/1.1" 404' in said
    assert '"GET /r/there HTTP/1.1" 200' in said
    assert "hidden" not in said
