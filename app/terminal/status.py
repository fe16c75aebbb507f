"""The status line: which room, how many people, how the connection is, who types."""

from __future__ import annotations

from prompt_toolkit.utils import get_cwidth

from app.client import Client
from app.client.room import Room
from app.terminal.text import inline

NAMES_MAX = 3


def status(client: Client, room: Room | None, label: str, now: float) -> list[str]:
    """Its parts, the most important first. `now` is the event loop's clock."""
    parts = [label]
    if room is not None and room.joined and room.members is not None:
        parts.append(f"{room.members} {'person' if room.members == 1 else 'people'}")
    parts.append(_connection(client, now))
    if client.put_off is not None:
        parts.append(inline(str(client.put_off)))
    if client.pending:
        parts.append(f"{client.pending} not sent yet")
    if client.state == "online":
        parts.append(client.node)
        if client.latency_ms is not None:
            parts.append(f"{client.latency_ms:.0f} ms" if client.latency_ms >= 1 else "under 1 ms")
    if room is not None:
        parts += _typing(room, client.user, now) or ([inline(room.topic)] if room.topic else [])
    return parts


def _connection(client: Client, now: float) -> str:
    left = client.retry_at - now
    if client.state == "waiting" and left > 0.5:
        return f"reconnecting in {left:.0f} s"
    return "reconnecting" if client.state in ("waiting", "connecting") else client.state


def _typing(room: Room, me: str, now: float) -> list[str]:
    names = [inline(name, 40) for user, name in room.typists(now).items() if user != me]
    if not names:
        return []
    who = ", ".join(names) if len(names) <= NAMES_MAX else f"{len(names)} people"
    return [f"{who} {'is' if len(names) == 1 else 'are'} typing"]


def fit(parts: list[str], columns: int) -> str:
    """Parts of a status line in one row: those that have no room are left away, the last first."""
    text = ""
    for part in parts:
        longer = f"{text}  {part}" if text else f" {part}"
        if text and get_cwidth(longer) > columns:
            break
        text = longer
    while get_cwidth(text) > columns:
        text = text[:-1]
    return text + " " * (columns - get_cwidth(text))
