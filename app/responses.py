"""What every HTTP response has in common: its headers, and the shape of refusals and errors.

Sanic's own words for errors are never sent: they differ from release to release and repeat what was asked. Under /api
an error is problem+json (RFC 9457), elsewhere a line of text, or for a browser that looks for a page a small one.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from sanic import Request, Sanic
from sanic.exceptions import BadRequest, BadURL, SanicException
from sanic.handlers import ErrorHandler
from sanic.response import BaseHTTPResponse, HTTPResponse

from app.heads import well_formed
from app.protocol.problems import MEDIA_TYPE, code_of, problem
from app.protocol.replies import encode

API = "/api/"

SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
"""On every response, whatever it is."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title} · Parley</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="/web/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/web/style/reference.css">
<h1>{title}</h1>
<p>{words}</p>
<p><a href="/">To the chat</a></p>
"""

WORDS = {
    400: "The request could not be understood.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This cannot be done here.",
    408: "The request took too long to come.",
    411: "The request has to say how long its body is.",
    413: "The request is too large.",
    500: "The server failed; its log says why.",
    503: "The server cannot do this now; try again.",
}

PHRASES = {status.value: status.phrase for status in HTTPStatus}


def json(body: object, status: int = 200) -> HTTPResponse:
    """An object for programs; never kept by caches."""
    return HTTPResponse(
        encode(body), status=status, headers={"cache-control": "no-store"}, content_type="application/json"
    )


def text(body: str, status: int, headers: dict[str, str] | None = None) -> HTTPResponse:
    """A line of text."""
    return HTTPResponse(body, status=status, headers=headers, content_type="text/plain; charset=utf-8")


def refusal(request: Request, status: int, words: str, headers: dict[str, str] | None = None) -> HTTPResponse:
    """An error in the shape that its place asks for."""
    if request.path.startswith(API):
        body = encode(problem(status, code_of(status), words))
        kept = {"cache-control": "no-store", **(headers or {})}
        return HTTPResponse(body, status=status, headers=kept, content_type=MEDIA_TYPE)
    if request.method == "GET" and "text/html" in request.headers.getone("accept", ""):
        page = PAGE.format(title=HTTPStatus(status).phrase, words=words)
        return HTTPResponse(page, status=status, headers=headers, content_type="text/html; charset=utf-8")
    return text(f"{words}\n", status, headers)


def last_words(status: int) -> bytes:
    """A whole response, for a connection of which no request could be read, and which ends with it."""
    body = f"{WORDS[status]}\n"
    own = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body)), "connection": "close"}
    lines = [f"{name}: {value}\r\n" for name, value in {**SECURITY, **own}.items()]
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{''.join(lines)}\r\n{body}".encode("ascii")


class AnyRequest(Request):
    """A request whose head is in order; one whose target is no address can be answered too."""

    __slots__ = ()

    def __init__(self, url_bytes: bytes, *, headers: Any, version: str, head: bytes = b"", **given: Any) -> None:
        given |= {"headers": headers, "version": version, "head": head}
        # Without a head it stands for one that could not be read, whose error is being answered.
        if head and not well_formed(head, version, len(headers.getall("host", ()))):
            raise BadRequest("the head is not in order")
        if head and "transfer-encoding" in headers:
            # A MiB in chunks of a byte would be put together in one go, which takes half a second.
            raise SanicException("the body has no length", status_code=411)
        try:
            super().__init__(url_bytes, **given)
        except BadURL:
            # To answer that, Sanic makes a second one, of the method NONE and with the same target.
            if given["method"] != "NONE":
                raise
            super().__init__(b"*", **given)


class Errors(ErrorHandler):
    """Sanic's errors in our words: nothing of the request, the code or Sanic comes back with them."""

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """The response to whatever went wrong; what is not Sanic's is a fault of the server, and logged."""
        status = exception.status_code if isinstance(exception, SanicException) else 500
        if status not in PHRASES:
            status = 400
        if status == 500:
            self.log(request, exception)
        found = exception.headers if isinstance(exception, SanicException) else {}
        kept = {name.lower(): value for name, value in found.items() if name.lower() in ("allow", "retry-after")}
        if "allow" in kept:
            kept["allow"] = ", ".join(sorted(kept["allow"].split(", ")))
        return refusal(request, status, WORDS.get(status, PHRASES[status] + "."), kept)


def cover(app: Sanic[Any, Any]) -> None:
    """Put the headers on every response of an application, and its errors into our words."""
    app.request_class = AnyRequest
    app.error_handler = Errors()

    def headers(request: Request, response: BaseHTTPResponse) -> None:
        stream: Any = request.stream
        if stream is not None and stream.recv_buffer:
            # Sanic would answer all requests that came together without a turn of the loop for anybody else; nor is
            # what follows a request in one go to be trusted to be another one. No browser and no proxy asks so.
            stream.keep_alive = False
        for name, value in SECURITY.items():
            response.headers.setdefault(name, value)

    app.register_middleware(headers, "response")
