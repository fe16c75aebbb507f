"""What a line means that somebody typed: words for the room, or an order to this program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

HELP = {
    "join": ("ROOM", "enter a room, or turn to one you are in; @NAME for one person"),
    "leave": ("", "leave this room"),
    "who": ("", "who is here"),
    "msg": ("NAME TEXT", "write to one person alone"),
    "rooms": ("", "the rooms there are"),
    "topic": ("[TEXT]", "show the topic, or set it; - removes it"),
    "edit": ("TEXT", "give your last message another text"),
    "delete": ("", "delete your last message"),
    "react": ("EMOJI", "put an emoji to the last message"),
    "older": ("", "show what came before"),
    "help": ("", "this list (to send a slash first, type two)"),
    "quit": ("", "leave (also Ctrl-C, Ctrl-D)"),
}
NEEDED = frozenset({"join", "msg", "edit", "react"})


@dataclass(frozen=True, slots=True)
class Words:
    """A text to be sent."""

    text: str


@dataclass(frozen=True, slots=True)
class Order:
    """One of HELP, with what follows it."""

    name: str
    rest: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """Not understood; `message` says why."""

    message: str


def understand(line: str) -> Words | Order | Wrong | None:
    """The meaning of a line; None where it says nothing."""
    if not line.strip():
        return None
    if line.startswith("//"):
        return Words(line[1:])
    if not line.startswith("/"):
        return Words(line)
    name, _, rest = line[1:].strip().partition(" ")
    rest = rest.strip()
    if name not in HELP:
        return Wrong(f"there is no /{name}; /help lists what there is")
    if name in NEEDED and not rest:
        return Wrong(f"/{name} {HELP[name][0]}: {HELP[name][1]}")
    return Order(name, rest)


def addressees(rest: str, names: Mapping[str, str]) -> tuple[list[str], str]:
    """Split NAME [TEXT] by the names of people: the users called so, and the text.

    `names` maps users to names. The longest name that fits is meant, whatever its case; a user's id is a name too.
    """
    folded = rest.casefold()
    called: dict[str, list[str]] = {}
    for user, name in names.items():
        for known in {name.casefold(), user.casefold()}:
            if folded == known or folded.startswith(known + " "):
                called.setdefault(known, []).append(user)
    if not called:
        return [], ""
    longest = max(called, key=len)
    return called[longest], rest[len(longest) :].strip()
