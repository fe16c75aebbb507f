"""Who is in a room: connections, tabs, grace, other workers, and what members are told."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.roster import NAMED_AGAIN, Roster

B, C = 2, 4


def roster(*users: str, limit: int = 5) -> Roster:
    """A room where these have joined here, and which has said so."""
    room = Roster("lobby", limit)
    for user in users:
        room.enter(user, user.upper())
    room.push()
    room.unwritten.clear()
    return room


def told(room: Roster) -> dict[str, Any] | None:
    """The next push, without what every push has; people as user:name."""
    payload = room.push()
    return None if payload is None else plain(payload)


def plain(payload: bytes) -> dict[str, Any]:
    """A push, parsed: people as user:name."""
    push = json.loads(payload)
    assert (push.pop("type"), push.pop("room")) == ("presence", "lobby")
    for field in ("joined", "presence"):
        if field in push:
            push[field] = [f"{person['user']}:{person['name']}" for person in push[field]]
    return dict(push)


def summary(room: Roster) -> dict[str, Any]:
    """What one who joins is told."""
    return dict(json.loads(b"{" + room.summary() + b"}"))


# Here


def test_who_joins_is_told_to_all() -> None:
    """With the name, and how many people there are."""
    room = roster("ada")
    room.enter("bob", "Bob")
    assert told(room) == {"joined": ["bob:Bob"], "members": 2}
    assert told(room) is None
    assert summary(room) == {
        "members": 2,
        "presence": [{"user": "ada", "name": "ADA"}, {"user": "bob", "name": "Bob"}],
    }


def test_several_tabs_are_one_person() -> None:
    """It is there until the last of them has left."""
    room = roster()
    for _ in range(3):
        room.enter("ada", "Ada")
    assert told(room) == {"joined": ["ada:Ada"], "members": 1}
    room.leave("ada")
    room.leave("ada")
    assert (told(room), len(room)) == (None, 1)
    room.leave("ada")
    assert told(room) == {"left": ["ada"], "members": 0}


def test_a_lost_connection_is_no_leave_until_its_grace_is_over() -> None:
    """The person stays, for the others too."""
    room = roster("ada")
    assert room.lose("ada")
    assert (len(room), room.here, told(room), room.unwritten) == (1, 1, None, {})
    room.expire("ada")
    assert (told(room), room.unwritten) == ({"left": ["ada"], "members": 0}, {"ada": None})


def test_who_comes_back_within_the_grace_was_never_away() -> None:
    """Nobody hears of it, on any worker, and the grace that ends later does no harm."""
    room = roster("ada")
    assert room.lose("ada")
    room.enter("ada", "ADA")
    room.expire("ada")
    assert (len(room), told(room), room.unwritten) == (1, None, {})
    assert room.lose("ada")


def test_a_lost_tab_begins_no_grace_while_another_is_there() -> None:
    """Only the last one does."""
    room = roster("ada", "ada")
    assert not room.lose("ada")
    assert room.lose("ada")


def test_who_left_for_good_has_no_grace() -> None:
    """And what is left over of one does nothing."""
    room = roster("ada", "ada")
    assert not room.lose("ada")
    room.leave("ada")
    room.expire("ada")
    assert told(room) == {"left": ["ada"], "members": 0}
    room.leave("ada")
    assert not room.lose("ada")
    assert (len(room), room.here) == (0, 0)


def test_coming_and_going_between_two_pushes_is_nothing() -> None:
    """Changes are merged."""
    room = roster("ada", "bob")
    room.enter("cyd", "Cyd")
    room.leave("cyd")
    room.leave("bob")
    room.enter("bob", "BOB")
    assert told(room) is None


def test_coming_and_going_is_told_where_somebody_saw_the_middle() -> None:
    """Who joined in between was told who was there then: the push makes that right."""
    room = roster("ada", "bob")
    room.leave("bob")
    assert summary(room)["members"] == 1
    room.enter("bob", "BOB")
    assert told(room) == {"joined": ["bob:BOB"], "members": 2}
    assert told(room) is None


def test_a_new_name_is_told() -> None:
    """As a join of the same user."""
    room = roster("ada")
    room.enter("ada", "Grace")
    assert (told(room), room.unwritten) == ({"joined": ["ada:Grace"], "members": 1}, {"ada": "Grace"})


# Elsewhere


def test_a_user_on_two_workers_is_one_person() -> None:
    """There until gone from both; neither the second coming nor the first going is told."""
    room = roster("ada")
    assert room.take(B, 0, 7, {"ada": "ADA", "bob": "Bob"}, [], 2)
    assert told(room) == {"joined": ["bob:Bob"], "members": 2}
    room.leave("ada")
    assert told(room) is None
    assert room.take(B, 7, 9, {}, ["ada"], 1)
    assert told(room) == {"left": ["ada"], "members": 1}


def test_a_missed_change_is_noticed() -> None:
    """By its version; nothing is taken. What is known already is passed over."""
    room = roster()
    assert room.take(B, 0, 1, {"ada": "Ada"}, [], 1)
    assert not room.take(B, 2, 3, {"cyd": "Cyd"}, [], 3)
    assert "cyd" not in room
    assert room.take(B, 0, 1, {"bob": "Bob"}, [], 1)
    assert "bob" not in room
    room.replace(B, 3, {"bob": "Bob", "cyd": "Cyd"})
    assert told(room) == {"joined": ["bob:Bob", "cyd:Cyd"], "members": 2}
    assert room.take(B, 3, 4, {}, ["bob"], 1)


def test_a_place_where_nobody_is_left_is_forgotten() -> None:
    """Its next change begins anew."""
    room = roster()
    assert room.take(B, 0, 1, {"ada": "Ada"}, [], 1)
    assert room.take(B, 1, 2, {}, ["ada"], 0)
    assert room.versions == {}
    assert room.take(B, 0, 5, {"bob": "Bob"}, [], 1)


def test_a_dead_worker_takes_only_those_who_were_nowhere_else() -> None:
    """Everybody else stays."""
    room = roster("ada")
    room.replace(B, 1, {"ada": "ADA", "bob": "Bob", "cyd": "Cyd"})
    room.replace(C, 1, {"cyd": "Cyd"})
    assert told(room)
    room.drop(B)
    assert told(room) == {"left": ["bob"], "members": 2}
    room.forget_others()
    assert (told(room), room.local()) == ({"left": ["cyd"], "members": 1}, ["ada"])


# Many


def test_above_the_limit_people_are_counted() -> None:
    """No names, in no push and in no answer."""
    room = roster("a", "b", limit=2)
    room.enter("c", "C")
    assert (told(room), summary(room), room.people) == ({"members": 3}, {"members": 3}, {})
    room.enter("c", "C")
    assert told(room) is None
    room.enter("d", "D")
    room.leave("a")
    assert told(room) is None
    room.leave("b")
    assert told(room) == {"members": 2}


def test_a_room_that_has_become_small_is_known_by_name_again() -> None:
    """Once all names are at hand; members are told all of them."""
    users = [f"u{number}" for number in range(21)]
    room = roster(*users, limit=20)
    assert room.counted
    for user in users[18:]:
        room.leave(user)
    assert len(room) == NAMED_AGAIN * room.limit
    assert room.wants_names
    names = {user: user.upper() for user in users[:17]}
    assert not room.name_all(names)
    assert room.counted
    assert room.name_all({**names, "u17": "U17", "gone": "Gone"})
    push = told(room)
    assert push == {"members": 18, "presence": [f"{user}:{user.upper()}" for user in users[:18]]}
    room.leave("u0")
    assert told(room) == {"left": ["u0"], "members": 17}


def test_very_many_changes_are_told_as_a_whole() -> None:
    """A push has at most as many people as the limit, whatever came and went."""
    room = roster("a", limit=3)
    for number in range(20):
        room.enter(f"u{number}", "U")
        room.leave(f"u{number}")
    assert told(room) == {"presence": ["a:A"], "members": 1}


def test_who_missed_a_push_is_told_everything() -> None:
    """In one push that replaces what was known."""
    room = roster("a", "b")
    assert plain(room.full()) == {"presence": ["a:A", "b:B"], "members": 2}


# Whatever happens


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["enter", "leave", "lose", "expire", "B+", "B-", "C+", "C-", "dropB", "join", "push"]),
        st.sampled_from("abcdef"),
    ),
    max_size=60,
)


@given(MOVES)
def test_whoever_follows_the_pushes_knows_who_is_there(moves: list[tuple[str, str]]) -> None:
    """Clients that joined at any moment end with the same people, and so does a model that counts connections."""
    room = Roster("lobby", 10)
    versions = iter(range(1, 1000))
    tabs: dict[str, int] = {}
    grace: set[str] = set()
    others: dict[int, set[str]] = {B: set(), C: set()}
    clients: list[set[str]] = [set()]

    def push() -> None:
        payload = room.push()
        for client in clients if payload is not None else []:
            push = json.loads(payload or b"")
            client -= set(push.get("left", []))
            client |= {person["user"] for person in push.get("joined", [])}
            assert len(client) == push["members"]

    for move, user in moves:
        if move == "enter":
            tabs[user] = tabs.get(user, 0) + 1
            grace.discard(user)
            room.enter(user, user)
        elif move in ("leave", "lose") and tabs.get(user):
            tabs[user] -= 1
            if move == "leave":
                room.leave(user)
            elif room.lose(user):
                grace.add(user)
        elif move == "expire":
            grace.discard(user)
            room.expire(user)
        elif move == "dropB":
            others[B].clear()
            room.drop(B)
        elif move == "join":
            clients.append({person["user"] for person in summary(room)["presence"]})
        elif move == "push":
            push()
        elif move[1:] in ("+", "-"):
            place = B if move[0] == "B" else C
            (others[place].add if move[1] == "+" else others[place].discard)(user)
            change = ({user: user}, []) if move[1] == "+" else ({}, [user])
            assert room.take(place, room.versions.get(place, 0), next(versions), *change, len(others[place]))
    push()
    here = {user for user, number in tabs.items() if number} | grace
    assert room.here == len(here)
    assert {user for user in "abcdef" if user in room} == here | others[B] | others[C]
    assert all(client == here | others[B] | others[C] for client in clients)


def test_people_whose_names_look_alike_are_marked_while_both_are_there() -> None:
    """The one who was there is told again; when the other goes, the mark goes."""
    room = Roster("lobby", 5)
    room.enter("u1", "Ada")
    assert told_plainly(room)["joined"] == [{"user": "u1", "name": "Ada"}]
    room.enter("u2", "Аda")  # noqa: RUF001
    both = [{"user": "u1", "name": "Ada", "confusable": True}, {"user": "u2", "name": "Аda", "confusable": True}]  # noqa: RUF001
    push = told_plainly(room)
    assert sorted(push["joined"], key=lambda one: one["user"]) == both
    assert json.loads("{" + room.summary().decode() + "}")["presence"] == both
    room.leave("u2")
    push = told_plainly(room)
    assert (push["joined"], push["left"]) == ([{"user": "u1", "name": "Ada"}], ["u2"])
    assert room.push() is None


def told_plainly(room: Roster) -> dict[str, Any]:
    """The next push as it is."""
    payload = room.push()
    assert payload is not None
    return dict(json.loads(payload))
