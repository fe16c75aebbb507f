"""The page's timeline by itself: what it makes of events and gaps, and the rows that come of it."""

from __future__ import annotations

import pytest

from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_rows_are_grouped_by_author_and_day(blank: Visitor) -> None:
    """A day is named once; an author is, unless the same one goes on within five minutes and nothing stands between."""
    rows = await blank.page.evaluate(
        """async () => {
            const { Timeline } = await import("/web/page/timeline.js");
            const { rowsOf } = await import("/web/page/rows.js");
            const noon = new Date(2025, 5, 1, 12).getTime();
            const said = (seq, user, minutes) => ({
                type: "message", seq, mid: "m" + seq, user, name: user, text: "t" + seq, ts: noon + minutes * 60_000,
            });
            const timeline = new Timeline();
            timeline.start({ epoch: "e", seq: 4, messages: [
                said(1, "bob", 0), said(2, "bob", 4), said(3, "bob", 10), said(4, "ada", 11)] });
            timeline.gap({ epoch: "e", upto: 7 });
            timeline.push(said(8, "ada", 12));
            timeline.push(said(9, "bob", 13));
            timeline.push(said(10, "bob", 24 * 60));
            const viewer = { user: "ada", name: "ada", own: new Set(), unreadAfter: 8 };
            const shown = row => row.kind === "message" ? row.text + (row.head ? "!" : "") : row.kind;
            return rowsOf(timeline, [], viewer).map(shown);
        }""",
    )
    assert rows == ["day", "t1!", "t2", "t3!", "t4!", "gap", "t8!", "unread", "t9!", "day", "t10!"]


async def test_what_a_log_lost_is_not_touched_by_what_took_its_place(blank: Visitor) -> None:
    """Seqs of a lost tail are used again: the lost messages stay to be read, a change goes to the new ones alone."""
    found = await blank.page.evaluate(
        """async () => {
            const { Timeline } = await import("/web/page/timeline.js");
            const { rowsOf } = await import("/web/page/rows.js");
            const said = (seq, text) => ({ type: "message", seq, mid: text, user: "bob", name: "bob", text, ts: seq });
            const timeline = new Timeline();
            timeline.start({ epoch: "e", seq: 3, messages: [said(1, "one"), said(2, "two")] });
            timeline.gap({ epoch: "e", upto: 5 });
            timeline.push(said(6, "six"));
            timeline.push(said(7, "seven"));
            timeline.gap({ epoch: "e", upto: 1 });
            timeline.push(said(2, "another two"));
            timeline.push(said(3, "another three"));
            timeline.push({ type: "deleted", seq: 4, of: 2, user: "bob", ts: 9 });
            const viewer = { user: "ada", name: "ada", own: new Set(), unreadAfter: null };
            const rows = rowsOf(timeline, [], viewer);
            const keys = new Set(rows.map(row => row.key));
            return {
                shown: rows.filter(row => row.kind === "message").map(row => [row.text, row.live]),
                fillable: rows.filter(row => row.kind === "gap").map(row => row.fillable),
                found: [1, 2, 3, 6].map(seq => timeline.find(seq)?.text ?? null),
                keys: keys.size === rows.length,
            };
        }""",
    )
    assert found == {
        "shown": [["one", True], ["two", False], ["six", False], ["seven", False], ["", True], ["another three", True]],
        "fillable": [False, False, False],
        "found": ["one", "", "another three", None],
        "keys": True,
    }
