"""Who comes in, and who does not."""

from __future__ import annotations

import pytest

from app.greeting import HELLO_SECONDS
from tests.fakes.worker import Worker


async def test_a_guest_is_welcomed(worker: Worker) -> None:
    """With who it is, what it may do, and how to come back."""
    ada = worker.connect()
    welcome = await ada.ask("hello", name=" Ada ", session="tab-1")
    assert (welcome["name"], welcome["session"], welcome["node"], welcome["ping"]) == ("Ada", "tab-1", "n1", 25)
    assert welcome["limits"] == {"text": 100, "frame": 65536, "rooms": 5, "rate": 20, "unacked": 32}
    again = await worker.connect().ask("hello", guest=welcome["guest"])
    assert (again["user"], again["name"]) == (welcome["user"], "Ada")
    renamed = await worker.connect().ask("hello", guest=welcome["guest"], name="Grace")
    assert (renamed["user"], renamed["name"]) == (welcome["user"], "Grace")


async def test_without_a_session_the_connection_is_one(worker: Worker) -> None:
    """Its own id, so that no two connections share their cids."""
    one, two = worker.connect(), worker.connect()
    sessions = [(await visitor.ask("hello", name="Ada"))["session"] for visitor in (one, two)]
    assert sessions == [one.member.conn, two.member.conn]
    assert len(set(sessions)) == 2


async def test_whoever_says_nothing_is_sent_away(worker: Worker) -> None:
    """HELLO_SECONDS after connecting: 4502. Who has said hello stays."""
    silent, ada = worker.connect(), await worker.visitor()
    silent.raw(b"not a hello")
    worker.later(HELLO_SECONDS - 0.1)
    assert silent.connection.is_open
    worker.later(0.1)
    assert (silent.code, ada.code) == (4502, None)


async def test_whoever_does_not_begin_with_hello_is_sent_away(worker: Worker) -> None:
    """With an error that says so, and 4502."""
    visitor = worker.connect()
    number = visitor.say("join", room="lobby")
    assert (await visitor.reply(number))["code"] == "unauthorized"
    assert visitor.code == 4502
    assert worker.hub.get("lobby") is None


async def test_a_second_hello_is_a_bad_request(worker: Worker) -> None:
    """Nobody becomes somebody else on one connection."""
    ada = await worker.visitor()
    assert (await ada.ask("hello", name="Bob"))["code"] == "bad_request"
    assert (ada.member.name, ada.code) == ("Ada", None)


@pytest.mark.parametrize("hello", [{"token": "jwt"}, {"guest": "forged"}])
async def test_a_wrong_token_is_refused_for_good(worker: Worker, hello: dict[str, str]) -> None:
    """4500: coming back with the same one would not help."""
    visitor = worker.connect()
    assert (await visitor.ask("hello", **hello))["code"] == "unauthorized"
    assert visitor.code == 4500


async def test_a_guest_whose_token_is_too_old_comes_in_as_new(worker: Worker) -> None:
    """Under the name given with it."""
    visitor = worker.connect()
    assert (await visitor.ask("hello", guest="too old", name="Ada"))["name"] == "Ada"


@pytest.mark.parametrize("hello", [{}, {"name": ""}, {"name": "a\nb"}, {"name": "x" * 10_000}])
async def test_a_hello_without_a_proper_name_may_be_said_again(worker: Worker, hello: dict[str, str]) -> None:
    """A bad request is no reason to send anybody away."""
    visitor = worker.connect()
    assert (await visitor.ask("hello", **hello))["code"] == "bad_request"
    assert (await visitor.ask("hello", name="Ada"))["type"] == "welcome"
