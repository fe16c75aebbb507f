"""Who is banned or muted where."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from app.errors import BadRequest
from app.sanctions import BAN, KICK, MUTE, Held, Sanction, Sanctions, span


class Clock:
    """A time to be set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def of(*held: Held, clock: Clock | None = None) -> Sanctions:
    """Sanctions that hold."""
    sanctions = Sanctions(clock or Clock())
    for one in held:
        sanctions.put(one)
    return sanctions


def held(kind: str, user: str = "", room: str = "", until: float = math.inf, **more: str) -> Held:
    """One that holds."""
    return Held(Sanction(kind, room, user, **more), 900.0, until)


def test_a_mute_holds_in_its_room_or_everywhere() -> None:
    """For its user, and in no other way."""
    sanctions = of(held(MUTE, "u1", "r"), held(MUTE, "u2"), held(BAN, "u3", "r"))
    found = {(user, room): sanctions.mute(user, room) for user in ("u1", "u2", "u3") for room in ("r", "s")}
    assert {place for place, one in found.items() if one} == {("u1", "r"), ("u2", "r"), ("u2", "s")}
    assert sanctions.mute("u", "r u1") is None


def test_a_ban_holds_in_its_room() -> None:
    """That from the server is asked for by itself."""
    sanctions = of(held(BAN, "u1", "r"), held(BAN, "u2"), held(MUTE, "u3", "r"))
    found = {(user, room): sanctions.ban(user, "", room) for user in ("u1", "u2", "u3") for room in ("r", "s", "")}
    assert {place for place, one in found.items() if one} == {("u1", "r"), ("u2", "")}


def test_what_has_an_end_ends() -> None:
    """At its moment; what is over is forgotten, what is for ever is not."""
    clock = Clock()
    sanctions = of(held(MUTE, "u1", "r", until=1010.0), held(MUTE, "u2", "r"), clock=clock)
    one, two = sanctions.mute("u1", "r"), sanctions.mute("u2", "r")
    assert one is not None
    assert two is not None
    assert (sanctions.seconds(one), sanctions.seconds(two)) == (10.0, None)
    clock.now = 1010.0
    assert sanctions.mute("u1", "r") is None
    assert (len(sanctions), len(sanctions.listed("r"))) == (2, 1)
    sanctions.prune()
    assert [one.sanction.user for one in sanctions] == ["u2"]


@pytest.mark.parametrize(
    ("banned", "peer", "hit"),
    [
        ("203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("203.0.113.77/24", "203.0.113.8", True),
        ("203.0.113.77/24", "203.0.114.8", False),
        ("2001:db8:1:2::9", "2001:db8:1:2:ffff::1", True),
        ("2001:db8:1:2::9", "2001:db8:1:3::9", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("203.0.113.7", "2001:db8::cb00:7107", False),
        ("203.0.113.7", "", False),
        ("203.0.113.7", "no address", False),
    ],
)
def test_an_address_stands_for_its_network(banned: str, peer: str, hit: bool) -> None:
    """One IPv4 address for itself, one IPv6 address for the /64 it is in; both notations of IPv4 are one."""
    sanctions = of(held(BAN, address=span(banned)), held(BAN, address=span("198.51.100.0/28")))
    assert bool(sanctions.ban("u", peer, "")) is hit
    assert sanctions.ban("u", peer, "r") is None
    sanctions.drop([f"address  {span(banned)}"])
    assert sanctions.ban("u", peer, "") is None


@pytest.mark.parametrize("wrong", ["", "x", "10.0.0.0/8", "2001::/16", "0.0.0.0/0", "1.2.3.4/33", "1.2.3.4/x", "1.2.3"])
def test_what_is_no_network_or_half_the_world_is_refused(wrong: str) -> None:
    """Who bans by mistake bans few."""
    with pytest.raises(BadRequest):
        span(wrong)


def test_a_user_named_like_an_address_is_a_user() -> None:
    """Whatever ids look like."""
    sanctions = of(held(BAN, "203.0.113.7/32"))
    assert sanctions.ban("u", "203.0.113.7", "") is None
    assert sanctions.ban("203.0.113.7/32", "", "") is not None


def test_a_user_is_unbanned_with_the_addresses_banned_for_it() -> None:
    """In that room; those banned for others, and for themselves, stay."""
    sanctions = of(
        held(BAN, "u1", "r"),
        held(BAN, "u1", "r", address="203.0.113.7/32"),
        held(BAN, "u1", "", address="203.0.113.8/32"),
        held(BAN, "u2", "r", address="203.0.113.9/32"),
        held(BAN, "", "r", address="203.0.113.10/32"),
    )
    assert set(sanctions.of(BAN, "r", "u1")) == {"ban r u1", "address r 203.0.113.7/32"}
    assert sanctions.of(MUTE, "r", "u1") == ["mute r u1"]


def test_the_list_is_of_a_room_newest_first() -> None:
    """Without kicks, which are over; those for everywhere are a list of their own."""
    sanctions = of(
        Held(Sanction(BAN, "r", "u1"), 1.0, math.inf),
        Held(Sanction(MUTE, "r", "u1"), 3.0, 2000.0),
        Held(Sanction(KICK, "r", "u1"), 4.0, 2000.0),
        Held(Sanction(MUTE, "", "u1"), 2.0, 2000.0),
    )
    assert [(one.sanction.kind, one.at) for one in sanctions.listed("r")] == [(MUTE, 3.0), (BAN, 1.0)]
    assert [one.at for one in sanctions.listed("")] == [2.0]


def test_what_holds_is_counted_by_room_and_by_author() -> None:
    """What takes another's place is one, what ended is none; what is for everywhere is nobody's share."""
    clock = Clock()
    mute = Sanction(MUTE, "r", "u1", by="m")
    sanctions = of(Held(mute, 1.0, math.inf), held(MUTE, "u2", "s", by="m"), held(BAN, "u1", by="m"), clock=clock)

    def counts() -> tuple[int, ...]:
        return (*map(sanctions.count, ("r", "s", "")), *map(sanctions.count_by, ("m", "n")))

    assert counts() == (1, 1, 1, 2, 0)
    sanctions.put(Held(replace(mute, by="n"), 2.0, 1010.0))
    assert counts() == (1, 1, 1, 1, 1)
    clock.now = 1010.0
    sanctions.prune()
    assert counts() == (0, 1, 1, 1, 0)
    sanctions.replace(3, {mute.key: Held(mute, 1.0, math.inf)})
    assert counts() == (1, 0, 0, 1, 0)
    sanctions.drop([mute.key, mute.key])
    assert counts() == (0, 0, 0, 0, 0)


def test_what_was_read_replaces_what_was_known() -> None:
    """And says what is new, or another, and what is gone."""
    old, kept, gone = held(MUTE, "u1", until=2000.0), held(MUTE, "u2"), held(BAN, "u3")
    sanctions = of(old, kept, gone)
    other, new = held(MUTE, "u1", until=3000.0), held(BAN, address="203.0.113.7/32")
    found = sanctions.replace(7, {one.sanction.key: one for one in (other, kept, new)})
    assert found == ([other, new], [gone])
    assert (sanctions.version, sanctions.ban("u3", "", ""), len(sanctions)) == (7, None, 3)
    assert sanctions.ban("x", "203.0.113.7", "") == new
