"""The Python client where moderators have their say, and tokens that end while it is connected."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from app.client import Client, Refused, Tuning, renewal
from app.tokens import make
from tests.fakes.double import FAST, Double, Notes
from tests.support import Server, until_async

SECRET = "one secret of more than thirty-two characters"
Message = dict[str, Any]


def token(user: str = "mod", seconds: int = 600, **rooms: str) -> str:
    """A token for who moderates rooms."""
    return make(SECRET, user, seconds, {"name": user.title(), "rooms": rooms})


async def test_moderators_and_those_concerned(server: Callable[..., Server], room: str) -> None:
    """Muted, heard again, taken out and not back by itself, banned for good: each is told, and knows."""
    here = server(token_secret=SECRET)
    notes = Notes()
    async with Client(here.ws, token=token(**{"*": "moderate"})) as mod, Client(here.ws, name="Eve", on=notes) as eve:
        for client in (mod, eve):
            await client.join(room)
        assert mod.rooms[room].rights == ["read", "write", "moderate"]
        await mod.moderator.mute(eve.user, 600, room, "be nice")
        await until_async(lambda: eve.rooms[room].muted_until, "she knows that she is muted")
        with pytest.raises(Refused) as muted:
            await eve.send(room, "hi")
        assert (muted.value.code, muted.value.temporary, muted.value.retry > 500) == ("muted", False, True)
        assert (await mod.moderator.list(room))["held"][0]["reason"] == "be nice"
        assert await mod.moderator.unmute(eve.user, room)
        await until_async(lambda: not eve.rooms[room].muted_until, "she may write again")
        await eve.send(room, "hi")
        await mod.moderator.kick(eve.user, room)
        await until_async(lambda: room not in eve.rooms, "she is out")
        assert [(one["room"], one["error"].code) for one in notes.of("refused")] == [(room, "kicked")]
        with pytest.raises(Refused):
            await eve.send(room, "hi")
        await eve.join(room)
        await mod.moderator.mute(eve.user, 0)
        await until_async(lambda: eve.rooms[room].muted_until == math.inf, "she is muted everywhere, for ever")
        await mod.moderator.ban(eve.user, addresses=False, reason="enough")
        with pytest.raises(Refused) as banned:
            await eve.stay()
        assert banned.value.code == "banned"
        with pytest.raises(Refused) as again:
            await Client(here.ws, guest=eve.guest).start()
        assert again.value.code == "forbidden"
        assert await mod.moderator.unban(eve.user)
    async with Client(here.ws, guest=eve.guest) as back:
        assert back.user == eve.user


async def test_a_token_is_renewed_before_it_ends(server: Callable[..., Server], room: str) -> None:
    """The connection goes on beyond the end of the first, and the new one's rights hold."""
    here = server(token_secret=SECRET, token_leeway_seconds="0")
    given: list[str] = []

    def next_token() -> str:
        given.append(token("ada", 3, **{room: "moderate" if given else "read"}))
        return given[-1]

    notes = Notes()
    async with Client(here.ws, token=next_token, on=notes) as ada:
        await ada.join(room)
        with pytest.raises(Refused):
            await ada.send(room, "hi")
        await until_async(lambda: len(given) >= 4, "it was renewed thrice")
        await ada.send(room, "hi")
        assert len(notes.of("welcome")) == 1
        assert ada.code == 0


async def test_while_there_is_no_newer_token_it_is_asked_for_again(
    double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same one is not sent; a function that fails, or a refusal, is not the end of it; its end is."""
    monkeypatch.setattr(renewal, "AGAIN_SECONDS", 0.02)
    welcome = {"type": "welcome", "user": "u1", "name": "Ada", "ping": 25, "node": "n1", "exp": 4}
    double.answer["hello"] = lambda _: welcome
    errors: list[Message] = [{"type": "error", "code": "unauthorized", "message": "no", "temporary": False}]
    double.answer["refresh"] = lambda _: errors.pop() if errors else {"type": "refreshed", "exp": 600}
    answers = ["one", "one", "", "two", "three"]

    def next_token() -> str:
        if not answers[0]:
            answers.pop(0)
            raise OSError("away")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async with Client(double.url, token=next_token, tuning=FAST):
        await until_async(lambda: len(double.requests("refresh")) == 2, "two tokens were brought")
        assert [one["token"] for one in double.requests("refresh")] == ["two", "three"]


async def test_a_room_lost_by_rights_is_not_entered_again(double: Double) -> None:
    """What waits to be sent there fails; other rooms go on; nor is it joined after a reconnect."""
    notes = Notes()
    async with Client(double.url, name="Ada", on=notes, tuning=FAST) as client:
        await client.join("r")
        await double.push(type="left", room="r", reason="rights")
        await until_async(lambda: "r" not in client.rooms, "it is out")
        assert notes.of("left") == [{"type": "left", "room": "r", "reason": "rights"}]
        client.cut()
        await until_async(lambda: len(notes.of("welcome")) == 2, "it is back")
        assert len(double.requests("join")) == 1


def test_the_times_of_a_renewal_suit_each_other() -> None:
    """A token is renewed well before a request would be given up."""
    assert Tuning().reply_seconds + 2 * renewal.AGAIN_SECONDS < renewal.EARLY_SECONDS
