"""Big rooms are written to in slices, in order, and small ones go between."""

from __future__ import annotations

import pytest

from app import fanout as module
from app.fanout import SLICE_MEMBERS, Fanout
from app.room import Room
from tests.fakes.loop import Loop


class Client:
    """A member that remembers what it was written, apart and joined."""

    behind = False

    def __init__(self, turns: list[str] | None = None, name: str = "") -> None:
        self.writes: list[bytes] = []
        self._turns = turns
        self._name = name

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        if self._turns is not None:
            self._turns.append(self._name)

    @property
    def heard(self) -> bytes:
        """All that was written, in order."""
        return b"".join(self.writes)


def room_of(count: int) -> tuple[Room, list[Client]]:
    """A room with so many members."""
    room, clients = Room("r"), [Client() for _ in range(count)]
    for client in clients:
        room.join(client)
    return room, clients


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def fanout(loop: Loop) -> Fanout:
    return Fanout(loop)  # type: ignore[arg-type]


def test_a_small_room_is_written_to_at_once(fanout: Fanout, loop: Loop) -> None:
    """No turn of the loop is waited for."""
    room, clients = room_of(SLICE_MEMBERS)
    fanout.send(room, b"a")
    assert all(client.writes == [b"a"] for client in clients)
    assert not loop.ready


def test_a_big_room_takes_a_turn_for_each_slice(fanout: Fanout, loop: Loop) -> None:
    """Everybody gets it once, and nothing is left to do afterwards."""
    room, clients = room_of(3 * SLICE_MEMBERS + 1)
    fanout.send(room, b"a")
    assert not any(client.writes for client in clients)
    loop.turn()
    assert [len(client.writes) for client in clients] == [1] * SLICE_MEMBERS + [0] * (2 * SLICE_MEMBERS + 1)
    assert loop.run() == 3
    assert all(client.writes == [b"a"] for client in clients)


@pytest.mark.parametrize("count", [2 * SLICE_MEMBERS, 2 * SLICE_MEMBERS + 5])
def test_what_comes_meanwhile_waits_joined(fanout: Fanout, loop: Loop, count: int) -> None:
    """In order for everybody, in two writes for three sends."""
    room, clients = room_of(count)
    fanout.send(room, b"a")
    loop.turn()
    fanout.send(room, b"b")
    fanout.send(room, b"c")
    loop.run()
    assert all(client.writes == [b"a", b"bc"] for client in clients)


def test_a_small_room_goes_between(fanout: Fanout, loop: Loop) -> None:
    """It does not wait for the end of a big one."""
    big, clients = room_of(2 * SLICE_MEMBERS)
    small, (one, _) = room_of(2)
    fanout.send(big, b"a")
    loop.turn()
    fanout.send(small, b"s")
    assert one.writes == [b"s"]
    assert clients[-1].writes == []


def test_big_rooms_take_turns(fanout: Fanout, loop: Loop) -> None:
    """None waits for the end of another."""
    turns: list[str] = []
    rooms = [Room("x"), Room("y")]
    for room in rooms:
        for _ in range(2 * SLICE_MEMBERS):
            room.join(Client(turns, room.name))
        fanout.send(room, b"a")
    loop.run()
    assert turns == [name for name in "xyxy" for _ in range(SLICE_MEMBERS)]


def test_who_leaves_is_written_nothing_more(fanout: Fanout, loop: Loop) -> None:
    """And who joins gets only what was delivered after."""
    room, clients = room_of(2 * SLICE_MEMBERS)
    fanout.send(room, b"a")
    fanout.send(room, b"b")
    loop.turn()
    room.leave(clients[-1])
    late = Client()
    room.join(late)
    fanout.send(room, b"c")
    loop.run()
    assert clients[-1].writes == []
    assert late.writes == [b"c"]
    assert all(client.heard == b"abc" for client in clients[:-1])


def test_a_room_that_shrinks_keeps_its_order(fanout: Fanout, loop: Loop) -> None:
    """It is small now, but what waits for it goes first."""
    room, clients = room_of(SLICE_MEMBERS + 10)
    fanout.send(room, b"a")
    for client in clients[5:]:
        room.leave(client)
    fanout.send(room, b"b")
    loop.run()
    assert all(client.heard == b"ab" for client in clients[:5])
    assert not any(client.writes for client in clients[5:])
    fanout.send(room, b"c")
    assert not loop.ready


def test_what_waits_is_bounded(fanout: Fanout, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too much, and the room is written to in one go."""
    monkeypatch.setattr(module, "WAITING_BYTES", 10)
    room, clients = room_of(2 * SLICE_MEMBERS)
    for _ in range(4):
        fanout.send(room, b"abc")
    assert not any(client.writes for client in clients)
    fanout.send(room, b"abc")
    assert all(client.heard == b"abc" * 5 for client in clients)
    loop.run()
    assert all(client.heard == b"abc" * 5 for client in clients)


def test_a_failing_member_does_not_stop_a_slice(fanout: Fanout, loop: Loop) -> None:
    """It is out of the room, and the others notice nothing."""

    class Broken(Client):
        def write(self, data: bytes) -> None:
            raise OSError("gone")

    room, clients = room_of(2 * SLICE_MEMBERS)
    broken = Broken()
    room.join(broken)
    fanout.send(room, b"a")
    loop.run()
    assert broken not in room
    assert all(client.writes == [b"a"] for client in clients)


def test_a_slice_that_fails_does_not_stop_the_others(fanout: Fanout, loop: Loop) -> None:
    """An error nobody foresaw ends one slice; what is left is written all the same."""

    class Wrong(Client):
        def write(self, data: bytes) -> None:
            raise ValueError("a mistake")

    room, clients = room_of(SLICE_MEMBERS - 1)
    room.join(Wrong())
    late = [Client() for _ in range(SLICE_MEMBERS)]
    for client in late:
        room.join(client)
    fanout.send(room, b"a")
    with pytest.raises(ValueError, match="mistake"):
        loop.turn()
    loop.run()
    assert all(client.writes == [b"a"] for client in [*clients, *late])
