"""The OpenAPI document is one, says what the operations say, and requests find their operation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.errors import BadRequest, NotConfirmed, RateLimited
from app.protocol import openapi, problems
from app.protocol.operations import BASE, OPERATIONS, find, placeholders

DOCUMENT: dict[str, Any] = json.loads(openapi.document())


def test_the_document_is_valid() -> None:
    """OpenAPI 3.1, by a validator that others wrote."""
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    assert "\\\\Z" not in openapi.document().decode()


def test_every_operation_is_described() -> None:
    """With its scope, its parts and its problems; and none is there that is not carried out."""
    described = {(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(one.method.lower(), BASE + one.path) for one in OPERATIONS}
    for one in OPERATIONS:
        found = DOCUMENT["paths"][BASE + one.path][one.method.lower()]
        assert found["operationId"] == one.name
        assert found["summary"].endswith(".")
        assert f"`{one.scope}`" in found["description"]
        named = [parameter["name"] for parameter in found["parameters"] if parameter["in"] == "path"]
        assert named == list(placeholders(one))
        assert ("requestBody" in found) == (one.body is not None)
        assert {"401", "403", "429", "503", str(one.status)} <= found["responses"].keys()
    assert len({one.name for one in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_a_path_finds_its_operation(operation: Any) -> None:
    """With what stands in it, decoded."""
    names = {name: f"a-é/{name}" for name in placeholders(operation)}
    path = BASE + operation.path.format(**{name: f"a-%C3%A9%2F{name}" for name in names})
    found = find(path)
    assert found.methods[operation.method] is operation
    assert found.names == names


@pytest.mark.parametrize(
    "path", ["", "/", BASE, BASE + "/", BASE + "/rooms/", BASE + "//rooms", "/api/v2/rooms", "/rooms"]
)
def test_other_paths_find_nothing(path: str) -> None:
    """Not even with a slash more."""
    assert find(path).methods == {}


def test_a_path_that_is_no_text_is_refused() -> None:
    """Half a letter."""
    with pytest.raises(BadRequest):
        find(f"{BASE}/rooms/%c3")


def test_a_problem_says_what_went_wrong() -> None:
    """And when to come again, in whole seconds and never too soon."""
    body, headers = problems.told(RateLimited("too often", 1.2))
    assert (body.status, body.code, body.temporary, body.retry) == (429, "rate_limited", True, 1.2)
    assert (body.type, body.title) == ("urn:parley:problem:rate_limited", "Too Many Requests")
    assert headers == {"retry-after": "2"}
    body, headers = problems.told(NotConfirmed("unknown"))
    assert (body.status, headers) == (503, {"retry-after": "1"})
    body, headers = problems.told(problems.WrongMethod(["GET", "HEAD"]))
    assert (body.status, headers) == (405, {"allow": "GET, HEAD"})
    assert problems.told(problems.KeyReused("x"))[0].status == 422
    assert [problems.code_of(status) for status in (404, 405, 408, 500)] == [
        "not_found",
        "method_not_allowed",
        "request_timeout",
        "internal",
    ]
