"""The documents say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app import events
from app.protocol import bodies, codes, replies, requests
from docs import reference

ROOT = Path(__file__).parent.parent.parent
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
EXAMPLES = [line for block in re.findall(r"```json\n(.*?)```", PROTOCOL, re.DOTALL) for line in block.splitlines()]
REPLIES: dict[str, Any] = {
    struct.__struct_config__.tag: struct
    for struct in (
        replies.Welcome,
        replies.Refreshed,
        replies.Ack,
        replies.ReadTo,
        replies.Direct,
        replies.Mentioned,
        replies.Left,
        replies.Pong,
        replies.GoingAway,
        replies.Error,
        replies.Presence,
        replies.Typists,
        replies.RoomList,
        replies.Kicked,
        replies.Muted,
        replies.Unmuted,
        replies.Banned,
        replies.Unbanned,
        replies.ModerationList,
        replies.Moderated,
    )
}
BODIES: dict[str, Any] = {
    "message": bodies.MessageBody,
    "edited": bodies.EditedBody,
    "deleted": bodies.DeletedBody,
    "reacted": bodies.ReactedBody,
    "topic": bodies.TopicBody,
}

REQUESTS = PROTOCOL.partition("## What a client says")[2].partition("## What the server says")[0]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_protocol_is_read_by_its_type(example: str) -> None:
    """Requests by the server's decoder; replies and events field by field."""
    type_ = json.loads(example)["type"]
    if example.startswith('{"seq"'):
        body = msgspec.json.decode(example, type=BODIES[type_])
        head = events.head(example.encode())
        rest = json.dumps(json.loads(replies.encode(body)), separators=(",", ":"), ensure_ascii=False)[1:-1]
        own = f'{{"seq":{head.seq},"mid":"{head.mid}","ts":{head.ts},{rest}'
        assert example.startswith(own)
        folded = json.loads("{" + example.removeprefix(own).lstrip(","))
        assert set(folded) <= ({"edited", "edit", "reactions", "mentions", "deleted"} if type_ == "message" else set())
    elif type_ in REPLIES and example not in REQUESTS:
        reply = msgspec.json.decode(example, type=REPLIES[type_])
        assert json.loads(replies.encode(reply)) == json.loads(example)
    else:
        assert requests.decode(example.encode()).__struct_config__.tag == type_


@pytest.mark.parametrize("page", reference.PAGES)
def test_reference_pages_are_what_the_code_says(page: str) -> None:
    """After a change of settings, metrics or messages: `make docs`."""
    written = (ROOT / "docs" / page).read_text()
    assert written == reference.PAGES[page](), f"docs/{page} is not up to date: make docs"


def test_every_close_code_is_explained() -> None:
    """The table of close codes names all of them."""
    table = PROTOCOL.partition("| code |")[2]
    assert {int(code) for code in re.findall(r"\b[14]\d{3}\b", table)} >= {code.value for code in codes.CloseCode}


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    """Links and paths lead somewhere."""
    text = document.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    paths = re.findall(r"`((?:app|tests|docs|bench|deploy)/[\w./-]+\.\w+)`", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []
