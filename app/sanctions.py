"""Who is banned or muted where, as one worker knows it.

Pure: the clock is given. A sanction holds in one room, or, with an empty room, everywhere. All of them are known to
every worker, so that asking costs a look into a dict, which is empty most of the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from msgspec import Struct

from app.errors import BadRequest

IPV6_PREFIX = 64
"""A single IPv6 address stands for the network that its owner chooses addresses from."""
WIDEST_IPV4, WIDEST_IPV6 = 16, 32

BAN, MUTE, KICK = "ban", "mute", "kick"
UNBAN, UNMUTE, DELETE, EDIT = "unban", "unmute", "delete", "edit"


class Sanction(Struct, array_like=True, frozen=True):
    """What somebody did about somebody, as it is kept and written down.

    Attributes:
        kind: BAN, MUTE or KICK; in what is written down also UNBAN, UNMUTE, DELETE and EDIT.
        room: where; everywhere if empty.
        user: whose; of a banned address the user for whom it was banned, if any.
        address: a network, as `span` makes it, whose peers are banned; empty where a user is.
        name: the user's, as far as it was known.
        by, by_name: who did it.
        reason: in its author's words; may be empty.
        spread: the addresses that the user comes from are banned as well.
        spared: an address that is not: where its author comes from.
        seq: of the message that was deleted or edited.
    """

    kind: str
    room: str = ""
    user: str = ""
    address: str = ""
    name: str = ""
    by: str = ""
    by_name: str = ""
    reason: str = ""
    spread: bool = False
    seq: int = 0
    spared: str = ""

    @property
    def key(self) -> str:
        """Names what holds: another sanction of the same key takes its place."""
        kind, whom = ("address", self.address) if self.address else (self.kind, self.user)
        return key(kind, self.room, whom)


class Held(NamedTuple):
    """A sanction that holds: since when and until when, in seconds since 1970 by Redis' clock; for ever: infinite."""

    sanction: Sanction
    at: float
    until: float


def key(kind: str, room: str, whom: str) -> str:
    """The key of a sanction; `kind` is "address" where a network is banned. Room names have no spaces."""
    return f"{kind} {room} {whom}"


def span(address: str) -> str:
    """The network of an address or a network, in its one form. Raises BadRequest, also where it is too wide."""
    try:
        if "/" in address:
            found = ip_network(address.strip(), strict=False)
        else:
            alone = ip_address(address.strip())
            mapped = alone.ipv4_mapped if isinstance(alone, IPv6Address) else None
            prefix = IPV6_PREFIX if isinstance(alone, IPv6Address) and mapped is None else 32
            found = ip_network((mapped or alone, prefix), strict=False)
    except ValueError:
        raise BadRequest("this is no address and no network") from None
    if found.prefixlen < (WIDEST_IPV4 if found.version == 4 else WIDEST_IPV6):
        raise BadRequest(f"a network has a prefix of at least /{WIDEST_IPV4}, for IPv6 /{WIDEST_IPV6}")
    return str(found)


