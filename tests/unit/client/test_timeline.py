"""Rows show the present truth, however often and in whatever pages their events come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client.timeline import Row, Timeline

Message = dict[str, Any]
THUMB, HEART = "\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}"


def message(seq: int, text: str = "", **folded: Any) -> Message:
    """A message of Ada's."""
    place = {"type": "message", "room": "r", "seq": seq, "mid": f"m{seq}", "ts": seq, "cid": f"c{seq}"}
    return {**place, "user": "u1", "name": "Ada", "text": text or f"text {seq}", **folded}


def change(type_: str, seq: int, of: int, **more: Any) -> Message:
    """An event that changes a message."""
    place = {"type": type_, "room": "r", "seq": seq, "mid": f"m{seq}", "ts": seq, "cid": f"c{seq}"}
    return {**place, "of": of, "user": "u1", "name": "Ada", **more}


def edited(seq: int, of: int, text: str, **more: Any) -> Message:
    return change("edited", seq, of, text=text, **more)


def reacted(seq: int, of: int, emoji: str, user: str, on: bool = True) -> Message:
    return {**change("reacted", seq, of, emoji=emoji, on=on), "user": user}


def timeline(*events: Message, rows_max: int = 100) -> Timeline:
    made = Timeline(rows_max)
    for event in events:
        made.apply(event)
    return made


def test_an_edit_gives_the_row_its_new_text() -> None:
    """Text, mentions and the time of the edit; the row stays where it was."""
    rows = timeline(message(1), message(2), edited(3, 1, "better", mentions=["u2"]))
    assert [(row.seq, row.text, row.edited, row.mentions) for row in rows] == [
        (1, "better", 3, ["u2"]),
        (2, "text 2", 0, []),
    ]


def test_a_deleted_row_has_nothing_left_and_takes_nothing_more() -> None:
    """Neither text nor reactions nor mentions, whatever comes later."""
    first = message(1, mentions=["u2"], reactions=[{"emoji": THUMB, "users": ["u2"]}], edited=1)
    rows = timeline(first, change("deleted", 2, 1), edited(3, 1, "again"), reacted(4, 1, HEART, "u2"))
    row = rows.get(1)
    assert row is not None
    assert (row.text, row.edited, row.deleted, row.mentions, row.reactions) == ("", 0, True, [], {})


def test_reactions_are_sets() -> None:
    """One user gives an emoji once; the last to take it away takes the emoji away."""
    rows = timeline(
        message(1),
        reacted(2, 1, THUMB, "u2"),
        reacted(3, 1, THUMB, "u2"),
        reacted(4, 1, THUMB, "u3"),
        reacted(5, 1, HEART, "u3"),
        reacted(6, 1, HEART, "u3", on=False),
        reacted(7, 1, HEART, "u3", on=False),
    )
    assert next(iter(rows)).reactions == {THUMB: ["u2", "u3"]}


def test_a_folded_message_is_taken_as_it_is() -> None:
    """The server's page carries the truth in the message itself."""
    row = Row.of(message(1, "new", edited=9, mentions=["u2"], reactions=[{"emoji": THUMB, "users": ["u2", "u3"]}]))
    assert (row.text, row.edited, row.mentions, row.reactions) == ("new", 9, ["u2"], {THUMB: ["u2", "u3"]})


def test_changes_of_unknown_rows_and_unknown_changes_do_nothing() -> None:
    """They may be older than what is kept, or newer than this version."""
    rows = timeline(message(5), edited(6, 1, "gone"), change("pinned", 7, 5), {**message(8), "type": "topic"})
    assert [(row.seq, row.text) for row in rows] == [(5, "text 5")]


def test_only_the_newest_rows_are_kept() -> None:
    """The oldest goes first; with no room for rows none is kept."""
    assert [row.seq for row in timeline(*(message(seq) for seq in range(1, 9)), rows_max=3)] == [6, 7, 8]
    nothing = timeline(message(1), edited(2, 1, "x"), rows_max=0)
    nothing.older([message(1)])
    assert (len(nothing), nothing.last) == (0, None)


