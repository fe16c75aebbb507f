"""Which pages a real server lets in, over raw sockets: at its websockets, and behind proxies."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from tests.integration.raw import metrics_of, status_of
from tests.support import Server, Valkey, until

LISTED = "https://parley.example"
FOREIGN = [
    "http://evil.example",
    "null",
    "",
    "http://127.0.0.1",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://evil127.0.0.1:{port}",
    "http://user@127.0.0.1:{port}",
    "http://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}",
    "http://localhost:{port}",
    "http://127.0.0.1:{port} http://evil.example",
    "\xff",
]


def asked(server: Server, path: str = "/ws", **headers: str) -> int:
    """The status of a handshake with these headers; `_` in a name stands for `-`."""
    return status_of(server.port, path, [(name.replace("_", "-"), value) for name, value in headers.items()])


@pytest.mark.parametrize("path", ["/ws", "/feed", "/feed/lobby"])
def test_the_servers_own_page_comes_in(shared_server: Server, path: str) -> None:
    """And programs, which send no Origin."""
    assert asked(shared_server, path, Origin=f"http://127.0.0.1:{shared_server.port}") == 101
    assert asked(shared_server, path) == 101


@pytest.mark.parametrize("path", ["/ws", "/feed/lobby"])
@pytest.mark.parametrize("origin", FOREIGN)
def test_no_other_page_comes_in(shared_server: Server, path: str, origin: str) -> None:
    """However its origin is spelled."""
    assert asked(shared_server, path, Origin=origin.format(port=shared_server.port)) == 403


def test_two_origins_are_refused(shared_server: Server) -> None:
    """Even twice the right one."""
    own = f"http://127.0.0.1:{shared_server.port}"
    for origins in ([own, own], [own, "http://evil.example"], ["http://evil.example", own]):
        assert status_of(shared_server.port, "/ws", [("Origin", origin) for origin in origins]) == 403


def test_two_hosts_are_refused(shared_server: Server) -> None:
    """A page could choose the one that suits it."""
    for origin in (f"http://127.0.0.1:{shared_server.port}", "http://evil.example"):
        assert status_of(shared_server.port, "/ws", [("Host", "evil.example"), ("Origin", origin)]) == 400


def test_forwarded_headers_are_not_believed_without_proxies(shared_server: Server) -> None:
    """Anybody could send them."""
    told = {"X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "https"}
    assert asked(shared_server, Origin="https://evil.example", **told) == 403


def test_a_list_is_exact(server: Callable[..., Server], valkey: Valkey) -> None:
    """What it names comes in, and nothing that resembles it; the server's own address no longer does."""
    here = server(redis_url=valkey.url, origins=f"{LISTED}, http://[::1]:8000")
    assert asked(here, Origin=LISTED) == asked(here, Origin="http://[::1]:8000") == 101
    for origin in (
        "https://evilparley.example",
        "https://parley.example.evil",
        "https://evil.parley.example",
        "https://parley.example:443",
        "https://Parley.example",
        "http://parley.example",
        "https://a@parley.example",
        f"http://127.0.0.1:{here.port}",
    ):
        assert asked(here, Origin=origin) == 403


def test_behind_a_proxy_the_address_that_the_client_used_counts(server: Callable[..., Server], valkey: Valkey) -> None:
    """As the proxy tells it, in X-Forwarded-Proto and -Host; what a client has put before that does not."""
    here = server(redis_url=valkey.url, proxies="1")
    told = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "parley.example"}
    assert asked(here, Origin=LISTED, **told) == 101
    assert asked(here, Origin="http://parley.example", **told) == 403
    assert asked(here, Origin=f"http://127.0.0.1:{here.port}", **told) == 403
    told["X_Forwarded_Host"] = "evil.example, parley.example"
    assert asked(here, Origin=LISTED, **told) == 101
    assert asked(here, Origin="https://evil.example", **told) == 403


def changing(server: Server, method: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of a request that would change something, without a key."""
    asked = urllib.request.Request(f"{server.url}api/v1/rooms/lobby/messages", b"{}", headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_other_page_may_change_anything_over_http(shared_server: Server, method: str) -> None:
    """Before anything is looked at; the own page and programs get as far as to their missing key or method."""
    status, body = changing(shared_server, method, Origin="http://evil.example")
    assert (status, json.loads(body)["status"]) == (403, 403)
    assert changing(shared_server, method, Origin="null")[0] == 403
    own = f"http://127.0.0.1:{shared_server.port}"
    assert changing(shared_server, method, Origin=own)[0] == changing(shared_server, method)[0] != 403


def test_a_refusal_is_counted_and_logged_once(server: Callable[..., Server], valkey: Valkey) -> None:
    """With the origin that came and the one that would have been right, so that settings can be corrected."""
    here = server(redis_url=valkey.url)
    for _ in range(5):
        assert asked(here, Origin="http://evil.example") == 403
    until(lambda: metrics_of(here, "refused", reason="origin") == 5, "refusals are counted")
    (line,) = [line for line in here.logged() if line["event"] == "refused"]
    assert line["origin"] == "http://evil.example"
    assert line["expected"] == [f"http://127.0.0.1:{here.port}"]
    assert line["address"] == "127.0.0.1"
