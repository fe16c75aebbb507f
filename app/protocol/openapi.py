"""The HTTP API as an OpenAPI 3.1 document, made from the operations and their types: what `/openapi.json` serves."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec

from app.protocol import problems, service
from app.protocol.operations import BASE, OPERATIONS, Operation, placeholders
from app.protocol.schemas import portable

_ROOM = "1 to 64 letters with their marks, digits and - _ . : @; not that of a direct room."
_PLACES = {"room": _ROOM, "user": "The user's id, percent-encoded."}
_COMMON = (401, 403, 429, 500, 503)
_MEANS = {
    400: "The request is ill-formed; `detail` says what is wrong with it.",
    401: "No key, or none that is good here.",
    403: "The key is not for this.",
    404: "There is no such room.",
    413: "The body or the text is too large.",
    415: "The body is not JSON.",
    422: "The idempotency key came with another text before.",
    429: "Too many requests with this key; `Retry-After` says when to come again.",
    500: "The server failed; the log says more.",
    503: "Redis did not confirm in time: what was asked may have happened or not. Ask again; with the same "
    "idempotency key nothing happens twice.",
}


@cache
def document() -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(tree())


@cache
def tree() -> dict[str, Any]:
    """The document as a tree. Not to be changed."""
    types = {type_ for one in OPERATIONS for type_ in (one.answer, one.body) if type_ is not None}
    ordered = sorted({*types, service.Problem}, key=lambda type_: str(type_.__name__))
    _, made = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(BASE + operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Parley",
            "version": "1",
            "description": "The HTTP API for back ends. Each request carries an API key: see `parley key create`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, OPERATIONS))],
        "paths": paths,
        "components": {
            "schemas": portable(made),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: pk_ID_SECRET."},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [_tag(operation)],
        "summary": operation.summary,
        "description": f"Needs a key with the scope `{operation.scope}`.",
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation),
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(operation.body)}}}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "description": _PLACES[name], "schema": {"type": "string"}}
        for name in placeholders(operation)
    ]
    if operation.query is not None:
        schema = portable(msgspec.json.schema_components([operation.query])[1])[operation.query.__name__]
        found += [
            {"name": name, "in": "query", "required": False, "schema": described}
            for name, described in schema["properties"].items()
        ]
    if operation.idempotent:
        means = (
            "The same message has the same key, however often it is sent: it is stored once, and answered with the "
            "same seq for at least 10 minutes."
        )
        schema = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": r"^[A-Za-z0-9_.:\-]+$"}
        found.append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "description": means, "schema": schema}
        )
    return found


def _responses(operation: Operation) -> dict[str, Any]:
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.answer is not None:
        good["content"] = {"application/json": {"schema": _ref(operation.answer)}}
    responses = {str(operation.status): good}
    if operation.idempotent:
        responses["200"] = {**good, "description": "It was stored before, under this idempotency key."}
    for status in sorted(statuses(operation)):
        responses[str(status)] = {
            "description": _MEANS[status],
            "content": {problems.MEDIA_TYPE: {"schema": _ref(service.Problem)}},
        }
    return responses


def statuses(operation: Operation) -> set[int]:
    """The statuses of what may go wrong with an operation."""
    found = {*_COMMON, 400}
    if operation.body is not None:
        found |= {413, 415}
    if operation.method == "GET" and "room" in placeholders(operation) and operation.scope != "moderate":
        found.add(404)
    if operation.idempotent:
        found.add(422)
    return found


def _tag(operation: Operation) -> str:
    return operation.scope


def _ref(type_: Any) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{type_.__name__}"}