class Sanctions:
    """All bans and mutes that hold. `clock` is Redis' clock, in seconds since 1970.

    Attributes:
        version: of what is known; see app.backplane.moderation.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._held: dict[str, Held] = {}
        self._by_room: dict[str, dict[str, Held]] = {}
        self._by_author: dict[str, int] = {}
        self._prefixes: set[tuple[int, int]] = set()
        self.version = 0

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held.values())

    def __contains__(self, name: str) -> bool:
        return name in self._held

    # Asking

    def mute(self, user: str, room: str) -> Held | None:
        """What forbids a user to write in a room, if anything does."""
        return (self._find(key(MUTE, room, user)) or self._find(key(MUTE, "", user))) if self._held else None

    def ban(self, user: str, address: str, room: str) -> Held | None:
        """What keeps a user, or whoever comes from its address, out of a room; out of all, if `room` is empty."""
        if not self._held:
            return None
        return self._find(key(BAN, room, user)) or self._banned_address(address, room)

    def _find(self, name: str) -> Held | None:
        held = self._held.get(name)
        return held if held is not None and held.until > self._clock() else None

    def _banned_address(self, address: str, room: str) -> Held | None:
        if not self._prefixes:
            return None
        for each in spans(address, self._prefixes):
            if (held := self._find(key("address", room, each))) is not None:
                return held
        return None

    def seconds(self, held: Held) -> float | None:
        """How much longer a sanction holds; None for ever."""
        return None if math.isinf(held.until) else max(0.0, held.until - self._clock())

    def of(self, kind: str, room: str, user: str) -> list[str]:
        """The keys of what holds for a user: the sanction itself and, for BAN, the addresses banned with it."""
        found = [key(kind, room, user)]
        if kind == BAN:
            here = self._by_room.get(room, {}).items()
            found += [each for each, held in here if held.sanction.address and held.sanction.user == user]
        return found

    def listed(self, room: str) -> list[Held]:
        """The bans and mutes of a room, or with "" those for everywhere, newest first."""
        now = self._clock()
        here = self._by_room.get(room, {}).values()
        kept = [held for held in here if held.until > now and held.sanction.kind != KICK]
        return sorted(kept, key=lambda held: held.at, reverse=True)

    def count(self, room: str) -> int:
        """How many hold in a room, kicks of the last minute and what `prune` has not seen yet included."""
        return len(self._by_room.get(room, ()))

    def count_by(self, author: str) -> int:
        """How many of rooms are somebody's, all rooms together; as `count`."""
        return self._by_author.get(author, 0)

    # Changing

    def put(self, held: Held) -> None:
        """A sanction holds from now on."""
        name = held.sanction.key
        self._forget(name)
        self._note(name, held)
        if held.sanction.address:
            self._prefixes.add(_prefix(held.sanction.address))

    def drop(self, keys: Collection[str]) -> list[Held]:
        """These do not hold any longer; those that did."""
        dropped = [held for each in keys if (held := self._forget(each)) is not None]
        if any(held.sanction.address for held in dropped):
            self._note_prefixes()
        return dropped

    def replace(self, version: int, known: Mapping[str, Held]) -> tuple[list[Held], list[Held]]:
        """Everything as it was read: what is new or another since, and what does not hold any longer."""
        before, self._held, self._by_room, self._by_author = self._held, {}, {}, {}
        for each, held in known.items():
            self._note(each, held)
        self.version = version
        self._note_prefixes()
        new = [held for each, held in known.items() if before.get(each) != held]
        return new, [held for each, held in before.items() if each not in known]

    def prune(self) -> None:
        """Forget what is over."""
        now = self._clock()
        over = [each for each, held in self._held.items() if held.until <= now]
        if over:
            self.drop(over)

    def _note(self, name: str, held: Held) -> None:
        room, author = held.sanction.room, held.sanction.by
        self._held[name] = held
        self._by_room.setdefault(room, {})[name] = held
        if room:
            self._by_author[author] = self._by_author.get(author, 0) + 1

    def _forget(self, name: str) -> Held | None:
        held = self._held.pop(name, None)
        if held is None:
            return None
        room, author = held.sanction.room, held.sanction.by
        here = self._by_room[room]
        del here[name]
        if not here:
            del self._by_room[room]
        if room:
            self._by_author[author] -= 1
            if not self._by_author[author]:
                del self._by_author[author]
        return held

    def _note_prefixes(self) -> None:
        self._prefixes = {_prefix(held.sanction.address) for held in self if held.sanction.address}


def within(address: str, net: str) -> bool:
    """Whether a peer's address is in a network, given in its one form."""
    return net in spans(address, [_prefix(net)])


def _prefix(net: str) -> tuple[int, int]:
    """Version and prefix length of a network in its one form."""
    return (6 if ":" in net else 4, int(net.rpartition("/")[2]))


def spans(address: str, prefixes: Collection[tuple[int, int]]) -> list[str]:
    """The networks of these versions and prefix lengths that a peer's address is in."""
    try:
        peer = ip_address(address)
    except ValueError:
        return []
    mapped = peer.ipv4_mapped if isinstance(peer, IPv6Address) else None
    peer = mapped or peer
    kind = IPv4Network if peer.version == 4 else IPv6Network
    return [str(kind((int(peer), prefix), strict=False)) for version, prefix in prefixes if version == peer.version]
