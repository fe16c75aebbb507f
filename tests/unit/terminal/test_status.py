"""The status line."""

from __future__ import annotations

import pytest
from prompt_toolkit.utils import get_cwidth

from app.client import Client, Refused
from app.client.room import Room
from app.terminal.status import fit, status


def present(**of_client: object) -> tuple[Client, Room]:
    """A client that is online in a room of three."""
    client, room = Client("ws://nowhere/ws"), Room("tea")
    vars(client).update({"state": "online", "user": "u1", "node": "w3", "latency_ms": 12.3, **of_client})
    room.joined, room.members = True, 3
    return client, room


def test_it_tells_the_room_the_people_and_the_connection() -> None:
    """The worker that serves, and how long a round trip takes."""
    assert status(*present(), "#tea", 0.0) == ["#tea", "3 people", "online", "w3", "12 ms"]
    assert status(*present(latency_ms=0.4), "#tea", 0.0)[-1] == "under 1 ms"


def test_it_counts_down_to_the_next_try() -> None:
    """Then it says that it tries; nothing is said of a worker that does not serve."""
    client, room = present(state="waiting", retry_at=103.2)
    room.joined = False
    assert status(client, room, "#tea", 100.0) == ["#tea", "reconnecting in 3 s"]
    assert status(client, room, "#tea", 103.0) == ["#tea", "reconnecting"]
    client.state = "connecting"
    assert status(client, None, "#tea", 103.0) == ["#tea", "reconnecting"]


def test_it_says_why_the_server_has_it_come_again_later() -> None:
    """In the server's words, behind the time that is left."""
    later = Refused("rate_limited", "too many new guests", temporary=True, retry=8.0)
    client, _ = present(state="waiting", retry_at=108.0, put_off=later)
    assert status(client, None, "#tea", 100.0) == ["#tea", "reconnecting in 8 s", "too many new guests"]


def test_others_who_type_come_before_the_topic() -> None:
    """The user's own typing is not told; many are counted."""
    client, room = present(latency_ms=None)
    room.topic = "Tea\nand cake"
    room.typing, room.typing_at = {"u1": "Me"}, 0.0
    assert status(client, room, "#tea", 0.0)[-1] == "Tea and cake"
    room.typing |= {"u2": "Bob"}
    assert status(client, room, "#tea", 0.0)[-1] == "Bob is typing"
    room.typing |= {"u3": "Eve", "u4": "Ned"}
    assert status(client, room, "#tea", 0.0)[-1] == "Bob, Eve, Ned are typing"
    room.typing |= {"u5": "Ann"}
    assert status(client, room, "#tea", 0.0)[-1] == "4 people are typing"


@pytest.mark.parametrize("columns", [1, 5, 20, 80])
def test_it_is_exactly_one_row(columns: int) -> None:
    """What has no room is left away, the least important first; wide characters count twice."""
    line = fit(["#\u65e5\u672c\u8a9e", "3 people", "online"], columns)
    assert get_cwidth(line) == columns
    assert line.startswith((" #\u65e5", " #", " ")[0 if columns >= 5 else 2])
    assert ("online" in line) == (columns == 80)
