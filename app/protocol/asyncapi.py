"""The protocol as an AsyncAPI 3 document, made from the types: what `/asyncapi.json` serves."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from app.protocol.schemas import mended, portable
from app.protocol.shapes import CLIENT, REPLIES, SERVER, tag

_CHAT = "#/channels/chat"
_FEED = "#/channels/feed"


@cache
def document() -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(_document())


def _document() -> dict[str, Any]:
    _, made = msgspec.json.schema_components((*CLIENT, *SERVER), ref_template="#/components/schemas/{name}")
    schemas = mended(portable(made), _by_name)
    messages = {
        **{f"client.{tag(type_)}": _message(type_) for type_ in CLIENT},
        **{f"server.{tag(type_)}": _message(type_) for type_ in SERVER},
        "feed.anything": {
            "name": "anything",
            "summary": "Text or binary, byte for byte as the sender wrote it.",
            "contentType": "application/octet-stream",
            "payload": {},
        },
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parley",
            "version": "1",
            "description": "Group chat over websockets, protocol version 1. Replies carry the id of their request; "
            "what the server sends without an id is a push. Both sides ignore fields that they do not know.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "here": {
                "host": "{host}",
                "protocol": "ws",
                "description": "wss behind a proxy that speaks TLS.",
                "variables": {"host": {"default": "localhost:8000"}},
            }
        },
        "channels": {
            "chat": {
                "address": "/ws",
                "title": "Chat",
                "description": "Text frames, one JSON object each; hello comes first.",
                "messages": {name: _ref("messages", name) for name in messages if not name.startswith("feed.")},
            },
            "feed": {
                "address": "/feed/{room}",
                "title": "Feed",
                "description": "A plain websocket: what one client sends, all clients of the room get.",
                "parameters": {"room": {"description": "1 to 64 letters with their marks, digits and - _ . : @"}},
                "messages": {"feed.anything": _ref("messages", "feed.anything")},
            },
        },
        "operations": _operations(),
        "components": {"messages": messages, "schemas": schemas},
    }


def _operations() -> dict[str, Any]:
    """Seen from the server: it receives requests, with their replies, and sends pushes."""
    requests = {}
    for type_ in CLIENT:
        name = tag(type_)
        operation = {"action": "receive", "channel": {"$ref": _CHAT}, "messages": [_in_chat(f"client.{name}")]}
        if replies := REPLIES[name]:
            answers = [_in_chat(f"server.{reply}") for reply in (*replies, "error")]
            operation["reply"] = {"channel": {"$ref": _CHAT}, "messages": answers}
        requests[name] = operation
    pushes = [tag(type_) for type_ in SERVER if _is_push(type_)]
    feed = {"channel": {"$ref": _FEED}, "messages": [{"$ref": f"{_FEED}/messages/feed.anything"}]}
    return {
        **requests,
        "pushes": {
            "action": "send",
            "channel": {"$ref": _CHAT},
            "messages": [_in_chat(f"server.{name}") for name in pushes],
        },
        "fromFeed": {"action": "receive", **feed},
        "toFeed": {"action": "send", **feed},
    }


def _is_push(type_: Any) -> bool:
    """Whether a message may come without being an answer: it has no id, or need not have one."""
    required = {field.encode_name for field in msgspec.structs.fields(type_) if field.required}
    return "id" not in required


def _message(type_: Any) -> dict[str, Any]:
    return {
        "name": tag(type_),
        "title": type_.__name__,
        "summary": " ".join((type_.__doc__ or "").split()),
        "payload": {"$ref": f"#/components/schemas/{type_.__name__}"},
    }


def _by_name(schema: dict[str, Any]) -> None:
    """Discriminators by name alone, as AsyncAPI wants them."""
    if isinstance(schema.get("discriminator"), dict):
        schema["discriminator"] = schema["discriminator"]["propertyName"]


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _in_chat(name: str) -> dict[str, str]:
    return {"$ref": f"{_CHAT}/messages/{name}"}
