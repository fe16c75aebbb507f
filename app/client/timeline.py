"""The present truth of a room's messages: each as it reads now, after all edits, deletions and reactions.

Pure. Events are folded in the order of their seqs; folding one again that a row already shows changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]

CHANGES_KEPT = 256
"""Changes remembered for pages of history that were read before them and arrive after them."""


@dataclass(slots=True)
class Row:
    """A message as it reads now. `ts` and `edited` (0: never) are milliseconds since 1970.

    `reactions` maps an emoji to the users who gave it, first come first. A deleted row has neither text nor reactions.
    """

    seq: int
    mid: str
    ts: int
    cid: str
    user: str
    name: str
    text: str
    edited: int = 0
    deleted: bool = False
    mentions: list[str] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, event: Message) -> Row:
        """The row of a `message`, fresh or folded by the server."""
        return cls(
            seq=event["seq"],
            mid=event["mid"],
            ts=event["ts"],
            cid=event.get("cid", ""),
            user=event["user"],
            name=event["name"],
            text=event["text"],
            edited=event.get("edited", 0),
            deleted=event.get("deleted") is True,
            mentions=list(event.get("mentions", ())),
            reactions={given["emoji"]: list(given["users"]) for given in event.get("reactions", ())},
        )

    def change(self, event: Message) -> None:
        """Fold an `edited`, `deleted` or `reacted` of this row."""
        if self.deleted:
            return
        match event["type"]:
            case "edited":
                self.text, self.edited = event["text"], event["ts"]
                self.mentions = list(event.get("mentions", ()))
            case "deleted":
                self.text, self.edited, self.deleted = "", 0, True
                self.mentions, self.reactions = [], {}
            case "reacted":
                self._react(event["emoji"], event["user"], event["on"])

    def _react(self, emoji: str, user: str, on: bool) -> None:
        users = self.reactions.get(emoji, [])
        if on and user not in users:
            self.reactions[emoji] = [*users, user]
        elif not on and user in users:
            users.remove(user)
            if not users:
                del self.reactions[emoji]


class Timeline:
    """A room's newest rows, at most `rows_max`, oldest first. With `rows_max` 0 nothing is kept and nothing costs."""

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self._rows: dict[int, Row] = {}
        self._changes: deque[Message] = deque(maxlen=CHANGES_KEPT)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, seq: int) -> Row | None:
        """The row of a message, if it is kept here."""
        return self._rows.get(seq)

    @property
    def last(self) -> Row | None:
        """The newest row."""
        return next(reversed(self._rows.values()), None)

    def clear(self) -> None:
        """Forget all rows: changes may have been missed, so none of them is known to be true any more."""
        self._rows.clear()
        self._changes.clear()

    def apply(self, event: Message) -> None:
        """Fold the next event of the room."""
        if not self._rows_max:
            return
        if event["type"] == "message":
            self._rows.setdefault(event["seq"], Row.of(event))
            if len(self._rows) > self._rows_max:
                del self._rows[next(iter(self._rows))]
        elif "of" in event:
            self._changes.append(event)
            row = self._rows.get(event["of"])
            if row is not None:
                row.change(event)

    def older(self, page: Iterable[Message]) -> None:
        """Take a page of history. Its messages are folded by the server, so that its other events say nothing new.

        It was read a moment ago: what has changed since is folded again.
        """
        if not self._rows_max:
            return
        found = {event["seq"]: Row.of(event) for event in page if event["type"] == "message"}
        fresh = {seq: row for seq, row in found.items() if seq not in self._rows}
        for event in self._changes:
            if event["of"] in fresh:
                fresh[event["of"]].change(event)
        merged = sorted({**self._rows, **fresh}.items())
        self._rows = dict(merged[-self._rows_max :])
