"""Those who moderate, and those they deal with."""

from __future__ import annotations

from typing import Any

from app.auth import Identity
from app.grants import Right, Rules
from app.moderation import By
from app.tokens import make
from tests.fakes.worker import Visitor, Worker

SECRET = "one secret of more than thirty-two characters"
RULES = Rules([("closed", Right.NONE)], {"lobby": ["by-rule"]})
SOMEBODY = By("api:ops", "Ops")


async def signed_in(worker: Worker, user: str = "mod", **claims: Any) -> Visitor:
    """Somebody with a token."""
    visitor = worker.connect()
    await visitor.ask("hello", token=make(SECRET, user, 60, {"name": user.title(), **claims}))
    return visitor


async def moderator(worker: Worker, **rooms: str) -> Visitor:
    """Who moderates the lobby, or what is given."""
    return await signed_in(worker, rooms=rooms or {"lobby": "moderate"})


async def guest(worker: Worker, *rooms: str, name: str = "Eve", address: str = "") -> Visitor:
    """A guest in rooms."""
    visitor = worker.connect()
    visitor.connection.address = address
    await visitor.ask("hello", name=name)
    for room in rooms:
        assert (await visitor.ask("join", room=room))["type"] == "joined"
    return visitor


def token_of(visitor: Visitor) -> str:
    """What makes somebody the same guest elsewhere."""
    return visitor.worker.guests.token(Identity(visitor.member.user, visitor.member.name))


def told(visitor: Visitor, type_: str) -> list[dict[str, Any]]:
    """The pushes of a type."""
    return [push for push in visitor.pushes if push["type"] == type_]
