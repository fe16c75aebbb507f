"""The only place where a Redis name is built.

Every name of a room carries the room as its hash tag, so a script, the log it writes and the channel it publishes on
live in one slot of a cluster. Room names contain no braces, so a tag cannot be forged.
"""

from __future__ import annotations

import zlib

PEOPLE_SHARDS = 256
PREFIX = "parley:"
_PEOPLE = f"{PREFIX}people:".encode()


def doctor(token: str) -> str:
    """String: written for a second by `parley doctor`, to see whether it may."""
    return f"{PREFIX}doctor:{token}"


def log(room: str) -> str:
    """List: the kept events of a room, oldest first; the last is the event `seq` of its meta."""
    return f"{PREFIX}{{{room}}}:log"


def meta(room: str) -> str:
    """Hash: epoch, seq and mid of the room's last event, and when the expiry was last renewed."""
    return f"{PREFIX}{{{room}}}:meta"


def cids(room: str, sender: str) -> str:
    """String: the dedupe record of a sender in a room; see scripts/publish.lua."""
    return f"{PREFIX}{{{room}}}:cids:{sender}"


def events(room: str) -> bytes:
    """Channel: what scripts/publish.lua publishes."""
    return f"{PREFIX}{{{room}}}:events".encode()


def feed(room: str) -> bytes:
    """Channel: raw messages of /feed."""
    return f"{PREFIX}{{{room}}}:feed".encode()


def roster(room: str, worker: str) -> str:
    """Hash: who of a room is on a worker, user -> name, and the version in the empty field; see scripts/roster.lua."""
    return f"{PREFIX}{{{room}}}:roster:{worker}"


def marks(handle: str) -> str:
    """Hash: how far a user has read; room -> epoch, seq, others, time. See scripts/mark.lua."""
    return f"{PREFIX}{{~{handle}}}:marks"


def directs(handle: str) -> str:
    """Hash: a user's direct rooms; room -> time, and with whom as JSON. See scripts/direct.lua."""
    return f"{PREFIX}{{~{handle}}}:directs"


def seats(handle: str) -> str:
    """Hash: how many connections a user has on the workers where it has several; worker -> number. See app.seats."""
    return f"{PREFIX}{{~{handle}}}:seats"


def sends(handle: str) -> str:
    """String: until when a user's changes of late have used up its rate; see scripts/sends.lua."""
    return f"{PREFIX}{{~{handle}}}:sends"


def guest_sends(network: str) -> str:
    """String: the same for the changes of all guests of a network."""
    return f"{PREFIX}{{~{network}}}:guest-sends"


def newcomers(network: str) -> str:
    """String: the same for guests that came new from a network."""
    return f"{PREFIX}{{~{network}}}:newcomers"


def deeds(room: str) -> str:
    """Stream: what moderators did in a room, or with "" everywhere. Beside what holds, for one script writes both."""
    return f"{FORMER_DEEDS}:{room}"


def rooms_of(digest: str) -> str:
    """Sorted set: those of ROOMS that a network has brought there -> time of an event. See scripts/bring.lua."""
    return f"{PREFIX}rooms:of:{digest}"


def people(shard: int) -> bytes:
    """Channel: what a user's connections are told, on all workers that have some of the users of a shard."""
    return b"%s%d" % (_PEOPLE, shard)


def is_people(channel: bytes) -> bool:
    """Whether a channel is one that `people` names."""
    return channel.startswith(_PEOPLE)


def shard(handle: str) -> int:
    """Which of the PEOPLE_SHARDS channels a user's connections hear."""
    return zlib.crc32(handle.encode()) % PEOPLE_SHARDS


def canary(worker: str) -> bytes:
    """Channel: a worker's messages to itself."""
    return f"{PREFIX}canary:{worker}".encode()


def census(worker: str) -> str:
    """String: how much goes on at a worker; see backplane/census.py."""
    return f"{PREFIX}census:{worker}"


FINGERPRINT = f"{PREFIX}secret"
"""Hash: tells which secret the servers here sign guest tokens with, and since when. See scripts/secret.lua."""

ROOMS = f"{PREFIX}rooms"
"""Sorted set: room -> time of its last event, in milliseconds; of each network's only some, see scripts/bring.lua."""

MORE_ROOMS = f"{ROOMS}:more"
"""Sorted set: the same of all other rooms, which are listed where there is room for them."""

LEASES = f"{PREFIX}leases"
"""Sorted set: worker -> when its lease ends, in milliseconds by Redis' clock."""

SANCTIONS = f"{PREFIX}{{~moderation}}:held"
"""Hash: which bans, mutes and kicks hold; see scripts/moderate.lua. The version in the empty field."""

SANCTION_ENDS = f"{PREFIX}{{~moderation}}:ends"
"""Sorted set: those that end -> when, in milliseconds by Redis' clock."""

FORMER_DEEDS = f"{PREFIX}{{~moderation}}:deeds"
"""Stream: what was done in all rooms, as older releases wrote it down. Only read, until it ends."""

MODERATION = f"{PREFIX}moderation".encode()
"""Channel: what all workers are told of bans, mutes and kicks."""

API_KEYS = f"{PREFIX}keys"
"""Hash: id of an API key -> the key without its secret, as JSON. See backplane/keyring.py."""
