"""JSON schemas of the message types, as other languages read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def portable(schema: Any) -> Any:
    """A schema with the end of a text in patterns as $ instead of Python's \\Z."""
    return mended(schema, _dollar)


def mended(schema: Any, mend: Callable[[dict[str, Any]], None]) -> Any:
    """A copy of a schema in which `mend` has changed every object, the inner ones first."""
    if isinstance(schema, list):
        return [mended(one, mend) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: mended(value, mend) for key, value in schema.items()}
    mend(found)
    return found


def _dollar(schema: dict[str, Any]) -> None:
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = schema["pattern"].replace(r"\Z", "$")
