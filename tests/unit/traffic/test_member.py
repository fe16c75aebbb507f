"""A simulated member on a wire of the test's own: it comes in, counts what it is given, resumes, sends again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from app import frames
from app.events import Position
from app.traffic import mark, wire
from app.traffic import member as member_module
from app.traffic.history import Hole, Joined, Repeat, Seen, State
from app.traffic.member import Member, Scene
from app.traffic.room import Room, Told
from app.traffic.tally import Tally
from tests.support import until_async


class FakeWire:
    """Keeps what was sent; the test speaks for the server."""

    unsent = 0

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.controls: list[tuple[int, bytes]] = []
        self.aborted = False

    def send(self, *texts: bytes) -> None:
        self.sent += [json.loads(text) for text in texts]

    def control(self, first: int, payload: bytes) -> None:
        self.controls.append((first, payload))

    def abort(self) -> None:
        self.aborted = True

    def take(self) -> list[dict[str, Any]]:
        """What was sent since the last time."""
        taken, self.sent = self.sent, []
        return taken


class Stage:
    """A room with one member that has joined at seq 0."""

    def __init__(self) -> None:
        self.wires: list[FakeWire] = []
        self.tally = Tally()
        self.room = Room("r", 1)
        scene = Scene(self._dial, self.tally, 64)  # type: ignore[arg-type]
        self.scene = scene
        self.member = Member(0, self.room, scene, "ws://x/ws", "t")
        self.member.connect()
        self.wire.take()
        self.member.opened()
        self.hello, self.join = self.wire.take()
        self.say(type="welcome", id=1, guest="g", limits={"unacked": 2})
        self.say(type="joined", id=2, epoch="e", seq=0, mid="", recovered=False, messages=[])

    def _dial(self, _: Member) -> FakeWire:
        self.wires.append(FakeWire())
        return self.wires[-1]

    @property
    def wire(self) -> FakeWire:
        """The present one."""
        return self.wires[-1]

    def say(self, *messages: dict[str, Any], **message: Any) -> None:
        """The server sends these in one write."""
        each = [json.dumps(one).encode() for one in (*messages, *([message] if message else []))]
        assert self.member.received(frames.texts(each)) == b""

    def again(self) -> None:
        """The connection is lost and there is another one, as the timer would make it."""
        self.member.closed(wire.ABNORMAL)
        self.member.connect()
        self.wire.take()
        self.member.opened()
        self.hello, self.join = self.wire.take()


def event(seq: int, sender: int = 9, number: int | None = None) -> dict[str, Any]:
    """A message as the server sends it."""
    text = mark.text(sender, seq if number is None else number, 0, 40)
    return {"seq": seq, "mid": f"m{seq}", "ts": 1, "type": "message", "room": "r", "text": text}


async def test_a_member_is_given_events_and_knows_them_again():
    """One by one or many in a read."""
    stage = Stage()
    stage.say(event(1))
    stage.say(event(2), event(3))
    assert stage.tally.delivered == 3
    assert stage.member.seat.lost(3) == 0
    assert stage.room.top == 3


async def test_a_dropped_a_repeated_and_a_swapped_event_are_counted():
    """Each for what it is."""
    stage = Stage()
    stage.say(event(1))
    stage.say(event(3), event(2))
    stage.say(event(3))
    stage.say(event(5))
    assert (stage.tally.twice, stage.tally.late) == (1, 1)
    assert stage.member.seat.lost(5) == 1


async def test_a_member_resumes_where_it_was_and_loses_nothing():
    """What it missed comes with the answer."""
    stage = Stage()
    stage.say(event(1), event(2))
    stage.again()
    assert stage.hello["guest"] == "g"
    assert stage.join["since"] == {"epoch": "e", "seq": 2, "mid": "m2"}
    missed = [event(3), event(4)]
    stage.say(type="joined", id=2, epoch="e", seq=4, mid="m4", recovered=True, messages=missed)
    stage.say(event(5))
    assert stage.member.seat.lost(5) == 0
    assert (stage.tally.delivered, stage.tally.twice, stage.tally.resumed) == (5, 0, 1)


async def test_what_a_resume_does_not_bring_is_lost():
    """The server says so itself here."""
    stage = Stage()
    stage.say(event(1))
    stage.again()
    stage.say(type="joined", id=2, epoch="e", seq=5, mid="m5", recovered=False, messages=[event(5)])
    assert stage.member.seat.lost(5) == 3
    assert stage.scene.errors


async def test_no_more_is_sent_than_the_server_takes_unacknowledged():
    """The rest waits, and its waiting counts."""
    stage = Stage()
    for number in range(3):
        stage.member.send(number)
    sent = stage.wire.take()
    assert [one["cid"] for one in sent] == ["0-0", "0-1"]
    assert stage.member.waiting == 3
    stage.say(type="ack", id=sent[0]["id"], seq=1, mid="m1", cid="0-0")
    assert [one["cid"] for one in stage.wire.take()] == ["0-2"]
    assert (stage.tally.acked, stage.tally.expected) == (1, 1)


async def test_what_is_unacknowledged_is_sent_again_after_a_reconnect_with_its_cid():
    """In order; the acknowledgement counts once."""
    stage = Stage()
    stage.member.send(0)
    stage.member.send(0)
    stage.again()
    stage.say(type="joined", id=2, epoch="e", seq=0, mid="", recovered=True, messages=[])
    again = stage.wire.take()
    assert [one["cid"] for one in again] == ["0-0", "0-1"]
    for seq, one in enumerate(again, 1):
        stage.say(type="ack", id=one["id"], seq=seq, mid=f"m{seq}", cid=one["cid"], dup=True)
    assert (stage.tally.sent, stage.tally.acked, stage.member.waiting) == (2, 2, 0)


async def test_a_temporary_error_is_tried_again_and_a_final_one_is_not():
    """The first keeps its place in the account, the second is refused."""
    stage = Stage()
    stage.member.send(0)
    (first,) = stage.wire.take()
    stage.say(type="error", id=first["id"], code="unavailable", temporary=True, retry=0.001, message="later")
    await until_async(lambda: stage.wire.sent, "it is sent again")
    second = stage.wire.take()
    assert second[0]["cid"] == "0-0"
    stage.say(type="error", id=second[0]["id"], code="forbidden", temporary=False, message="no")
    assert (stage.tally.refused, stage.member.waiting) == (1, 0)


async def test_an_ack_and_an_event_that_disagree_are_a_conflict():
    """The ledger hears both."""
    stage = Stage()
    stage.member.send(0)
    (sent,) = stage.wire.take()
    stage.say(event(1, sender=9))
    stage.say(type="ack", id=sent["id"], seq=1, mid="m1", cid="0-0")
    assert stage.room.ledger.conflicts == 1


async def test_a_ping_is_passed_to_the_wire_that_answers_it():
    """Wherever it stands among the events."""
    stage = Stage()
    text = frames.text(json.dumps(event(1)).encode())
    assert stage.member.received(text + frames.PING) == b""
    assert stage.wire.controls == [(wire.PING, b"")]
    assert stage.tally.delivered == 1


async def test_a_message_of_nobody_is_strange():
    """It carries no mark."""
    stage = Stage()
    stage.say(seq=1, mid="m1", type="message", text="hello")
    assert stage.room.strange == 1


async def test_a_member_sent_away_for_good_stays_away():
    """And is counted as gone."""
    stage = Stage()
    stage.member.closed(4503)
    assert stage.member.gone
    assert stage.scene.errors == {"sent away for good with 4503": 1}


async def test_a_connection_that_does_not_come_about_is_dropped():
    """After a while, to be tried again."""
    stage = Stage()
    stage.member.closed(wire.ABNORMAL)
    stage.member.connect()
    stage.member.look_after(asyncio.get_running_loop().time() + 60)
    assert stage.wire.aborted


def test_bytes_are_understood_once_for_all_members():
    """The same object serves whoever is given the same bytes."""
    room = Room("r", 2)
    data = frames.texts([json.dumps(event(seq)).encode() for seq in (1, 2)])
    first = room.chunk(data)
    assert first.plain
    assert room.chunk(bytes(bytearray(data))) is first
    assert room.top == 2


def test_an_unfinished_frame_stays_for_the_next_read():
    """Nothing of it is lost."""
    room = Room("r", 1)
    data = frames.texts([json.dumps(event(seq)).encode() for seq in (1, 2)])
    chunk = room.chunk(data[:-5])
    assert (chunk.first, chunk.last) == (1, 1)
    assert room.chunk(chunk.rest + data[-5:]).first == 2


def test_an_event_among_answers_is_known_too():
    """Who sends is given events with acks between them; the event is the one that all the others have."""
    room = Room("r", 2)
    one, ack = json.dumps(event(1)).encode(), json.dumps({"type": "ack", "id": 3, "seq": 1}).encode()
    (first,) = room.chunk(frames.texts([one])).items
    told, again = room.chunk(frames.texts([ack, one])).items
    assert again is first
    assert isinstance(told, Told)


def test_where_nothing_is_marked_events_are_known_by_their_cids():
    """Whatever an edit or a deletion has made of their texts."""
    room = Room("r", 1, marked=False)
    for text in ("hello", "edited", ""):
        room.chunk(frames.texts([json.dumps(event(1) | {"cid": "c1-1", "text": text}).encode()]))
    assert (room.ledger.conflicts, room.strange) == (0, 0)
    room.chunk(frames.texts([json.dumps(event(1) | {"cid": "c2-9"}).encode()]))
    assert room.ledger.conflicts == 1


async def test_what_is_not_as_it_should_be_is_recorded():
    """With seq and cid; what is as it should be is not."""
    stage = Stage()
    stage.say(event(1))
    assert not stage.scene.records
    stage.say(event(3), event(2))
    stage.say(event(3))
    stage.again()
    stage.say(type="joined", id=2, epoch="e", seq=4, mid="m4", recovered=True, messages=[event(4)])
    hole, late, repeat, lost, back = stage.scene.records[stage.member.name]
    assert (type(hole), type(late), type(repeat), type(lost), type(back)) == (Hole, Seen, Repeat, State, Joined)
    assert isinstance(late, Seen)
    assert (late.event.seq, late.event.cid) == (2, "9-2")
    assert isinstance(back, Joined)
    assert (back.since, back.position) == (Position("e", 3, "m3"), Position("e", 4, "m4"))
    assert [one.seq for one in back.events] == [4]


async def test_records_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """The first ones tell the most."""
    monkeypatch.setattr(member_module, "RECORDS_MAX", 3)
    stage = Stage()
    for _ in range(5):
        stage.say(event(1))
    assert len(stage.scene.records[stage.member.name]) == 3
