"""JSON schemas of the message types, as other languages read them."""

from __future__ import annotations

from typing import Any


def portable(schema: Any) -> Any:
    """A schema with the end of a text in patterns as $ instead of Python's \\Z."""
    if isinstance(schema, list):
        return [portable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: portable(value) for key, value in schema.items()}
    if isinstance(found.get("pattern"), str):
        found["pattern"] = found["pattern"].replace(r"\Z", "$")
    return found
