"""Attacks with tokens: forged, altered, borrowed, too old, too large."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt

from tests.attacks.attacker import Attacker, attack
from tests.attacks.target import TOKEN_SECRET
from tests.attacks.wire import Raw, expect

AREA = "tokens"


def _part(data: bytes | dict[str, Any]) -> str:
    raw = json.dumps(data).encode() if isinstance(data, dict) else data
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _claims(**more: Any) -> dict[str, Any]:
    return {"sub": "mallory", "name": "Mallory", "exp": int(time.time()) + 600, **more}


def _signed(head: dict[str, Any], secret: bytes, **more: Any) -> str:
    """A token whose header says anything, signed by HMAC with anything."""
    body = f"{_part(head)}.{_part(_claims(**more))}"
    return f"{body}.{_part(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


async def _kept_out(attacker: Attacker, hello: dict[str, Any], *codes: int) -> None:
    """With this hello nobody comes in: unauthorized, expired or bad_request, and closed where that is final."""
    link = await attacker.websocket()
    await link.say(type="hello", id=1, **hello)
    error = await link.hear("error", "welcome")
    expect(error["type"], "error", what=f"the answer to {str(hello)[:80]}")
    if error["code"] == "bad_request":
        attacker.seen["bad_request"] += 1
        return
    code = (await attacker.codes([link])).popitem()[0]
    expect(code, *codes, what=f"the end after {str(hello)[:80]}")


@attack(AREA)
async def forged_algorithms(attacker: Attacker) -> None:
    """`none`, a public key used as a secret, and every other algorithm but a key's own are refused."""
    public = attacker.target.public_key
    heads = [
        {"alg": alg, "typ": "JWT"} for alg in ("none", "None", "nOnE", "", "HS384", "RS256", "ES256", "EdDSA", "HS256 ")
    ]
    for head in heads:
        body = f"{_part(head)}.{_part(_claims())}"
        for token in (f"{body}.", body, f"{body}.AAAA", _signed(head, public), _signed(head, TOKEN_SECRET.encode())):
            await _kept_out(attacker, {"token": token}, 4500)
    for secret in (public, public.strip(), public.replace(b"\n", b""), b"", b"\0" * 32):
        await _kept_out(attacker, {"token": _signed({"alg": "HS256", "typ": "JWT"}, secret)}, 4500)


