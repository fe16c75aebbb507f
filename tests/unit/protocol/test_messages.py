"""The protocol's messages: each is read and written as documented, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from app.errors import BadRequest, NotConfirmed, RateLimited
from app.events import Position
from app.protocol import bodies, replies, requests
from tests.fakes.log import events

REQUESTS: dict[str, tuple[str, requests.Request]] = {
    "a guest": ('{"type":"hello","id":1,"name":"Ada"}', requests.Hello(1, name="Ada")),
    "a signed-in user": ('{"type":"hello","id":1,"token":"jwt"}', requests.Hello(1, token="jwt")),
    "a guest again": (
        '{"type":"hello","id":1,"guest":"t","session":"s1"}',
        requests.Hello(1, guest="t", session="s1"),
    ),
    "join": ('{"type":"join","id":2,"room":"lobby"}', requests.Join(2, "lobby")),
    "join with a limit": ('{"type":"join","id":2,"room":"lobby","limit":0}', requests.Join(2, "lobby", 0)),
    "resume": (
        '{"type":"join","id":2,"room":"lobby","since":{"epoch":"k3v9","seq":1041,"mid":"m77"}}',
        requests.Join(2, "lobby", since=requests.Since("k3v9", 1041, "m77")),
    ),
    "resume from nothing": (
        '{"type":"join","id":2,"room":"lobby","since":{"epoch":"k","seq":0,"mid":""}}',
        requests.Join(2, "lobby", since=requests.Since("k", 0, "")),
    ),
    "send": (
        '{"type":"send","id":3,"room":"lobby","cid":"s1-17","text":"hi"}',
        requests.Send(3, "lobby", "s1-17", "hi"),
    ),
    "history before": (
        '{"type":"history","id":7,"room":"lobby","before":1041,"limit":50}',
        requests.History(7, "lobby", before=1041),
    ),
    "history after": ('{"type":"history","id":7,"room":"lobby","after":5}', requests.History(7, "lobby", after=5)),
    "leave": ('{"type":"leave","id":9,"room":"lobby"}', requests.Leave(9, "lobby")),
    "ping": ('{"type":"ping","id":11}', requests.Ping(11)),
    "the largest id": ('{"type":"ping","id":9007199254740992}', requests.Ping(2**53)),
    "fields in another order": ('{"room":"r","id":9,"type":"leave"}', requests.Leave(9, "r")),
    "unknown fields": ('{"type":"ping","id":1,"new":{"a":[1,2]}}', requests.Ping(1)),
    "white space": (' {\n"type" : "ping",\t"id" : 1 }\r\n', requests.Ping(1)),
    "escapes": ('{"type":"leave","id":1,"room":"\\u00e9\\ud83d\\ude00"}', requests.Leave(1, "é\U0001f600")),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_every_request_is_read(case: str) -> None:
    """As docs/protocol.md shows it; what is not given has its default, what is not known is ignored."""
    text, request = REQUESTS[case]
    assert requests.decode(text.encode()) == request


WRONG = {
    "nothing": "",
    "white space": " \n",
    "no JSON": "hello",
    "cut off": '{"type":"ping","id":1',
    "two messages": '{"type":"ping","id":1}{"type":"ping","id":2}',
    "trailing comma": '{"type":"ping","id":1,}',
    "single quotes": "{'type':'ping','id':1}",
    "a comment": '{"type":"ping","id":1}//',
    "a byte order mark": '\ufeff{"type":"ping","id":1}',
    "null": "null",
    "an array": '[{"type":"ping","id":1}]',
    "a string": '"ping"',
    "a number": "1",
    "no type": '{"id":1}',
    "unknown type": '{"type":"explode","id":1}',
    "type in other case": '{"type":"Ping","id":1}',
    "type of another type": '{"type":1,"id":1}',
    "type null": '{"type":null,"id":1}',
    "type array": '{"type":["ping"],"id":1}',
    "a type only the server sends": '{"type":"ack","id":1,"room":"a","cid":"c","seq":1,"mid":"m","ts":1,"dup":false}',
    "no id": '{"type":"ping"}',
    "id null": '{"type":"ping","id":null}',
    "id as text": '{"type":"ping","id":"1"}',
    "id true": '{"type":"ping","id":true}',
    "id zero": '{"type":"ping","id":0}',
    "id negative": '{"type":"ping","id":-1}',
    "id fraction": '{"type":"ping","id":1.5}',
    "id beyond 2^53": '{"type":"ping","id":9007199254740993}',
    "id beyond 64 bits": '{"type":"ping","id":18446744073709551617}',
    "id with 400 digits": '{"type":"ping","id":%s}' % ("9" * 400),
    "id with 100,000 digits": '{"type":"ping","id":%s}' % ("9" * 100_000),
    "id huge exponent": '{"type":"ping","id":1e400}',
    "NaN": '{"type":"ping","id":NaN}',
    "Infinity": '{"type":"ping","id":Infinity}',
    "leading zero": '{"type":"ping","id":01}',
    "plus sign": '{"type":"ping","id":+1}',
    "no room": '{"type":"join","id":1}',
    "room null": '{"type":"join","id":1,"room":null}',
    "room a number": '{"type":"join","id":1,"room":5}',
    "room an object": '{"type":"join","id":1,"room":{}}',
    "limit negative": '{"type":"join","id":1,"room":"a","limit":-1}',
    "limit as text": '{"type":"join","id":1,"room":"a","limit":"5"}',
    "limit null": '{"type":"join","id":1,"room":"a","limit":null}',
    "since null": '{"type":"join","id":1,"room":"a","since":null}',
    "since incomplete": '{"type":"join","id":1,"room":"a","since":{"epoch":"e","seq":1}}',
    "since negative": '{"type":"join","id":1,"room":"a","since":{"epoch":"e","seq":-1,"mid":"m"}}',
    "since array": '{"type":"join","id":1,"room":"a","since":["e",1,"m"]}',
    "since too long": '{"type":"join","id":1,"room":"a","since":{"epoch":"%s","seq":1,"mid":"m"}}' % ("e" * 65),
    "no cid": '{"type":"send","id":1,"room":"a","text":"x"}',
    "empty cid": '{"type":"send","id":1,"room":"a","cid":"","text":"x"}',
    "cid with a space": '{"type":"send","id":1,"room":"a","cid":"a b","text":"x"}',
    "cid with a separator": '{"type":"send","id":1,"room":"a","cid":"a;b=1","text":"x"}',
    "cid of other letters": '{"type":"send","id":1,"room":"a","cid":"é","text":"x"}',
    "cid of 65 characters": '{"type":"send","id":1,"room":"a","cid":"%s","text":"x"}' % ("c" * 65),
    "session of 41 characters": '{"type":"hello","id":1,"name":"a","session":"%s"}' % ("s" * 41),
    "session with a slash": '{"type":"hello","id":1,"name":"a","session":"a/b"}',
    "empty session": '{"type":"hello","id":1,"name":"a","session":""}',
    "no text": '{"type":"send","id":1,"room":"a","cid":"c"}',
    "text a number": '{"type":"send","id":1,"room":"a","cid":"c","text":1}',
    "text an array": '{"type":"send","id":1,"room":"a","cid":"c","text":["x"]}',
    "lone high surrogate": '{"type":"send","id":1,"room":"a","cid":"c","text":"\\ud800"}',
    "lone low surrogate": '{"type":"send","id":1,"room":"a","cid":"c","text":"\\udc00x"}',
    "surrogates the wrong way round": '{"type":"send","id":1,"room":"a","cid":"c","text":"\\udc00\\ud800"}',
    "raw newline in a text": '{"type":"send","id":1,"room":"a","cid":"c","text":"a\nb"}',
    "unknown escape": '{"type":"send","id":1,"room":"a","cid":"c","text":"\\x41"}',
    "before negative": '{"type":"history","id":1,"room":"a","before":-5}',
    "after as text": '{"type":"history","id":1,"room":"a","after":"5"}',
    "token an object": '{"type":"hello","id":1,"token":{"a":1}}',
    "token too long": '{"type":"hello","id":1,"token":"%s"}' % ("t" * 8193),
    "deep arrays": "[" * 60_000,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "deep unknown field": '{"type":"ping","id":1,"x":' + "[" * 30_000 + "]" * 30_000 + "}",
    "duplicate id, the last one wrong": '{"type":"ping","id":1,"id":"x"}',
}


@pytest.mark.parametrize("case", WRONG)
def test_everything_else_is_a_bad_request(case: str) -> None:
    """With a sentence that fits into an error reply, and no other exception."""
    with pytest.raises(BadRequest) as refused:
        requests.decode(WRONG[case].encode("utf-8"))
    assert 1 <= len(str(refused.value)) <= 200


@pytest.mark.parametrize(
    "payload", [b"\xff", b'{"type":"leave","id":1,"room":"\xff"}', b'{"type":"\xc3","id":1}', b"\0" * 99]
)
def test_bytes_that_are_no_text_are_a_bad_request(payload: bytes) -> None:
    """The connection refuses them already; the codec does not rely on it."""
    with pytest.raises(BadRequest):
        requests.decode(payload)


def test_of_a_field_given_twice_the_last_counts() -> None:
    """As JSON parsers in browsers do."""
    assert requests.decode(b'{"type":"ping","id":1,"id":2}') == requests.Ping(2)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_a_bad_request(noise: bytes) -> None:
    """No input raises anything else, from either decoder."""
    requests.id_of(noise)
    try:
        requests.decode(noise)
    except BadRequest:
        pass


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
_fields = st.sampled_from(["type", "id", "room", "limit", "since", "cid", "text", "name", "token", "session", "before"])
_types = st.sampled_from(["hello", "join", "leave", "send", "history", "ping", "nonsense"])


@given(st.dictionaries(_fields, _json | st.integers(-1, 3) | st.text(max_size=3)), _types)
def test_messages_of_wild_types_are_requests_or_bad_requests(fields: dict[str, Any], kind: str) -> None:
    """Well-formed JSON with the right names and any values: accepted only as the types say."""
    payload = json.dumps({**fields, "type": kind}).encode()
    try:
        request = requests.decode(payload)
    except BadRequest:
        return
    assert type(request).__name__.lower() == kind
    assert request.id == fields["id"]
    assert requests.id_of(payload) == request.id


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('{"type":"explode","id":7}', 7),
        ('{"id":7,"room":5}', 7),
        ('{"type":"join","id":7,"room":5}', 7),
        ('{"type":"ping","id":"7"}', None),
        ('{"type":"ping","id":0}', None),
        ('{"type":"ping"}', None),
        ('{"id":7', 7),
        ('{"type":"send","id":7,"room":"r","cid":"c","text":"\\ud83d"}', 7),
        ('{"id":"7', None),
        ("[7]", None),
        ("[" * 60_000, None),
    ],
)
def test_the_id_of_a_bad_request_is_found_if_it_has_one(text: str, number: int | None) -> None:
    """So that the error reply finds its way back to the request."""
    assert requests.id_of(text.encode()) == number


# What the server says


def test_replies_are_the_documented_json() -> None:
    """Each with its type, and no field that was not set."""
    limits = replies.Limits(text=4000, frame=65536, rooms=100, rate=20, unacked=32)
    said = {
        "welcome": replies.Welcome(1, "c9", "u1", "Ada", 25, limits, "s1", "n2", "t"),
        "ack": replies.Ack(3, "lobby", "s1-17", 1045, "m81", 1763791200123, False),
        "left": replies.Left("lobby", 9),
        "pong": replies.Pong(11),
        "going-away": replies.GoingAway(1.83, "drain"),
    }
    read = {kind: json.loads(replies.encode(reply)) for kind, reply in said.items()}
    assert {kind: message["type"] for kind, message in read.items()} == {kind: kind for kind in said}
    assert read["ack"] == {
        "type": "ack", "id": 3, "room": "lobby", "cid": "s1-17",
        "seq": 1045, "mid": "m81", "ts": 1763791200123, "dup": False,
    }  # fmt: skip
    assert read["welcome"]["limits"] == {"text": 4000, "frame": 65536, "rooms": 100, "rate": 20, "unacked": 32}
    assert read["going-away"] == {"type": "going-away", "after": 1.83, "reason": "drain"}


def test_a_refusal_says_what_to_do() -> None:
    """Code, sentence, whether it may pass, and when to try again."""
    assert json.loads(replies.refusal(3, RateLimited("slowly", 1.2))) == {
        "type": "error", "id": 3, "code": "rate_limited", "temporary": True, "retry": 1.2, "message": "slowly",
    }  # fmt: skip
    assert json.loads(replies.refusal(None, BadRequest("what?"))) == {
        "type": "error", "code": "bad_request", "temporary": False, "message": "what?",
    }  # fmt: skip
    assert json.loads(replies.refusal(1, NotConfirmed("perhaps")))["code"] == "unavailable"


NASTY_ROOM = 'q"uo\\te\u2028é\U0001f600'


@pytest.mark.parametrize("kept", [[], events(1, 1), events(1, 3)])
def test_stored_events_are_put_into_replies_as_they_are(kept: list[bytes]) -> None:
    """Pasted, not parsed: the result is the same JSON as if they had been."""
    parsed = [json.loads(event) for event in kept]
    position = Position("k3v9", 1044, "m80")
    assert json.loads(bodies.joined(requests.Join(2, "given"), NASTY_ROOM, position, True, kept, b',"members":7')) == {
        "type": "joined", "id": 2, "room": NASTY_ROOM, "epoch": "k3v9", "seq": 1044, "mid": "m80",
        "recovered": True, "messages": parsed, "members": 7,
    }  # fmt: skip
    assert json.loads(bodies.resync(NASTY_ROOM, position, False, kept, b'"plans"')) == {
        "type": "resync", "room": NASTY_ROOM, "epoch": "k3v9", "seq": 1044, "mid": "m80",
        "lost": False, "topic": "plans", "messages": parsed,
    }  # fmt: skip
    assert json.loads(bodies.history(requests.History(7, "given"), NASTY_ROOM, kept, True)) == {
        "type": "history", "id": 7, "room": NASTY_ROOM, "messages": parsed, "more": True,
    }  # fmt: skip


@given(st.text(), st.text(), st.text())
def test_an_event_is_one_line_whatever_people_write(room: str, name: str, text: str) -> None:
    """A raw newline would split a publication in two; JSON escapes it."""
    body = bodies.message_body(bodies.message_start(room, "u1", name), "c1", text)
    assert b"\n" not in body
    assert json.loads(b"{" + body[1:]) == {
        "type": "message", "room": room, "cid": "c1", "user": "u1", "name": name, "text": text,
    }  # fmt: skip


def test_the_heartbeat_is_a_push() -> None:
    """It has a type and no id, like every push."""
    assert json.loads(replies.HEARTBEAT) == {"type": "ping"}


def test_fields_not_given_are_false() -> None:
    """Commands ask `if request.since`; an absent field must not be mistaken for a given one."""
    assert not UNSET
    assert not requests.Join(1, "a").since
    assert requests.Since("", 0, "")
