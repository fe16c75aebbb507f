"""The people of a worker: registry, channels, notices."""

from __future__ import annotations

import itertools
from typing import Any

from msgspec import Raw
from structlog.testing import capture_logs

from app.backplane import keys
from app.backplane.personal import Mark, Notice, encode
from app.metrics import Counters
from app.people import People
from app.protocol.names import handle

CHANNEL = keys.people(0)


class Channels:
    """Notes what is wanted."""

    def __init__(self) -> None:
        self.wanted: set[bytes] = set()

    def want(self, channel: bytes) -> None:
        assert channel not in self.wanted
        self.wanted.add(channel)

    def unsubscribe(self, channel: bytes) -> None:
        self.wanted.remove(channel)


class Outbox:
    """Reads, or does not."""

    behind = False


class Guest:
    """What a registry needs of a member."""

    def __init__(self, user: str, conn: str = "c", *rooms: str) -> None:
        self.handle, self.conn, self.rooms = handle(user), conn, rooms
        self.outbox = Outbox()
        self.told: list[bytes] = []

    def joined(self, room: str) -> Any:
        return room if room in self.rooms else None

    def reply(self, payload: bytes) -> None:
        self.told.append(payload)


def people_with(*guests: Guest) -> tuple[People, Channels]:
    """A registry they have entered."""
    channels = Channels()
    people = People(channels, Counters())
    for guest in guests:
        people.enter(guest)  # type: ignore[arg-type]
    return people, channels


def notice(user: str, **more: Any) -> bytes:
    """Something to be told."""
    return encode(Notice(handle(user), Raw(b'{"type":"x"}'), **more))


def test_a_person_is_all_its_connections() -> None:
    """They come and go in any order; the last one takes the person along."""
    guests = [Guest("u1"), Guest("u1"), Guest("u1"), Guest("u2")]
    for order in itertools.permutations(guests[:3]):
        people, channels = people_with(*guests)
        assert people.here(handle("u1")) == tuple(guests[:3])
        for number, guest in enumerate(order):
            people.leave(guest)  # type: ignore[arg-type]
            people.leave(guest)  # type: ignore[arg-type]
            assert set(people.here(handle("u1"))) == set(order[number + 1 :])
        assert (len(people), len(channels.wanted)) == (1, 1)
        people.leave(guests[3])  # type: ignore[arg-type]
        assert (len(people), channels.wanted) == (0, set())


def test_persons_of_a_shard_share_a_channel() -> None:
    """It is heard from the first to the last of them."""
    by_shard: dict[int, list[str]] = {}
    for number in range(5000):
        by_shard.setdefault(keys.shard(handle(f"u{number}")), []).append(f"u{number}")
    assert len(by_shard) > 0.95 * keys.PEOPLE_SHARDS
    assert set(by_shard) <= set(range(keys.PEOPLE_SHARDS))
    shard, users = next((shard, users) for shard, users in by_shard.items() if len(users) > 2)
    guests = [Guest(user) for user in users]
    people, channels = people_with(*guests)
    for guest in guests:
        assert channels.wanted == {keys.people(shard)}
        people.leave(guest)  # type: ignore[arg-type]
    assert channels.wanted == set()


def test_a_notice_reaches_the_person_it_is_for() -> None:
    """All connections, but for the one that knows, those in the room it is about, and those that are behind."""
    one, two, inside, slow, other = Guest("u1", "a"), Guest("u1", "b"), Guest("u1", "c", "r"), Guest("u1"), Guest("u2")
    slow.outbox.behind = True
    people, _ = people_with(one, two, inside, slow, other)
    people.hear(CHANNEL, notice("u1"))
    people.hear(CHANNEL, notice("u1", skip="a"))
    people.hear(CHANNEL, notice("u1", elsewhere="r"))
    people.hear(CHANNEL, notice("nobody"))
    assert [len(guest.told) for guest in (one, two, inside, slow, other)] == [2, 3, 2, 0, 0]
    assert set(two.told) == {b'{"type":"x"}'}


def test_what_is_no_notice_is_dropped() -> None:
    """Whatever others publish there."""
    guest = Guest("u1")
    people, _ = people_with(guest)
    for data in (b"", b"{}", b"[]", b'["x"]', b"\xff", b'["x",{},1]'):
        people.hear(CHANNEL, data)
    assert guest.told == []


def test_what_comes_late_for_a_room_is_no_notice() -> None:
    """A room that was closed a moment ago may still be published in: that is nobody's mistake, and no news."""
    guest = Guest("u1")
    people, _ = people_with(guest)
    with capture_logs() as logged:
        people.hear(keys.events("lobby"), notice("u1"))
        people.hear(keys.feed("lobby"), b"\xff")
    assert (guest.told, logged) == ([], [])


def test_marks_are_passed_on() -> None:
    """To whoever keeps them."""
    people, _ = people_with()
    heard: list[Notice] = []
    people.on_mark = heard.append
    people.hear(CHANNEL, notice("u1", mark=Mark("e", 5, 1)))
    people.hear(CHANNEL, notice("u1"))
    assert [one.mark for one in heard] == [Mark("e", 5, 1)]
