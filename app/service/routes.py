"""The HTTP API on Sanic: everything below /api, its document and its page."""

from __future__ import annotations

from typing import Any

from sanic import Request, Sanic
from sanic.response import HTTPResponse

from app.protocol import openapi
from app.service.dispatch import Asked, Dispatch
from app.service.page import page

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
READ = ("GET", "HEAD")


def routes(app: Sanic[Any, Any], dispatch: Dispatch) -> None:
    """Put the API on a Sanic application. Which path and method is what, the table of operations says."""

    async def answer(request: Request, **_: str) -> HTTPResponse:
        headers = request.headers
        asked = Asked(
            request.method,
            request.path,
            request.query_string,
            lambda name: [str(value) for value in headers.getall(name, [])],
            request.body,
        )
        found = await dispatch.answer(asked)
        return HTTPResponse(found.body, found.status, found.headers, found.media_type if found.body else None)

    async def document(_request: Request) -> HTTPResponse:
        headers = {"cache-control": "no-cache"}
        return HTTPResponse(openapi.document(), headers=headers, content_type="application/json")

    async def reference(_request: Request) -> HTTPResponse:
        headers = {"cache-control": "no-cache"}
        return HTTPResponse(page(), headers=headers, content_type="text/html; charset=utf-8")

    app.add_route(answer, "/api", methods=METHODS, name="api_root")
    app.add_route(answer, "/api/<path:path>", methods=METHODS, name="api")
    app.add_route(document, "/openapi.json", methods=READ, name="openapi")
    app.add_route(reference, "/docs", methods=READ, name="reference")
