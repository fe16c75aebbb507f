"""Answers of more than a word: who is here, which rooms there are, which orders. Pure."""

from __future__ import annotations

from app.client.link import Message
from app.client.room import Room
from app.terminal.orders import HELP
from app.terminal.text import inline
from app.terminal.transcript import Line, note

NAMES_SHOWN = 100


def who(room: Room) -> Line:
    """The people of a room, as far as they are named."""
    if room.members is None:
        return note("the server has not said yet who is here", "warning")
    names = sorted((inline(name, 40) for name in room.people.values()), key=str.casefold)[:NAMES_SHOWN]
    words = f"{room.members} {'person is' if room.members == 1 else 'people are'} here"
    if not names:
        return note(words)
    more = f" and {room.members - len(names)} more" if room.members > len(names) else ""
    return note(f"{words}: {', '.join(names)}{more}")


def rooms(reply: Message) -> list[Line]:
    """The rooms of the server, and those this user has with one other person."""
    lines = []
    for room in reply["rooms"]:
        topic = f"  {inline(room['topic'], 60)}" if room.get("topic") else ""
        lines.append(note(f"#{inline(room['room'], 64)}  {room.get('members', 0)} here{_unread(room)}{topic}"))
    lines += [note(f"@{inline(room['with']['name'], 40)}{_unread(room)}") for room in reply.get("direct", ())]
    return lines or [note("there are no rooms yet")]


def orders() -> list[Line]:
    """What one can type."""
    return [note(f"{f'/{name} {arguments}':17} {what}") for name, (arguments, what) in HELP.items()]


def _unread(room: Message) -> str:
    return f", {room['unread']} unread" if room.get("unread") else ""
