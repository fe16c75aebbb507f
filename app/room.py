"""One room as this worker sees it: its local members, its position, its recent events.

Pure: no await, no clock, no Redis. The relay and the hub act on what is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Protocol

from app.events import Batch, Fold, Position, head, is_message, refolded

RECENT_EVENTS = 128
RECENT_BYTES = 64 * 1024
STRETCHED_BYTES = 8 * 1024 * 1024
HELD_BATCHES = 1024


class Client(Protocol):
    """Whoever can be in a room: something that takes whole frames without waiting."""

    @property
    def behind(self) -> bool:
        """Whether it reads too slowly to be sent what it can do without."""

    def write(self, data: bytes) -> None:
        """Take frames; must not block."""


class Verdict(Enum):
    """What to do with a batch that arrived for a room."""

    DELIVER = "deliver"
    DUPLICATE = "duplicate"
    GAP = "gap"


class Room:
    """The local part of a room.

    A room without a position keeps no sequence: it only broadcasts (see the feed). A room is *settled* when its
    position is known and nothing is being read for it; until then, batches are held. `reads` counts log reads begun.

    The recent events are as they are now: what an amendment changes, it changes here too. `amended` is the seq of the
    last amendment, or a later one: a page of the log that was read before it does not know of it. `topic` is JSON,
    empty if there is none; `others` counts the events up to the position that are no messages.
    """

    __slots__ = (
        "_held",
        "_members",
        "_recent",
        "_recent_bytes",
        "_snapshot",
        "_stored",
        "_stretched",
        "amended",
        "name",
        "others",
        "position",
        "reads",
        "settled",
        "topic",
    )

    def __init__(self, name: str, position: Position | None = None) -> None:
        self.name = name
        self.position = position
        self.settled = position is not None
        self._members: dict[Client, None] = {}
        self._snapshot: tuple[Client, ...] | None = None
        self._recent: list[bytes] = []
        self._recent_bytes = 0
        self._stretched = False
        self._held: list[Batch] = []
        self._stored = ("", 0)
        self.reads = 0
        self.amended = 0
        self.topic = b""
        self.others = 0

    @property
    def at(self) -> Position:
        """The position of a room that has been settled once."""
        assert self.position is not None
        return self.position

    @property
    def top(self) -> int:
        """The highest seq of the position's epoch that is known to be in the log; its publication may be on its way."""
        epoch, seq = self._stored
        return max(seq, self.at.seq) if epoch == self.at.epoch else self.at.seq

    def note_stored(self, epoch: str, seq: int) -> None:
        """An answer said that the log has this event. Members may have been told so before the event reaches them."""
        if seq > self._stored[1] or epoch != self._stored[0]:
            self._stored = (epoch, seq)

    # Members

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, client: object) -> bool:
        return client in self._members

    @property
    def members(self) -> tuple[Client, ...]:
        """The local members, in order of joining."""
        if self._snapshot is None:
            self._snapshot = tuple(self._members)
        return self._snapshot

    def join(self, client: Client) -> None:
        """Add a local member; joining twice is joining once."""
        self._members[client] = None
        self._snapshot = None

    def leave(self, client: Client) -> None:
        """Remove a local member; no error if it is not there, or if the room is empty."""
        if self._members.pop(client, self) is None:
            self._snapshot = None

    def send_message(self, data: bytes) -> None:
        """Write whole frames to every local member, waiting for none.

        Members may join or leave meanwhile: those who were there at the beginning are served. One that fails
        is removed, and the others notice nothing.
        """
        self.send_to(self.members, data)

    def send_to(self, clients: Iterable[Client], data: bytes) -> None:
        """Write whole frames to some of the members; see `send_message`."""
        for client in clients:
            try:
                client.write(data)
            except (OSError, RuntimeError):
                self.leave(client)

    # Sequence

    def receive(self, batch: Batch) -> Verdict:
        """Judge a batch and, if it is to be delivered, advance past it.

        A batch that overlaps what the room has is trimmed in place to what is new. GAP changes nothing.
        """
        position = self.position
        if position is None or batch.epoch != position.epoch:
            return Verdict.GAP
        known = position.seq - batch.first + 1
        if known == 0:
            if batch.previous != position.mid:
                return Verdict.GAP
        elif known < 0:
            return Verdict.GAP
        elif known >= len(batch.payloads):
            return self._known(batch)
        else:
            if head(batch.payloads[known - 1]).mid != position.mid:
                return Verdict.GAP
            del batch.payloads[:known]
            batch.first += known
        self._advance(batch.position, batch.payloads)
        if batch.folds:
            self._fold(batch.folds, batch.last)
        return Verdict.DELIVER

    def _fold(self, folds: list[Fold], seq: int) -> None:
        """Take what the amendment `seq` made of the topic or of recent events. A log read later knows it by itself."""
        self.amended = seq
        self.others += 1
        for fold in folds:
            index = fold.seq - self.recent_first
            if fold.seq == 0:
                self.topic = b"" if fold.body == b'""' else fold.body
            elif index >= 0:
                before = self._recent[index]
                self._recent[index] = refolded(before, fold.body)
                self._recent_bytes += len(self._recent[index]) - len(before)

    def _known(self, batch: Batch) -> Verdict:
        """All of the batch lies behind the position: a duplicate, if it is what was delivered there."""
        ours = self.mid_at(batch.last)
        if ours is not None and ours != batch.last_mid:
            return Verdict.GAP
        return Verdict.DUPLICATE

    def _advance(self, position: Position, payloads: list[bytes]) -> None:
        self.position = position
        self._recent += payloads
        self._recent_bytes += sum(map(len, payloads))
        if self._stretched:
            if self._recent_bytes > STRETCHED_BYTES:
                self.shrink()
        elif len(self._recent) > 2 * RECENT_EVENTS or self._recent_bytes > RECENT_BYTES:
            self._trim()

    def _trim(self) -> None:
        """Drop the oldest recent events: half of the bytes allowed stay, so that this happens rarely."""
        kept = kept_bytes = 0
        for payload in reversed(self._recent):
            if kept == RECENT_EVENTS or kept_bytes + len(payload) > RECENT_BYTES // 2:
                break
            kept += 1
            kept_bytes += len(payload)
        del self._recent[: len(self._recent) - kept]
        self._recent_bytes = kept_bytes

    def settle(self, position: Position, events: list[bytes]) -> None:
        """Take a position as read from the log; `events` are those that end there, or a part of them."""
        self.position = position
        self._recent, self._recent_bytes = [], 0
        self._stored = ("", 0)
        self.amended = position.seq
        self._advance(position, events)
        self.settled = True

    def catch_up(self, position: Position, events: list[bytes]) -> None:
        """Take events read from the log that follow the position without a hole and end at the new one."""
        if not all(map(is_message, events)):
            # What they amend may be among the recent ones, which then are as they were before.
            self._recent, self._recent_bytes = [], 0
            self.amended = position.seq
        self._advance(position, events)

    def others_at(self, seq: int) -> int | None:
        """How many events up to `seq` are no messages; None if it is not here yet, or those after it no more."""
        if seq > self.at.seq:
            return None
        if not self.others:
            return 0
        later = self.after(seq)
        return None if later is None else self.others - sum(not is_message(event) for event in later)

    # Held batches: what arrives while the log is being read

    def hold(self, batch: Batch) -> None:
        """Keep a batch until the room is settled. Beyond HELD_BATCHES all are dropped: the log has them."""
        if len(self._held) >= HELD_BATCHES:
            self._held.clear()
        self._held.append(batch)

    def release(self) -> list[Batch]:
        """Give back what was held, oldest first."""
        held, self._held = self._held, []
        return held

    # Recent events

    def stretch(self) -> None:
        """Keep more recent events, up to STRETCHED_BYTES, until `shrink`."""
        self._stretched = True

    def shrink(self) -> None:
        """Keep as few recent events as usual again."""
        self._stretched = False
        self._trim()

    def prepend(self, events: list[bytes]) -> None:
        """Put older events, consecutive ones, before the recent ones.

        They end with one that is known here, in proof that they are of the same log and not of one that lost its tail
        and went on otherwise; without that, nothing is taken.
        """
        last = head(events[-1]) if events else None
        if last is None or self.mid_at(last.seq) != last.mid:
            return
        older = events[: max(0, len(events) - (last.seq - self.recent_first + 1))]
        self._recent[:0] = older
        self._recent_bytes += sum(map(len, older))

    @property
    def recent_bytes(self) -> int:
        """The size of the recent events."""
        return self._recent_bytes

    @property
    def recent_first(self) -> int:
        """Seq of the oldest recent event, or the next seq if there are none."""
        return self.at.seq - len(self._recent) + 1

    def mid_at(self, seq: int) -> str | None:
        """The mid of an event if it is still at hand; that of 0, before the first event, is empty."""
        position = self.position
        if position is None or seq > position.seq:
            return None
        if seq == position.seq:
            return position.mid
        index = seq - self.recent_first
        if index >= 0:
            return head(self._recent[index]).mid
        return "" if index == -1 and seq == 0 else None

    def after(self, seq: int) -> list[bytes] | None:
        """The events after `seq` up to the position, or None if the recent ones do not reach back that far."""
        index = seq + 1 - self.recent_first
        return self._recent[index:] if index >= 0 else None

    def latest(self, limit: int) -> list[bytes]:
        """The last `limit` events, fewer if no more are at hand."""
        return self._recent[max(0, len(self._recent) - limit) :]