def test_history_comes_in_front() -> None:
    """In order of seq, never in place of a row that is there, and never more than is kept."""
    rows = timeline(message(5), message(6), edited(7, 5, "now"), rows_max=4)
    rows.older([message(seq, "then") for seq in range(1, 6)])
    assert [(row.seq, row.text) for row in rows] == [(3, "then"), (4, "then"), (5, "now"), (6, "text 6")]


def test_a_page_read_before_a_change_learns_of_it() -> None:
    """A page may be read, then a change delivered, and only then the page."""
    rows = timeline(
        message(9), reacted(10, 2, THUMB, "u2"), edited(11, 2, "newer"), reacted(12, 2, THUMB, "u2", on=False)
    )
    rows.older([message(2, "older")])
    row = rows.get(2)
    assert row is not None
    assert (row.text, row.reactions) == ("newer", {})


def test_the_other_events_of_a_history_page_say_nothing_new() -> None:
    """A reaction of long ago was taken away since: the folded message knows, the old event does not."""
    rows = timeline(message(9))
    rows.older([message(2), reacted(3, 2, THUMB, "u2")])
    assert rows.get(2) == Row.of(message(2))


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    """A room's events: messages, and changes of messages before them."""
    events: list[Message] = []
    for seq in range(1, draw(st.integers(2, 25)) + 1):
        known = [event["seq"] for event in events if event["type"] == "message"]
        kind = draw(st.sampled_from(["message", "edited", "deleted", "reacted"])) if known else "message"
        of = draw(st.sampled_from(known)) if known else 0
        match kind:
            case "message":
                events.append(message(seq))
            case "edited":
                events.append(edited(seq, of, f"edit {seq}"))
            case "deleted":
                events.append(change("deleted", seq, of))
            case _:
                user = draw(st.sampled_from(["u1", "u2"]))
                events.append(reacted(seq, of, THUMB, user, draw(st.booleans())))
    return events


def folded(events: list[Message], first: int) -> list[Message]:
    """A server's page from `first` to the end: messages and texts of edits as they read now."""
    truth = {row.seq: row for row in timeline(*events)}
    page = []
    for event in events[first - 1 :]:
        row = truth.get(event.get("of", event["seq"]))
        if row is None:
            continue
        if event["type"] == "message":
            given = [{"emoji": emoji, "users": users} for emoji, users in row.reactions.items()]
            event = {**event, "text": row.text, "edited": row.edited, "deleted": row.deleted, "reactions": given}
        elif event["type"] == "edited":
            event = {**event, "text": row.text}
        page.append(event)
    return page


def seen(rows: Timeline) -> dict[int, tuple[str, bool, dict[str, set[str]]]]:
    """What a reader sees of each row."""
    return {
        row.seq: (row.text, row.deleted, {emoji: set(users) for emoji, users in row.reactions.items()}) for row in rows
    }


@given(histories(), st.data())
def test_pages_and_live_events_give_the_same_rows(events: list[Message], data: st.DataObject) -> None:
    """Wherever somebody comes in, is away and comes back: the rows are those of somebody who saw it all."""
    came = data.draw(st.integers(1, len(events)), "came in before")
    left = data.draw(st.integers(came - 1, len(events)), "left after")
    rows = timeline(*folded(events[:left], came), *folded(events, left + 1))
    whole = seen(timeline(*events))
    assert seen(rows) == {seq: row for seq, row in whole.items() if seq >= came}
    rows.older(folded(events, 1))
    assert seen(rows) == whole


@pytest.mark.parametrize("times", [2, 3])
def test_folding_again_changes_nothing(times: int) -> None:
    """The events of a page may repeat what its messages show already."""
    events = [message(1), edited(2, 1, "new"), reacted(3, 1, THUMB, "u2"), message(4), change("deleted", 5, 4)]
    assert seen(timeline(*events * times)) == seen(timeline(*events))
