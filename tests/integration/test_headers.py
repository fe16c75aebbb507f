"""The headers of every response of a real server, whatever was asked, over raw sockets."""

from __future__ import annotations

import json
import re
import socket

import pytest

from tests.support import Server

UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
ASKED = {
    "page": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "room page": b"GET /r/lobby HTTP/1.1\r\nHost: x\r\n\r\n",
    "file": b"GET /web/page/chat.js HTTP/1.1\r\nHost: x\r\n\r\n",
    "client": b"GET /client/parley.js HTTP/1.1\r\nHost: x\r\n\r\n",
    "file not changed": b"GET /client/parley.js HTTP/1.1\r\nHost: x\r\nIf-None-Match: %s\r\n\r\n",
    "no such file": b"GET /web/nope HTTP/1.1\r\nHost: x\r\n\r\n",
    "API": b"GET /api/v1/rooms HTTP/1.1\r\nHost: x\r\n\r\n",
    "no key for the API": b"GET /api/v1/rooms?limit=x HTTP/1.1\r\nHost: x\r\n\r\n",
    "no such API": b"GET /api/nope HTTP/1.1\r\nHost: x\r\n\r\n",
    "wrong method of the API": b"POST /api/v1/rooms HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "protocol": b"GET /asyncapi.json HTTP/1.1\r\nHost: x\r\n\r\n",
    "livez": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "readyz": b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
    "health": b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    "seen": b"GET /seen HTTP/1.1\r\nHost: x\r\n\r\n",
    "metrics": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    "head": b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
    "nothing there": b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n",
    "nothing there, for a browser": b"GET /nope HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*;q=0.8\r\n\r\n",
    "wrong method": b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "unknown method": b"BREW /r/pot HTTP/1.1\r\nHost: x\r\n\r\n",
    "no websocket": b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n",
    "wrong websocket": b"GET /ws HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"Sec-WebSocket-Version: 12\r\n\r\n",
    "no such feed": b"GET /feed/a%20b HTTP/1.1\r\nHost: x\r\n\r\n",
    "no HTTP": b"garbage\r\n\r\n",
    "other HTTP": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "no address": b"GET http://[x/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "no ASCII": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "long head": b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n",
    "wrong length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "wrong expectation": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: nothing\r\n\r\nx",
}
WANTED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}


def answer(server: Server, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what comes first."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as link:
        link.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got:
            part = link.recv(65536)
            assert part, f"closed after {got!r}"
            got += part
        head, _, body = got.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert len(headers) == len(lines), "a header comes twice"
        while not request.startswith(b"HEAD") and len(body) < int(headers.get("content-length", "0")):
            part = link.recv(65536)
            assert part, "closed amidst the body"
            body += part
    return int(status.split()[1]), headers, body


@pytest.mark.parametrize("what", ASKED)
def test_every_response_has_the_headers(shared_server: Server, what: str) -> None:
    """Also errors, and what Sanic answers by itself; none says which server or version it is."""
    request = ASKED[what]
    if b"%s" in request:
        request = request.replace(b"%s", answer(shared_server, ASKED["client"])[1]["etag"].encode())
    status, headers, body = answer(shared_server, request)
    assert WANTED.items() <= headers.items()
    policy = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy)
    assert not {"server", "x-powered-by", "alt-svc"} & headers.keys()
    if status >= 400:
        assert b"sanic" not in body.lower()
        assert b"Traceback" not in body
    if what == "file not changed":
        assert status == 304


@pytest.mark.parametrize(
    ("what", "status"), [("no such API", 404), ("wrong method of the API", 405), ("no key for the API", 401)]
)
def test_errors_of_the_api_are_problems(shared_server: Server, what: str, status: int) -> None:
    """Of the standard's form."""
    got, headers, body = answer(shared_server, ASKED[what])
    assert (got, headers["content-type"]) == (status, "application/problem+json")
    problem = json.loads(body)
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert problem["status"] == status


def test_other_errors_are_a_line_of_text(shared_server: Server) -> None:
    """That says nothing of the request."""
    status, headers, body = answer(shared_server, ASKED["nothing there"])
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert re.fullmatch(rb"[A-Z][^<>/]+\n", body)
    assert b"nope" not in body


def test_a_browser_gets_a_page_that_leads_on(shared_server: Server) -> None:
    """Small, with nothing that the policy forbids; its style and its icon are there."""
    status, headers, body = answer(shared_server, ASKED["nothing there, for a browser"])
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert b'<a href="/">' in body
    assert not re.search(rb"<style|style=|<script", body)
    parts = re.findall(r'<link [^>]*href="([^"]+)"', body.decode())
    assert [shared_server.get(path)[0] for path in parts] == [200, 200]


def test_a_wrong_method_is_told_the_right_ones(shared_server: Server) -> None:
    """In Allow."""
    assert answer(shared_server, ASKED["wrong method"])[1]["allow"] == "GET, HEAD"