@attack(AREA)
async def planted_keys(attacker: Attacker) -> None:
    """What a header says of keys is not fetched, not opened, not believed."""
    jwk = {"kty": "oct", "k": _part(b"mine" * 8)}
    for more in (
        {"kid": "../../../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"kid": "/proc/self/environ"},
        {"kid": ["a"]},
        {"kid": {"a": 1}},
        {"kid": "x" * 4000},
        {"jku": f"http://127.0.0.1:{attacker.target.port}/asyncapi.json"},
        {"jwk": jwk},
        {"x5u": "file:///etc/passwd"},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
    ):
        await _kept_out(attacker, {"token": _signed({"alg": "HS256", **more}, b"mine" * 8)}, 4500)


@attack(AREA)
async def claims_that_do_not_hold(attacker: Attacker) -> None:
    """Too old, endless, not yet valid, for nobody, or in numbers that are none: nobody comes in."""
    good = jwt.encode(_claims(), TOKEN_SECRET, algorithm="HS256")
    link = await attacker.websocket()
    expect((await link.ask(type="hello", id=1, token=good))["type"], "welcome", what="a good token")
    now = int(time.time())
    for more in ({"exp": now - 3600}, {"exp": 0}):
        await _kept_out(attacker, {"token": jwt.encode(_claims(**more), TOKEN_SECRET, algorithm="HS256")}, 4004)
    wrong: list[dict[str, Any]] = [
        {"exp": None},
        {"exp": "soon"},
        {"exp": [now + 60]},
        {"exp": 10**400},
        {"nbf": now + 3600},
        {"iat": now + 3600},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\x00b"},
        {"name": "x" * 1000},
        {"name": ["x"]},
        {"rooms": "all"},
        {"rooms": {"*": "root"}},
        {"rooms": {"x" * 5000: "read"}},
        {"aud": "parley-guest"},
    ]
    for more in wrong:
        await _kept_out(attacker, {"token": _signed({"alg": "HS256"}, TOKEN_SECRET.encode(), **more)}, 4500, 4004)


@attack(AREA)
async def tokens_of_any_size_and_shape(attacker: Attacker) -> None:
    """Huge ones, deep ones, and such as are none are refused like any other."""
    deep = f"{_part(b'[' * 2000)}.{_part(b'[' * 2000)}.x"
    shapes = [
        "x",
        "..",
        "a.b.c",
        "." * 8000,
        "x" * 8192,
        "x" * 8193,
        "x" * 60_000,
        deep,
        "\u0000",
        "eyJ" * 2000,
        "ä.ö.ü",
    ]
    for _ in range(attacker.much(20, 1)):
        for shape in shapes:
            await _kept_out(attacker, {"token": shape}, 4500)


@attack(AREA)
async def sessions_of_others(attacker: Attacker) -> None:
    """Another guest's token altered, another's session, a user's token as guest's: none makes one somebody else."""
    victim = await attacker.websocket()
    welcome = await victim.ask(type="hello", id=1, name="Victim", session="s1")
    token = welcome["guest"]
    head, body, signature = (token + "..").split(".")[:3]
    user = jwt.encode(_claims(sub=welcome["user"]), TOKEN_SECRET, algorithm="HS256")
    altered = [
        token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        f"{head}.{body}.",
        f"{_part({'alg': 'none'})}.{body}.",
        f"{head}.{_part({'sub': welcome['user'], 'name': 'Victim', 'aud': 'parley-guest'})}.{signature}",
        user,
        welcome["user"],
    ]
    for guest in altered:
        await _kept_out(attacker, {"guest": guest}, 4500)
    await _kept_out(attacker, {"token": token}, 4500)
    # Without its token the same name and session are somebody else.
    other: Raw = await attacker.websocket()
    again = await other.ask(type="hello", id=1, name="Victim", session="s1")
    expect(again["user"] == welcome["user"], False, what="the victim's user")
    attacker.seen["somebody else"] += 1


@attack(AREA)
async def ids_of_guests(attacker: Attacker) -> None:
    """A good token whose user is a guest, by the id that everybody sees: it is not welcomed, and nothing is read."""
    ada, bob = await attacker.websocket(), await attacker.websocket()
    await ada.ask(type="hello", id=1, name="Ada")
    user = (await bob.ask(type="hello", id=1, name="Bob"))["user"]
    room = (await ada.ask(type="direct", id=2, user=user))["room"]
    await ada.ask(type="join", id=3, room=room)
    await ada.ask(type="send", id=4, room=room, cid="c1", text="for Bob alone")
    token = jwt.encode(_claims(sub=user), TOKEN_SECRET, algorithm="HS256")
    await _kept_out(attacker, {"token": token}, 4500)
    link = await attacker.websocket()
    welcome = await link.ask(type="hello", id=1, token=jwt.encode(_claims(), TOKEN_SECRET, algorithm="HS256"))
    expect(welcome["user"] == user, False, what="the guest's user")
    refused = await link.ask(type="refresh", id=2, token=token)
    expect(refused["type"], "error", what="a refresh to a guest's id")
    attacker.seen["nobody else"] += 1


@attack(AREA)
async def tokens_by_the_thousand(attacker: Attacker) -> None:
    """Signatures that have to be checked, as fast as connections can be made, hold nobody up."""
    forged = jwt.encode(_claims(), "not the secret that the server has!!", algorithm="HS256")
    head, body = _part({"alg": "RS256"}), _part(_claims())
    public = f"{head}.{body}.{_part(b'x' * 256)}"
    for number in attacker.while_time(4.0, 0.4):
        await _kept_out(attacker, {"token": public if number % 2 else forged}, 4500)
