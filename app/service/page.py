"""The page `/docs`: the HTTP API and the websocket protocol, to be read by people; made from the same types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any

from app.protocol import openapi, problems, shapes
from app.protocol.operations import BASE, OPERATIONS, Operation

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Parley: reference</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="/web/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/web/style/reference.css">
</head>
<body>
<header>
<h1>Parley</h1>
<p>For programs: <a href="/openapi.json">openapi.json</a> and <a href="/asyncapi.json">asyncapi.json</a>.
<a href="/">To the chat</a></p>
<nav aria-label="Contents"><ul>{contents}</ul></nav>
</header>
<main>
<section aria-labelledby="http">
<h2 id="http">HTTP API</h2>
<p>For back ends. Each request carries an API key, which <code>parley key create</code> makes:
<code>Authorization: Bearer pk_…</code>. Bodies are JSON, <code>Content-Type: application/json</code>.
Errors are <code>application/problem+json</code>; their <code>code</code> says what is wrong.</p>
{operations}
<h3 id="types">Types</h3>
{types}
<h3 id="problems">Problems</h3>
{problems}
</section>
<section aria-labelledby="websocket">
<h2 id="websocket">Websocket protocol</h2>
<p>At <code>/ws</code>: text frames, one JSON object each; <code>hello</code> comes first. Replies carry the
<code>id</code> of their request.</p>
<h3 id="client">What a client says</h3>
{client}
<h3 id="server">What the server says</h3>
{server}
</section>
</main>
</body>
</html>
"""


@cache
def page() -> bytes:
    """The page as UTF-8."""
    links = [f'<li><a href="#{one.name}">{_title(one)}</a></li>' for one in OPERATIONS]
    links += [f'<li><a href="#{name}">{title}</a></li>' for name, title in _PLACES.items()]
    requests = [(shapes.tag(one), _named(one), ", ".join(shapes.REPLIES[shapes.tag(one)])) for one in shapes.CLIENT]
    said = [(shapes.tag(one), _named(one), " ".join((one.__doc__ or "").split())) for one in shapes.SERVER]
    return _PAGE.format(
        contents="".join(links),
        operations="".join(map(_operation, OPERATIONS)),
        types="".join(map(_type, sorted(_shared()))),
        problems=_table(("status", "code"), [(str(status), code) for code, status in problems.STATUS.items()]),
        client=_table(("type", "fields", "answered by"), requests),
        server=_table(("type", "fields", "meaning"), said),
    ).encode()


_PLACES = {
    "types": "Types",
    "problems": "Problems",
    "client": "Websocket: what a client says",
    "server": "Websocket: what the server says",
}


def _title(operation: Operation) -> str:
    return escape(operation.summary.removesuffix("."))


def _operation(operation: Operation) -> str:
    described = openapi.tree()["paths"][BASE + operation.path][operation.method.lower()]
    scope = f"<p>Scope <code>{operation.scope}</code>{', for all rooms' if operation.everywhere else ''}.</p>"
    parts = [
        f'<article id="{operation.name}" aria-labelledby="{operation.name}-title">',
        f'<h3 id="{operation.name}-title">{_title(operation)}</h3>',
        f"<p><code><b>{operation.method}</b> {escape(BASE + operation.path)}</code></p>",
        scope,
    ]
    if described["parameters"]:
        rows = [
            (one["name"], one["in"], _kind(one["schema"]), one.get("description", ""))
            for one in described["parameters"]
        ]
        parts += ["<h4>Parameters</h4>", _table(("name", "in", "type", "meaning"), rows)]
    for title, type_ in (("Body", operation.body), ("Answer", operation.answer)):
        if type_ is not None:
            parts += [f"<h4>{title}</h4>", f"<p>{_words(type_.__doc__ or '')}</p>", _fields(type_.__name__)]
    answers = [(status, one["description"]) for status, one in sorted(described["responses"].items())]
    return "".join([*parts, "<h4>Statuses</h4>", _table(("status", "meaning"), answers), "</article>"])


def _shared() -> set[str]:
    """The types that others are made of."""
    named = {type_.__name__ for one in OPERATIONS for type_ in (one.body, one.answer) if type_ is not None}
    return set(openapi.tree()["components"]["schemas"]) - named


def _type(name: str) -> str:
    described = str(openapi.tree()["components"]["schemas"][name].get("description", ""))
    return f'<h4 id="{name}">{name}</h4><p>{_words(described)}</p>{_fields(name)}'


def _words(text: str) -> str:
    """A sentence, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(" ".join(text.split())))


def _fields(name: str) -> str:
    schema = openapi.tree()["components"]["schemas"][name]
    needed = schema.get("required", [])
    rows = [(name, _kind(one), "always" if name in needed else "") for name, one in schema["properties"].items()]
    return _table(("field", "type", "there"), rows)


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kind = str(schema.get("type", "any"))
    names = ("minLength", "maxLength") if kind == "string" else ("minimum", "maximum")
    low, high = (schema.get(name) for name in names)
    unit = " characters" if kind == "string" else ""
    if high is not None and high != 2**53:
        return f"{kind}, {low or 0} to {high}{unit}"
    return f"{kind}, not empty" if low and unit else kind


def _named(type_: Any) -> str:
    return ", ".join(name if required else f"{name}?" for name, required, _ in shapes.fields(type_))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{_cell(number, cell)}</td>" for number, cell in enumerate(row)) + "</tr>" for row in rows
    )
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="group">{table}</div>'


def _cell(column: int, text: str) -> str:
    return _words(text) if column or not text else f"<code>{escape(text)}</code>"
