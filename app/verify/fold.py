"""What a room's messages say after all edits, deletions and reactions: folded by the tool itself, event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.traffic.history import Event


@dataclass(slots=True)
class Row:
    """A message as it reads at some moment. `reactions` are pairs of emoji and user."""

    text: str
    deleted: bool = False
    reactions: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, event: Event) -> Row:
        """A message as the server gives it, folded or fresh."""
        return cls(event.text, event.deleted, set(event.reactions))


class Fold:
    """Rows by seq, of the messages taken so far. What amends a message not taken changes nothing."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}

    def take(self, event: Event) -> None:
        """The next event of the room, in order."""
        if event.kind == "message":
            self.rows[event.seq] = Row.of(event)
            return
        row = self.rows.get(event.of)
        if row is None or row.deleted:
            return
        match event.kind:
            case "edited":
                row.text = event.text
            case "deleted":
                self.rows[event.of] = Row("", deleted=True)
            case "reacted" if event.on:
                row.reactions.add((event.emoji, event.user))
            case "reacted":
                row.reactions.discard((event.emoji, event.user))


def misfolded(log: Sequence[Event], texts: Mapping[str, str]) -> list[str]:
    """Where a log is not what its own events make of the texts that were sent, given by cid.

    Each message has to read as the events after it say, and only the last edit of a message may have a text.
    """
    found = []
    fold, last_edit = Fold(), dict[int, Event]()
    for event in log:
        fresh = event.kind == "message" and event.cid in texts
        fold.take(event._replace(text=texts[event.cid], deleted=False, reactions=()) if fresh else event)
        if event.kind in ("edited", "superseded"):
            last_edit[event.of] = event
    for event in log:
        if event.kind == "message" and Row.of(event) != fold.rows[event.seq]:
            found.append(f"{event.seq} is {Row.of(event)}, but the events after it make it {fold.rows[event.seq]}")
        elif event.kind in ("edited", "superseded") and event.of in fold.rows:
            holds = last_edit[event.of] is event and not fold.rows[event.of].deleted
            if (event.kind == "edited") is not holds:
                found.append(f"the edit {event.seq} of {event.of} is {event.kind}: {event.text!r}")
    return found


def compare(fold: Fold, log: Sequence[Event]) -> tuple[int, list[str]]:
    """How many rows of a client's fold are in the log, and which of them read otherwise there."""
    stored = {event.seq: Row.of(event) for event in log if event.kind == "message"}
    both = {seq: row for seq, row in fold.rows.items() if seq in stored}
    return len(both), [
        f"{seq} is {row}, but {stored[seq]} in the log" for seq, row in both.items() if row != stored[seq]
    ]
