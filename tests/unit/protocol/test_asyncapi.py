"""The AsyncAPI document says what the types say, and the types what the server says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from app.protocol import asyncapi, bodies, replies, requests, shapes

DOCUMENT: dict[str, Any] = json.loads(asyncapi.document())
EVENT = b'{"seq":1,"mid":"m.1","ts":5,"type":"message","room":"r","user":"u","name":"A","cid":"c","text":"hi"}'
POSITION = ("e", 1, "m.1")


def references(part: Any) -> Iterator[str]:
    """Every $ref in a part of the document."""
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def found(reference: str) -> Any:
    """What a reference leads to. KeyError if nothing is there."""
    part = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def test_every_reference_leads_somewhere() -> None:
    """Inside the document."""
    assert len(list(references(DOCUMENT))) > 100
    for reference in references(DOCUMENT):
        assert reference.startswith("#/")
        assert found(reference)


def test_every_message_is_described() -> None:
    """Each with a sentence and a schema that has its fields; no type of the protocol is missing."""
    names = {f"client.{shapes.tag(type_)}" for type_ in shapes.CLIENT}
    names |= {f"server.{shapes.tag(type_)}" for type_ in shapes.SERVER}
    assert names | {"feed.anything"} == DOCUMENT["components"]["messages"].keys()
    assert len(shapes.CLIENT) + len(shapes.SERVER) == len(names)
    for type_ in (*shapes.CLIENT, *shapes.SERVER):
        side = "client" if type_ in shapes.CLIENT else "server"
        message = DOCUMENT["components"]["messages"][f"{side}.{shapes.tag(type_)}"]
        assert message["summary"].endswith(".")
        schema = found(message["payload"]["$ref"])
        assert schema["properties"].keys() == {"type", *(name for name, _, _ in shapes.fields(type_))}
        assert schema["properties"]["type"] == {"enum": [shapes.tag(type_)]}


def test_every_request_has_its_replies() -> None:
    """The table of replies misses none; every operation names messages of its channel."""
    assert shapes.REPLIES.keys() == {shapes.tag(type_) for type_ in get_args(requests.Request)}
    answers = {shapes.tag(type_) for type_ in shapes.SERVER}
    for request, answered in shapes.REPLIES.items():
        assert set(answered) <= answers, request
    pushed = {reference["$ref"].rpartition(".")[2] for reference in DOCUMENT["operations"]["pushes"]["messages"]}
    answering = {reply for replies in shapes.REPLIES.values() for reply in replies}
    assert pushed | answering == answers


@pytest.mark.parametrize("text", [json.dumps(DOCUMENT)])
def test_the_schemas_are_json_schemas(text: str) -> None:
    """Nothing that only Python's regular expressions or OpenAPI know."""
    assert "\\\\Z" not in text
    assert all(isinstance(part, str) for part in _values(DOCUMENT["components"]["schemas"], "discriminator"))


def _values(part: Any, key: str) -> Iterator[Any]:
    if isinstance(part, dict):
        yield from (part[name] for name in part if name == key)
        for value in part.values():
            yield from _values(value, key)
    elif isinstance(part, list):
        for value in part:
            yield from _values(value, key)


@pytest.mark.parametrize(
    "said",
    [
        bodies.joined(requests.Join(1, "r"), "r", POSITION, True, [EVENT]),
        bodies.resync("r", POSITION, True, [EVENT], b""),
        bodies.history(requests.History(1, "r"), "r", [EVENT], False),
        replies.HEARTBEAT,
    ],
    ids=["joined", "resync", "history", "ping"],
)
def test_what_is_put_together_as_bytes_is_what_is_described(said: bytes) -> None:
    """Read by its type and written again it is the same, so no field is missing and none is too many."""
    message = msgspec.json.decode(said, type=shapes.Joined | shapes.Page | shapes.Resync | shapes.Heartbeat)
    assert json.loads(msgspec.json.encode(message)) == json.loads(said)
