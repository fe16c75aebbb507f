"""Edits, deletions, reactions and topics: the sixth guarantee of every broker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.backplane import keys
from app.errors import BadRequest, Forbidden, ParleyError, UnknownMessage
from app.events import Batch, head
from app.protocol.replies import encode
from tests.contract.engines import witness
from tests.contract.stage import RedisStage, Stage
from tests.fakes.sent import Amends, Sent
from tests.support import until_async

ADD = b"1"
HEART, THUMB = "\u2764\ufe0f", "\U0001f44d"


def edit(of: int, text: str, **more: Any) -> Amends:
    """An edit by u1, unless told otherwise."""
    return Amends("edit", of, text, **more)


def delete(of: int, **more: Any) -> Amends:
    """A deletion."""
    return Amends("delete", of, **more)


def react(of: int, emoji: str = HEART, on: bool = True, **more: Any) -> Amends:
    """A reaction, or its end."""
    return Amends("react", of, emoji, ADD if on else b"", **more)


async def kept(stage: Stage, room: str, seq: int) -> dict[str, Any]:
    """An event as the log has it."""
    event = (await stage.log(room))[seq - 1]
    assert head(event).seq == seq
    return dict(json.loads(event))


def refusal(one: Sent) -> ParleyError:
    """The one answer, which is no."""
    (error,) = one.answers
    assert isinstance(error, ParleyError)
    return error


async def test_an_edit_is_an_event_and_is_folded_into_its_message(stage: Stage, room: str) -> None:
    """The message has the new text and when that was; seq, mid, ts and cid are as before."""
    broker = await stage.broker()
    await Sent(text="first").through(broker, room)
    before = await kept(stage, room, 1)
    edited = await edit(1, 'new "text" \\ \U0001f600 /').through(broker, room)
    assert (edited.seq, edited.dup) == (2, False)
    after = await kept(stage, room, 1)
    assert after == before | {"text": 'new "text" \\ \U0001f600 /', "edited": edited.confirmed[2], "edit": 2}
    event = await kept(stage, room, 2)
    assert (event["type"], event["of"], event["text"]) == ("edited", 1, after["text"])


async def test_texts_that_look_like_json_stay_what_they_are(stage: Stage, room: str) -> None:
    """Quotes, backslashes and members of an event inside a text confuse nobody."""
    broker = await stage.broker()
    texts = ['","text":"x', "\\", '\\"', '"}', ',"deleted":true}', "\\\\", 'a\\","edited":1}', "\u2028", "\x00\x1f"]
    for number, text in enumerate(texts, 1):
        one = Sent()
        one.body = b"," + encode({"type": "message", "user": "u1", "name": text, "text": text})[1:]
        await one.through(broker, room)
        assert (await kept(stage, room, number))["text"] == text
    count = len(texts)
    for number, text in enumerate(texts, 1):
        await react(number).through(broker, room)
        assert (await kept(stage, room, number))["text"] == text
        await edit(number, text + text).through(broker, room)
        now = await kept(stage, room, number)
        assert (now["text"], now["name"], len(now["reactions"])) == (text + text, text, 1)
    assert len(await stage.log(room)) == 3 * count


@pytest.mark.parametrize("at_once", [1, 50])
async def test_each_message_of_an_entry_can_be_amended(stage: Stage, room: str, at_once: int) -> None:
    """Those stored by one call, the first, the last and those between; the others stay as they are."""
    broker = await stage.broker()
    sent = [Sent(text=f"t{number}") for number in range(50)]
    for number, one in enumerate(sent):
        broker.publish(room, one)
        if number % at_once == at_once - 1:
            await one.answered()
    await sent[-1].answered()
    before = await stage.log(room)
    for seq in (1, 2, 25, 49, 50):
        await edit(seq, f"new {seq}").through(broker, room)
    await delete(26).through(broker, room)
    after = await stage.log(room)
    for seq in range(1, 51):
        if seq in (1, 2, 25, 49, 50):
            assert json.loads(after[seq - 1])["text"] == f"new {seq}"
        elif seq == 26:
            assert json.loads(after[seq - 1])["deleted"] is True
        else:
            assert after[seq - 1] == before[seq - 1]
    assert [head(event) for event in after[:50]] == [head(event) for event in before]


async def test_only_the_own_message_is_edited_and_deleted(stage: Stage, room: str) -> None:
    """Another user's is forbidden, also to one whose name contains the other's; a right passed in allows it."""
    broker = await stage.broker()
    await Sent(sender="u1/s1", text="mine").through(broker, room)
    for user in ("u2", "u", "u11", "1", 'u1","name":"', ""):
        for amends in (edit(1, "theirs", sender=f"{user}/s"), delete(1, sender=f"{user}/s")):
            assert type(refusal(await amends.through(broker, room))) is Forbidden
    assert (await kept(stage, room, 1))["text"] == "mine"
    assert len(await stage.log(room)) == 1
    other_session = edit(1, "mine too", sender="u1/s2")
    assert (await other_session.through(broker, room)).seq == 2
    moderator = delete(1, sender="u2/s")
    moderator.amendment = moderator.amendment._replace(foreign=True)
    assert (await moderator.through(broker, room)).seq == 3
    assert (await kept(stage, room, 1))["deleted"] is True


@pytest.mark.parametrize("at_once", [1, 5])
async def test_a_message_of_another_mid_is_left_alone(stage: Stage, room: str, at_once: int) -> None:
    """Who names a mid means that message: another one with its seq is none to amend, and nothing is stored."""
    broker = await stage.broker()
    sent = [Sent(text=f"t{number}") for number in range(5)]
    for number, one in enumerate(sent, 1):
        broker.publish(room, one)
        if number % at_once == 0:
            await one.answered()
    before = await stage.log(room)
    mids = [head(event).mid for event in before]
    for seq in (1, 3, 5):
        for mid in ("lost.3", mids[seq % 5], mids[seq - 1] + "0", mids[seq - 1][:-2], "."):
            for amends in (edit(seq, "x", mid=mid), delete(seq, mid=mid), react(seq, mid=mid)):
                error = refusal(await amends.through(broker, room))
                assert type(error) is UnknownMessage
    assert await stage.log(room) == before
    for seq in (1, 3, 5):
        for amends in (edit(seq, "new", mid=mids[seq - 1]), react(seq, mid=mids[seq - 1]), edit(seq, "newer")):
            assert (await amends.through(broker, room)).seq > 5
        assert (await kept(stage, room, seq))["text"] == "newer"
        await delete(seq, mid=mids[seq - 1]).through(broker, room)
        assert (await kept(stage, room, seq))["deleted"] is True


async def test_what_is_no_message_cannot_be_amended(stage: Stage, room: str) -> None:
    """No such seq, an event that is no message, a message deleted already: refused, and nothing is stored."""
    broker = await stage.broker()
    for amends in (edit(1, "x"), delete(1), react(1), edit(0, "x")):
        assert type(refusal(await amends.through(broker, room))) is UnknownMessage
    await Sent().through(broker, room)
    await edit(1, "x").through(broker, room)
    await delete(1).through(broker, room)
    for of in (1, 2, 3, 4, 10**15):
        for amends in (edit(of, "x"), delete(of), react(of)):
            error = refusal(await amends.through(broker, room))
            assert type(error) is (BadRequest if of == 1 else UnknownMessage)
            assert ("deleted" in str(error)) is (of == 1)
    assert len(await stage.log(room)) == 3


async def test_a_deleted_text_is_gone_and_those_of_its_edits_are(stage: Stage, room: str) -> None:
    """What is left says who wrote and that it was deleted; the events of its edits are `superseded`, without a text."""
    broker = await stage.broker()
    await Sent(text="secret-0").through(broker, room)
    for number in range(1, 4):
        await edit(1, f"secret-{number}", more=b'["u7"]').through(broker, room)
        assert (await kept(stage, room, 1))["mentions"] == ["u7"]
    await react(1).through(broker, room)
    log = b"".join(await stage.log(room))
    assert [f"secret-{number}".encode() in log for number in range(4)] == [False, False, False, True]
    await delete(1).through(broker, room)
    log = await stage.log(room)
    assert b"secret" not in b"".join(log)
    assert [json.loads(event)["type"] for event in log] == [
        "message",
        *["superseded"] * 3,
        "reacted",
        "deleted",
    ]
    message = await kept(stage, room, 1)
    assert message["text"] == ""
    assert message["deleted"] is True
    assert {"edited", "edit", "mentions", "reactions"} & set(message) == set()


async def test_a_deleted_text_is_nowhere_in_redis(real: RedisStage, room: str) -> None:
    """No key of any kind holds the text of a deleted message, or one that an edit has replaced."""
    broker = await real.broker()
    for number in range(30):
        broker.publish(room, Sent(text=f"needle-{number}"))
    await Sent(text="last").through(broker, room)
    await edit(7, "needle-edited").through(broker, room)
    await edit(7, "needle-again").through(broker, room)
    with witness(real.url) as client:
        assert sorted(_found(client, room, b'needle-6"') | _found(client, room, b"needle-edited")) == []
        assert _found(client, room, b"needle-again") != set()
        for seq in range(1, 31):
            await delete(seq).through(broker, room)
        assert sorted(_found(client, room, b"needle")) == []


def _found(client: Any, room: str, needle: bytes) -> set[bytes]:
    """Which keys of a room contain it."""
    found = set()
    for key in client.scan_iter(f"{keys.PREFIX}*"):
        if room.encode() not in key:
            continue
        kind = client.type(key)
        if kind == b"list":
            content = b"\n".join(client.lrange(key, 0, -1))
        elif kind == b"hash":
            content = b"\n".join(part for pair in client.hgetall(key).items() for part in pair)
        else:
            content = client.get(key)
        if needle in content:
            found.add(key)
    return found


async def test_reactions_are_sets_in_the_order_in_which_they_came(stage: Stage, room: str) -> None:
    """By emoji, then by user; twice is once; the last one to leave takes the emoji along."""
    broker = await stage.broker()
    await Sent(sender="u9/s").through(broker, room)
    steps: list[tuple[str, str, bool, list[tuple[str, list[str]]]]] = [
        ("u1", HEART, True, [(HEART, ["u1"])]),
        ("u2", THUMB, True, [(HEART, ["u1"]), (THUMB, ["u2"])]),
        ("u2", HEART, True, [(HEART, ["u1", "u2"]), (THUMB, ["u2"])]),
        ("u2", HEART, True, [(HEART, ["u1", "u2"]), (THUMB, ["u2"])]),
        ("u3", HEART, False, [(HEART, ["u1", "u2"]), (THUMB, ["u2"])]),
        ("u1", HEART, False, [(HEART, ["u2"]), (THUMB, ["u2"])]),
        ("u2", HEART, False, [(THUMB, ["u2"])]),
        ("u2", THUMB, False, []),
        ("u2", THUMB, False, []),
    ]
    for user, emoji, on, expected in steps:
        await react(1, emoji, on, sender=f"{user}/s").through(broker, room)
        reactions = (await kept(stage, room, 1)).get("reactions", [])
        assert [(one["emoji"], one["users"]) for one in reactions] == expected
    assert len(await stage.log(room)) == 1 + len(steps)
    assert "reactions" not in await kept(stage, room, 1)


async def test_reactions_are_bounded(stage: Stage, room: str) -> None:
    """Twenty emoji a message, two hundred users an emoji; who reacted may still take it back."""
    broker = await stage.broker()
    await Sent().through(broker, room)
    for number in range(20):
        assert (await react(1, chr(0x1F600 + number)).through(broker, room)).seq == number + 2
    assert type(refusal(await react(1, chr(0x1F600 + 20)).through(broker, room))) is BadRequest
    first = chr(0x1F600)
    for number in range(199):
        assert not (await react(1, first, sender=f"v{number}/s").through(broker, room)).dup
    assert type(refusal(await react(1, first, sender="one-more/s").through(broker, room))) is BadRequest
    await react(1, first, on=False, sender="v7/s").through(broker, room)
    assert not (await react(1, first, sender="one-more/s").through(broker, room)).dup
    users = (await kept(stage, room, 1))["reactions"][0]["users"]
    assert (len(users), users[-1]) == (200, "one-more")


async def test_an_amendment_again_is_the_same_event(stage: Stage, room: str) -> None:
    """Its cid is remembered with those of the sends: a deletion tried again is confirmed, not refused."""
    broker, other = await stage.broker(), await stage.broker()
    await Sent("s").through(broker, room)
    first = [
        await edit(1, "x", cid="e").through(broker, room),
        await react(1, cid="r").through(broker, room),
        await delete(1, cid="d").through(broker, room),
    ]
    again = [
        await edit(1, "x", cid="e").through(other, room),
        await react(1, cid="r").through(other, room),
        await delete(1, cid="d").through(other, room),
    ]
    for one, two in zip(first, again, strict=True):
        assert two.confirmed == (*one.confirmed[:3], True)
    assert (await delete(1, cid="s").through(broker, room)).confirmed[0] == 1
    assert len(await stage.log(room)) == 4
    refused = edit(1, "late", cid="late")
    assert type(refusal(await refused.through(broker, room))) is BadRequest
    assert (await Sent("late").through(broker, room)).dup is False


async def test_changes_and_amendments_of_one_caller_keep_their_order(stage: Stage, room: str) -> None:
    """Handed in in one turn: each amendment finds the message that was sent before it, and no later one."""
    broker = await stage.broker()
    made: list[Sent] = []
    for number in range(20):
        made += [Sent(text=f"t{number}"), Sent(), edit(4 * number + 1, f"e{number}"), delete(4 * number + 2)]
    for one in made:
        if isinstance(one, Amends):
            broker.amend(room, one, one.amendment)
        else:
            broker.publish(room, one)
    for one in made:
        await one.answered()
    assert [one.seq for one in made] == list(range(1, 81))
    log = [json.loads(event) for event in await stage.log(room)]
    assert [event["text"] for event in log if "edit" in event] == [f"e{number}" for number in range(20)]
    assert sum(event.get("deleted", False) for event in log) == 20


async def test_a_publication_tells_what_it_changed(stage: Stage, room: str) -> None:
    """The amendment's event, and the bodies of whatever it changed, as the log has them now."""
    broker = await stage.broker()
    await Sent(text="a").through(broker, room)
    heard = await stage.hear(room)
    await edit(1, "b").through(broker, room)
    await react(1).through(broker, room)
    await edit(1, "c").through(broker, room)
    await Amends("topic", 0, "Releases").through(broker, room)
    await delete(1).through(broker, room)
    await until_async(lambda: len(heard) == 5, "all are published")
    batches = [Batch.parse(publication) for publication in heard]
    assert [batch.first for batch in batches] == [2, 3, 4, 5, 6]
    assert [[fold.seq for fold in batch.folds] for batch in batches] == [[1], [1], [2, 1], [0], [4, 1]]
    assert [len(batch.payloads) for batch in batches] == [1] * 5
    log = await stage.log(room)
    for fold in batches[-1].folds:
        assert log[fold.seq - 1].endswith(fold.body)
    assert log[1].endswith(batches[2].folds[0].body)
    assert batches[3].folds[0].body == b'"Releases"'


