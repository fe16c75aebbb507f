"""The pure parts of the browser client: when it comes back, what a room delivers, what may be sent again."""

from __future__ import annotations

import pytest

from tests.browser.double import Message
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_backoff_is_full_jitter_with_a_cap(blank: Visitor) -> None:
    """The whole delay is random: from nothing up to twice as much each time, at most 15 s."""
    spans = await blank.page.evaluate(
        """async () => {
            const { delay } = await import("/client/backoff.js");
            return [0, 1, 2, 4, 5, 50].map(tries => [delay(tries, () => 0), delay(tries, () => 1)]);
        }""",
    )
    assert spans == [[0, 0.5], [0, 1], [0, 2], [0, 8], [0, 15], [0, 15]]


async def test_the_close_codes_say_who_comes_back(blank: Visitor) -> None:
    """Exactly the codes of the protocol's table stay away, and unknown ones follow their range."""
    stay_away = await blank.page.evaluate(
        """async () => {
            const { verdict } = await import("/client/backoff.js");
            const codes = [1000, 1001, 1002, 1005, 1006, 1007, 1009, 1011, 1012, 1013, 4001, 4002, 4003, 4004, 4005,
                4200, 4500, 4501, 4502, 4503, 4504, 4505, 4506, 4599];
            return codes.filter(code => !verdict(code).reconnect);
        }""",
    )
    assert stay_away == [1000, 4500, 4501, 4502, 4503, 4504, 4505, 4506, 4599]


async def test_a_room_delivers_each_event_once_and_sees_holes(blank: Visitor) -> None:
    """The verdicts on live events, in every order they can come."""
    verdicts = await blank.page.evaluate(
        """async () => {
            const { Room } = await import("/client/room.js");
            const room = new Room("r");
            const event = seq => ({ seq, mid: "m" + seq });
            const early = room.receive(event(6));
            room.catchUp({ epoch: "e", seq: 5, mid: "m5", messages: [event(4), event(5)] }, false);
            room.joined = true;
            return [early, ...[5, 4, 6, 6, 8, 7, 8].map(seq => room.receive(event(seq))), room.position];
        }""",
    )
    assert verdicts == [
        *("early", "duplicate", "duplicate", "deliver", "duplicate", "hole", "deliver", "deliver"),
        {"epoch": "e", "seq": 8, "mid": "m8"},
    ]


@pytest.mark.parametrize(
    ("reply", "proven", "events", "gap"),
    [
        pytest.param({"seq": 5, "mid": "m5", "messages": []}, True, [], None, id="nothing missed"),
        pytest.param({"seq": 7, "mid": "m7", "messages": [6, 7]}, True, [6, 7], None, id="recovered"),
        pytest.param({"seq": 7, "mid": "m7", "messages": [5, 6, 7]}, False, [6, 7], None, id="page reaches back"),
        pytest.param({"seq": 9, "mid": "m9", "messages": [8, 9]}, False, [8, 9], 7, id="page does not reach back"),
        pytest.param({"seq": 9, "mid": "m9", "messages": [8, 9]}, True, [8, 9], 7, id="proof with a hole is none"),
        pytest.param({"seq": 5, "mid": "x5", "messages": [(4, "m4"), (5, "x5")]}, False, [5], 4, id="other history"),
        pytest.param({"seq": 3, "mid": "m3", "messages": [3]}, False, [], 3, id="the tail was lost"),
        pytest.param({"seq": 2, "mid": "m2", "epoch": "f", "messages": [1, 2]}, False, [1, 2], 0, id="new epoch"),
        pytest.param({"seq": 7, "mid": "m7", "epoch": "f", "messages": [6, 7]}, True, [6, 7], 5, id="epoch, longer"),
    ],
)
async def test_catching_up_never_hides_a_hole(
    blank: Visitor, reply: Message, proven: bool, events: list[int], gap: int | None
) -> None:
    """After events 4 and 5: what is new, and up to which seq something may be missing."""
    messages = [
        {"seq": seq, "mid": mid}
        for seq, mid in (item if isinstance(item, tuple) else (item, f"m{item}") for item in reply["messages"])
    ]
    found = await blank.page.evaluate(
        """async ([reply, proven]) => {
            const { Room } = await import("/client/room.js");
            const room = new Room("r");
            const seen = [3, 4, 5].map(seq => ({ seq, mid: "m" + seq }));
            room.catchUp({ epoch: "e", seq: 5, mid: "m5", messages: seen }, false);
            const { events, gap } = room.catchUp({ epoch: "e", ...reply }, proven);
            return { events: events.map(event => event.seq), gap: gap && gap.upto, position: room.position };
        }""",
        [{**reply, "messages": messages}, proven],
    )
    assert found["events"] == events
    assert found["gap"] == gap
    assert found["position"] == {"epoch": reply.get("epoch", "e"), "seq": reply["seq"], "mid": reply["mid"]}


async def test_only_what_cannot_appear_twice_is_sent_again(blank: Visitor) -> None:
    """Untried; or tried lately by the same user; or old, in a room resumed without a hole."""
    may = await blank.page.evaluate(
        """async () => {
            const { maySend } = await import("/client/outbox.js");
            const now = 10_000_000;
            const tried = (seconds, user = "u1") => ({ tried: { at: now - seconds * 1000, user } });
            const u1 = { user: "u1", now };
            return [
                maySend({ tried: null }, { ...u1, recovered: false }),
                maySend(tried(60), { ...u1, recovered: false }),
                maySend(tried(600), { ...u1, recovered: false }),
                maySend(tried(600), { ...u1, recovered: true }),
                maySend(tried(5, "u2"), { ...u1, recovered: true }),
                maySend(tried(5, "u2"), { ...u1, recovered: false }),
            ];
        }""",
    )
    assert may == [True, True, False, True, False, False]
