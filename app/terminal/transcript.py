"""What happens in a room, as lines for a person to read. Pure: who is reading, and where on earth, is an argument.

A line is a list of fragments, each a style and a text. The styles are names for the screen to colour and for a pipe to
leave away; the texts are safe to print.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

from app.client.timeline import Row, Timeline
from app.terminal.text import block, inline

Message = dict[str, Any]
Line = list[tuple[str, str]]

NAME_STYLES = 6
EXCERPT_CHARS = 40
_NO_ROWS = Timeline(0)


def plain(line: Line) -> str:
    """A line without its styles."""
    return "".join(text for _, text in line)


def note(text: str, style: str = "note") -> Line:
    """A line of this program's own."""
    return [(style, text)]


def name_style(user: str) -> str:
    """The style of a user's name, always the same one."""
    return f"name{zlib.crc32(user.encode('utf-8', 'replace')) % NAME_STYLES}"


def moderated(push: Message) -> str:
    """What a moderator did to the reader."""
    done = {"kick": "taken you out", "mute": "muted you", "unmute": "let you write again", "ban": "banned you"}
    where = f"#{inline(push['room'], 64)}: " if push.get("room") else ""
    what = done.get(push["action"], "done something")
    seconds = push.get("seconds")
    lasting = f" for {_duration(seconds)}" if isinstance(seconds, int | float) else ""
    reason = f": {inline(push['reason'])}" if push.get("reason") else ""
    return f"{where}a moderator has {what}{lasting}{reason}"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size - 1:
            return f"{round(seconds / size)} {unit}"
    return f"{round(seconds)} seconds"


class Transcript:
    """Writes down events for one reader.

    Args:
        zone: of the times shown; None is that of the machine.
    """

    def __init__(self, zone: tzinfo | None = None) -> None:
        self.user = ""
        self._zone = zone
        self._day = ""

    def event(self, event: Message, rows: Timeline, label: str = "") -> list[Line]:
        """The lines of an event. `rows` show it already; `label` names the room where others are shown as well."""
        match event["type"]:
            case "message":
                words = self._message(event)
            case "edited":
                words = [("quiet", " edited: "), *self._text(event)]
            case "deleted":
                words = [("quiet", f" deleted {_which(rows.get(event['of']), self._clock)}")]
            case "reacted":
                words = [("quiet", _reaction(event, rows.get(event["of"])))]
            case "topic" if event["topic"]:
                words = [("quiet", " set the topic: "), ("", inline(event["topic"]))]
            case "topic":
                words = [("quiet", " removed the topic")]
            case _:
                return []  # of a later version
        where = [("label", f"[{inline(label, 40)}] ")] if label else []
        who = (name_style(event["user"]), inline(event["name"], 40))
        return [*self._new_day(event["ts"]), [("time", f"{self._clock(event['ts'])} "), *where, who, *words]]

    def page(self, events: list[Message], label: str = "") -> list[Line]:
        """A page's lines. Its messages show what became of them, so that only those and topics are told."""
        told = (event for event in events if event["type"] in ("message", "topic"))
        return [line for event in told for line in self.event(event, _NO_ROWS, label)]

    def gap(self, gap: Message, label: str = "") -> Line:
        """Where events are missing."""
        where = f"{label}: " if label else ""
        count = gap["upto"] - gap["after"]
        missing = f"{count} event{'s' * (count != 1)} missing here, no longer kept by the server"
        anew = "the server's log of this room began anew; earlier events may be missing"
        return note(f"--- {where}{anew if gap['epoch_changed'] else missing} ---", "warning")

    def _message(self, event: Message) -> Line:
        row = Row.of(event)
        if row.deleted:
            return [("quiet", ": (deleted)")]
        marks = [" (edited)"] if row.edited else []
        marks += [f" {inline(emoji, 16)} {len(users)}" for emoji, users in row.reactions.items()]
        return [("", ": "), *self._text(event), *([("quiet", " ".join(marks))] if marks else [])]

    def _text(self, event: Message) -> Line:
        mentioned = bool(self.user) and self.user in event.get("mentions", ())
        return [("mention" if mentioned else "", block(event["text"]))]

    def _new_day(self, ts: int) -> list[Line]:
        when = _moment(ts, self._zone)
        day = when.strftime("%A, %d %B %Y") if when else self._day
        if day == self._day:
            return []
        self._day = day
        return [note(f"--- {day} ---", "day")]

    def _clock(self, ts: int) -> str:
        when = _moment(ts, self._zone)
        return when.strftime("%H:%M") if when else "--:--"


def _moment(ts: int, zone: tzinfo | None) -> datetime | None:
    try:
        return datetime.fromtimestamp(ts / 1000, zone)
    except (OverflowError, OSError, ValueError):
        return None


def _which(row: Row | None, clock: Callable[[int], str]) -> str:
    return f"a message of {clock(row.ts)}" if row else "an earlier message"


def _reaction(event: Message, row: Row | None) -> str:
    emoji = inline(event["emoji"], 16)
    what = f'"{inline(row.text, EXCERPT_CHARS)}"' if row and row.text else "an earlier message"
    return f" reacted {emoji} to {what}" if event["on"] else f" took back {emoji} from {what}"