async def test_a_topic_belongs_to_the_room(stage: Stage, room: str) -> None:
    """Whoever reads gets the present one; an empty one is none."""
    broker, other = await stage.broker(), await stage.broker()
    assert (await broker.latest(room, 5)).topic == b""
    await Amends("topic", 0, "Releases \u00e9").through(broker, room)
    page = await other.latest(room, 5)
    assert json.loads(page.topic) == "Releases \u00e9"
    assert json.loads(page.events[0])["topic"] == "Releases \u00e9"
    await Amends("topic", 0, "").through(broker, room)
    assert (await other.between(room, 1, 5)).topic == b""


async def test_events_that_are_no_messages_are_counted(stage: Stage, room: str) -> None:
    """So that unread messages are counted without reading."""
    broker = await stage.broker()
    for _ in range(3):
        await Sent().through(broker, room)
    assert (await broker.latest(room, 0)).others == 0
    await edit(1, "x").through(broker, room)
    await react(1).through(broker, room)
    await edit(99, "x").through(broker, room)
    await Amends("topic", 0, "t").through(broker, room)
    await delete(1).through(broker, room)
    page = await broker.latest(room, 0)
    assert (page.top.seq, page.others) == (7, 4)


async def test_what_is_trimmed_cannot_be_amended_and_harms_nothing(stage: Stage, room: str) -> None:
    """A message that is gone is refused; one that is kept is amended although the event of its last edit is gone."""
    broker = await stage.broker(kept_events=20)
    await Sent(text="old").through(broker, room)
    for _ in range(140):
        await Sent().through(broker, room)
    oldest = (await broker.latest(room, 0)).oldest
    assert oldest > 1
    for of in (1, oldest - 1):
        assert type(refusal(await edit(of, "x").through(broker, room))) is UnknownMessage
    assert (await edit(oldest + 5, "kept").through(broker, room)).seq == 142
    page = await broker.latest(room, 1000)
    assert [json.loads(event)["text"] for event in page.events if head(event).seq == oldest + 5] == ["kept"]
    for event in page.events:
        position = page.top._replace(seq=head(event).seq, mid=head(event).mid)
        assert (await broker.since(room, position, 1)).proved


async def test_folded_entries_are_trimmed_and_proved_like_others(stage: Stage, room: str) -> None:
    """Amendments count as events, and trimming between them leaves a whole log."""
    broker = await stage.broker(kept_events=20)
    for number in range(150):
        sent = await Sent(text=f"t{number}").through(broker, room)
        await edit(sent.seq, f"e{number}").through(broker, room)
        await react(max(sent.seq - 7, 1)).through(broker, room)
    page = await broker.latest(room, 1000)
    assert page.oldest > 1
    assert [head(event).seq for event in page.events] == list(range(page.oldest, page.top.seq + 1))
    assert len(page.events) >= 20
    for event in page.events:
        position = page.top._replace(seq=head(event).seq, mid=head(event).mid)
        assert (await broker.since(room, position, 1)).proved
