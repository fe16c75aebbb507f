"""A back end for tests: asks over HTTP with an API key, and holds every answer against the OpenAPI document."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from jsonschema import Draft202012Validator

from app.apikeys import Scope, make, toml
from app.errors import BadRequest
from app.protocol import openapi
from app.protocol.operations import BASE, find
from tests.support import Peer

DOCUMENT: dict[str, Any] = json.loads(openapi.document())
JSON = "application/json"
PROBLEM = "application/problem+json"


class Answer(NamedTuple):
    """What was answered; `body` is None where there is none."""

    status: int
    headers: dict[str, str]
    body: Any


def key_file(path: Path, **more: Any) -> str:
    """Add a key to a file of API keys; the key as it is shown. By default it may do everything."""
    given = {"name": "Robot", "scopes": list(Scope), "rooms": ["*"], "rate": 100_000.0, "seconds": None, **more}
    key, shown = make(given["name"], given["scopes"], given["rooms"], given["rate"], time.time(), given["seconds"])
    with path.open("a") as file:
        file.write(toml(key) + "\n")
    return shown


class BackEnd:
    """Asks one server. Every request comes over a connection of its own, so any worker may answer."""

    def __init__(self, port: int, key: str | None, host: str = "127.0.0.1") -> None:
        self._port = port
        self._host = host
        self.key = key

    def get(self, path: str, **query: Any) -> Answer:
        """Read something."""
        return self.ask("GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """Have something done; `idempotency_key="x"` is the header Idempotency-Key."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask(
            "POST", path, None if body is None else json.dumps(body).encode(), {"Content-Type": JSON} | named
        )

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Any request below the API's address; its answer is what the document says of it."""
        given = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=30)
        try:
            connection.request(method, BASE + path, body, given | (headers or {}))
            got = connection.getresponse()
            raw = got.read()
            named = {name.lower(): value for name, value in got.headers.items()}
            answer = Answer(got.status, named, json.loads(raw) if raw else None)
        finally:
            connection.close()
        conforms(method, BASE + path.partition("?")[0], answer)
        return answer


def conforms(method: str, path: str, answer: Answer) -> None:
    """Fails unless an answer is one that the document describes."""
    if answer.status >= 400:
        assert answer.headers["content-type"] == PROBLEM, answer
        Draft202012Validator(_schema("Problem")).validate(answer.body)
        assert answer.body["status"] == answer.status
        assert answer.body["type"] == f"urn:parley:problem:{answer.body['code']}"
    try:
        operation = find(path).methods.get("GET" if method == "HEAD" else method)
    except BadRequest:
        operation = None
    if operation is None:
        assert answer.status in (400, 403, 404, 405), answer
        return
    described = DOCUMENT["paths"][BASE + operation.path][operation.method.lower()]["responses"]
    assert str(answer.status) in described, (operation.name, answer)
    content = described[str(answer.status)].get("content", {})
    if answer.status < 300 and content and method != "HEAD":
        assert answer.headers["content-type"] == JSON
        name = content[JSON]["schema"]["$ref"].rpartition("/")[2]
        Draft202012Validator(_schema(name)).validate(answer.body)


def _schema(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def in_path(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


async def on_both_workers(url: str, room: str) -> list[Peer]:
    """Ada and Bob, in a room, on different workers."""
    ada, bob = await Peer.open(url, "Ada"), await Peer.open(url, "Bob")
    while bob.welcome["node"] == ada.welcome["node"]:
        await bob.close()
        bob = await Peer.open(url, "Bob")
    for peer in (ada, bob):
        assert (await peer.ask("join", room=room))["type"] == "joined"
    return [ada, bob]
