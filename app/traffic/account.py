"""What all traffic is held to, whichever tool makes it: the counts of an account and the names of violations."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Account:
    """The exact end of some traffic: deliveries that had to be, that were, and everything that must not be.

    Attributes:
        expected, given, lost, twice, late: deliveries to sockets and pages.
        conflicts: times that two readers, or a reader and an ack, disagree about which event a seq is.
        stored_twice: messages that are two events.
        own_order: messages that stand after a younger one of their sender.
        strange: events that nobody sent.
        resets: rooms whose log began again.
        wrong_rows: rows that pages show at the end and should not, or not there.
        unanswered: messages that were due and have no acknowledgement.
        refused: messages that the server refused for good.
        gone: members sent away for good.
        lost_in_pages: those of the lost that a page did not show.
    """

    expected: int = 0
    given: int = 0
    lost: int = 0
    twice: int = 0
    late: int = 0
    conflicts: int = 0
    stored_twice: int = 0
    own_order: int = 0
    strange: int = 0
    resets: int = 0
    wrong_rows: int = 0
    unanswered: int = 0
    refused: int = 0
    gone: int = 0
    lost_in_pages: int = 0

    def add(self, report: dict[str, Any]) -> None:
        """What one process says."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + report.get(one.name, 0))

    def since(self, before: Account) -> Account:
        """What came to it since an earlier account; `unanswered` and `gone` are as they are now."""
        return Account(
            **{
                one.name: getattr(self, one.name)
                - (0 if one.name in ("unanswered", "gone") else getattr(before, one.name))
                for one in fields(self)
            }
        )

    @property
    def disorder(self) -> int:
        """Whatever is out of order."""
        return self.late + self.conflicts + self.own_order + self.wrong_rows

    @property
    def violations(self) -> dict[str, int]:
        """What must not be, by name."""
        pages = f" ({self.lost_in_pages} in pages)" if self.lost_in_pages else ""
        found = {
            f"lost{pages}": self.lost,
            "twice": self.twice + self.stored_twice,
            "out of order": self.disorder,
            "sent by nobody": self.strange,
            "rooms that began again": self.resets,
            "unanswered": self.unanswered,
            "refused": self.refused,
            "sent away": self.gone,
        }
        return {name: count for name, count in found.items() if count}
