"""Which workers hang: those that have ceased to write to the scoreboard, which each does once a second."""

from __future__ import annotations

from collections.abc import Iterable

from app.metrics import Slot

LOOK_SECONDS = 1.0
HUNG_LOOKS = 30


class Stillness:
    """Looks at the scoreboard every LOOK_SECONDS and counts, slot by slot, how often nothing had changed.

    Looks, not seconds: where the machine slept or this process stood still, it was not looked, and nobody hangs.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int]] = {}
        self._looks: dict[int, int] = {}

    def look(self, slots: Iterable[Slot]) -> list[Slot]:
        """The workers that have written nothing for HUNG_LOOKS looks. One that never wrote is not among them."""
        hung = []
        for slot in slots:
            wrote = (slot.pid, slot.seen_ms)
            same = slot.pid != 0 and self._last.get(slot.number) == wrote
            self._last[slot.number] = wrote
            self._looks[slot.number] = self._looks.get(slot.number, 0) + 1 if same else 0
            if self._looks[slot.number] >= HUNG_LOOKS:
                hung.append(slot)
        return hung
