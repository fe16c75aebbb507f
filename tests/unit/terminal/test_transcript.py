"""Events as lines for a person."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from app.client.timeline import Timeline
from app.terminal.transcript import Transcript, moderated, plain

Message = dict[str, Any]
NOON = 1795348800000  # Sunday, 22 November 2026, 12:00 UTC
THUMB = "\N{THUMBS UP SIGN}"


def event(seq: int, type_: str = "message", **more: Any) -> Message:
    """An event of Ada's, `seq` minutes after noon."""
    place = {"type": type_, "room": "r", "seq": seq, "mid": f"m{seq}", "ts": NOON + seq * 60_000, "cid": f"c{seq}"}
    return {**place, "user": "u1", "name": "Ada", "text": f"text {seq}", **more}


def told(*events: Message, label: str = "") -> list[str]:
    """The lines of live events, without that of the day."""
    transcript, rows = Transcript(UTC), Timeline(100)
    lines: list[str] = []
    for one in events:
        rows.apply(one)
        lines += map(plain, transcript.event(one, rows, label))
    assert lines[0] == "--- Sunday, 22 November 2026 ---"
    return lines[1:]


def test_a_message_has_a_time_a_name_and_words() -> None:
    """And the room, where others are shown as well."""
    assert told(event(1)) == ["12:01 Ada: text 1"]
    assert told(event(1), label="#tea") == ["12:01 [#tea] Ada: text 1"]


def test_each_day_is_announced_once() -> None:
    """Before its first event."""
    transcript, rows = Transcript(UTC), Timeline(0)
    lines = [plain(line) for seq in (1, 2, 24 * 60) for line in transcript.event(event(seq), rows)]
    assert [line for line in lines if line.startswith("---")] == [
        "--- Sunday, 22 November 2026 ---",
        "--- Monday, 23 November 2026 ---",
    ]


def test_changes_say_what_they_change() -> None:
    """A message is named by its time or its words; one that is not known is an earlier one."""
    lines = told(
        event(1),
        event(2, "edited", of=1, text="better"),
        event(3, "reacted", of=1, emoji=THUMB, on=True),
        event(4, "reacted", of=1, emoji=THUMB, on=False),
        event(5, "deleted", of=1),
        event(6, "deleted", of=99),
        event(7, "reacted", of=99, emoji=THUMB, on=True),
    )
    assert lines[1:] == [
        "12:02 Ada edited: better",
        f'12:03 Ada reacted {THUMB} to "better"',
        f'12:04 Ada took back {THUMB} from "better"',
        "12:05 Ada deleted a message of 12:01",
        "12:06 Ada deleted an earlier message",
        f"12:07 Ada reacted {THUMB} to an earlier message",
    ]


def test_topics_are_told() -> None:
    """Set or removed."""
    assert told(event(1, "topic", topic="Tea"), event(2, "topic", topic="")) == [
        "12:01 Ada set the topic: Tea",
        "12:02 Ada removed the topic",
    ]


def test_a_page_tells_messages_as_they_read_now() -> None:
    """What became of them is in them: the events that made them so are left out."""
    page = [
        event(1, text="new", edited=5, reactions=[{"emoji": THUMB, "users": ["u2", "u3"]}]),
        event(2, text="", deleted=True),
        event(3, "edited", of=1, text="new"),
        event(4, "reacted", of=1, emoji=THUMB, on=True),
        event(5, "topic", topic="Tea"),
    ]
    lines = [plain(line) for line in Transcript(UTC).page(page)]
    assert lines[1:] == [
        f"12:01 Ada: new (edited)  {THUMB} 2",
        "12:02 Ada: (deleted)",
        "12:05 Ada set the topic: Tea",
    ]


def test_events_of_a_later_version_are_passed_over() -> None:
    """They are no error."""
    assert Transcript(UTC).event(event(1, "pinned"), Timeline(0)) == []


def test_mentions_of_the_reader_stand_out() -> None:
    """Those of others do not."""
    transcript = Transcript(UTC)
    transcript.user = "u2"
    styles = [transcript.event(event(1, mentions=users), Timeline(0))[-1][-1][0] for users in (["u2"], ["u3"], [])]
    assert styles == ["mention", "", ""]


def test_a_gap_is_told_with_its_size() -> None:
    """Or that the log began anew, where the size means nothing."""
    gap = {"room": "r", "after": 3, "upto": 9, "epoch_changed": False}
    assert plain(Transcript().gap(gap)) == "--- 6 events missing here, no longer kept by the server ---"
    assert "1 event missing" in plain(Transcript().gap({**gap, "upto": 4}))
    assert "began anew" in plain(Transcript().gap({**gap, "epoch_changed": True}, "#tea"))


def test_nothing_hostile_comes_through() -> None:
    """In no field, of no event."""
    bad = "\x1b[2J\u202e"
    hostile = [
        event(1, name=bad, text=bad, mentions=[bad], reactions=[{"emoji": bad, "users": ["u2"]}]),
        event(2, "edited", of=1, name=bad, text=bad),
        event(3, "reacted", of=1, name=bad, emoji=bad, on=True),
        event(4, "topic", name=bad, topic=bad),
    ]
    text = "\n".join([*told(*hostile, label=bad), *(plain(line) for line in Transcript(UTC).page(hostile, bad))])
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_time_that_is_none_harms_nothing() -> None:
    """The line is told without it."""
    assert plain(Transcript(UTC).event(event(1, ts=10**20), Timeline(0))[-1]) == "--:-- Ada: text 1"


def test_what_a_moderator_did_is_one_line() -> None:
    """Where, what, for how long and why, as far as it is said; the words are made safe."""
    place = {"type": "moderated", "room": "tea"}
    assert moderated({**place, "action": "mute", "seconds": 599.9, "reason": "\x1b[31mno"}) == (
        "#tea: a moderator has muted you for 10 minutes: \u241b[31mno"
    )
    assert moderated({**place, "action": "kick"}) == "#tea: a moderator has taken you out"
    assert (
        moderated({"type": "moderated", "action": "ban", "seconds": 7200}) == "a moderator has banned you for 2 hours"
    )
    assert moderated({"type": "moderated", "action": "mute", "seconds": 3}) == "a moderator has muted you for 3 seconds"
