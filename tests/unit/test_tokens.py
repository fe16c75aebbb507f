"""Tokens of signed-in users: by secret and by public key, and every way in which one is not good."""

from __future__ import annotations

import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.errors import Expired, SettingError, Unauthorized
from app.grants import Right
from app.tokens import Expected, Key, User, file_keys, fitting, key_name, key_set, make, shared_keys, verify

SECRET = "one secret of more than thirty-two characters"
OTHER = "another secret of more than thirty-two characters"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
PRIVATE = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def pem(private: Any) -> bytes:
    """The public key as a file has it."""
    return bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def jwk(private: Any, **more: Any) -> dict[str, Any]:
    """The public key as a key set has it."""
    algorithm = {RSA: RSAAlgorithm, EC: ECAlgorithm, ED: OKPAlgorithm}[private]
    return {**json.loads(algorithm.to_jwk(private.public_key())), **more}


def signed(key: Any = SECRET, algorithm: str = "HS256", kid: str = "", **claims: Any) -> str:
    """A token with some claims other than usual; None takes one away."""
    whole = {"sub": "u1", "name": "Ada", "exp": int(time.time()) + 3000, **claims}
    headers = {"kid": kid} if kid else None
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, key, algorithm=algorithm, headers=headers)


def read(token: str, keys: list[Key] | None = None, expected: Expected = Expected()) -> User:  # noqa: B008
    """As the server does it."""
    keys = shared_keys([SECRET]) if keys is None else keys
    return verify(token, fitting(keys, *key_name(token)), expected)


def test_a_token_says_who_somebody_is() -> None:
    """User, name, grants, and when it ends."""
    user = read(signed(exp=2**31, rooms={"ops": "moderate"}))
    assert (user.user, user.name, user.ends) == ("u1", "Ada", 2**31)
    assert user.grants is not None
    assert user.grants.right("ops") is Right.MODERATE
    assert read(signed(name=None)).name == "u1"
    assert read(make(SECRET, "u2", 60, {"name": "Bob"})).name == "Bob"


def test_keys_are_rotated() -> None:
    """Any of several secrets signs; one that is gone does no more."""
    both = shared_keys([OTHER, SECRET])
    assert read(signed(), both) == read(signed(OTHER), both)
    with pytest.raises(Unauthorized):
        read(signed(), shared_keys([OTHER]))


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_public_keys_come_from_files(tmp_path: Path, algorithm: str) -> None:
    """PEM or a key set; each is for one algorithm."""
    (tmp_path / "key.pem").write_bytes(pem(PRIVATE[algorithm]))
    (tmp_path / "set.json").write_text(json.dumps({"keys": [jwk(PRIVATE[algorithm], kid="k1")]}))
    for name, kid in (("key.pem", ""), ("set.json", "k1")):
        (key,) = file_keys([str(tmp_path / name)])
        assert (key.algorithm, key.kid) == (algorithm, kid)
        assert read(signed(PRIVATE[algorithm], algorithm, "k1"), [key]).user == "u1"


def test_a_public_key_is_no_secret() -> None:
    """A token signed with the public key's own text by HS256 is refused, as is none."""
    keys = [Key("RS256", RSA.public_key()), *shared_keys([SECRET])]
    head, body = (jwt.utils.base64url_encode(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {"sub": "u1"}))
    signing = head + b"." + body
    mac = jwt.utils.base64url_encode(hmac.digest(pem(RSA), signing, "sha256"))
    with pytest.raises(Unauthorized):
        read((signing + b"." + mac).decode(), keys)


WRONG = {
    "empty": "",
    "no token": "hello",
    "not ASCII": "é.é.é",
    "huge": "A" * 8192,
    "dots": "." * 8192,
    "deep": jwt.utils.base64url_encode(b"[" * 6000).decode() + ".e30.e30",
    "of somebody else": signed(OTHER),
    "no algorithm": jwt.encode({"sub": "u1", "exp": 2**40}, None, algorithm="none"),
    "another algorithm": signed(SECRET * 2, "HS512"),
    "by a key not known": signed(RSA, "RS256"),
    "without an end": signed(exp=None),
    "end a text": signed(exp="tomorrow"),
    "end beyond all": signed(exp=float("inf")),
    "without a user": signed(sub=None),
    "user a number": signed(sub=5),
    "user empty": signed(sub=""),
    "user too long": signed(sub="u" * 256),
    "user with a line": signed(sub="a\nb"),
    "name a number": signed(name=5),
    "name with a bidi sign": signed(name="A\u202ea"),
    "not valid yet": signed(nbf=int(time.time()) + 86400),
    "of the future": signed(iat=int(time.time()) + 86400),
    "a guest's": signed(aud="parley-guest"),
    "a guest's among others": signed(aud=["x", "parley-guest"]),
    "rooms a list": signed(rooms=["ops"]),
    "rooms of no right": signed(rooms={"ops": "own"}),
    "cut off": signed()[:-4],
}


@pytest.mark.parametrize("case", WRONG)
def test_any_other_token_is_refused(case: str) -> None:
    """Unauthorized, and nothing else; a secret is not said."""
    with pytest.raises(Unauthorized) as refused:
        read(WRONG[case])
    assert not isinstance(refused.value, Expired)
    assert SECRET not in str(refused.value)


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    """No input raises anything else."""
    with pytest.raises(Unauthorized):
        read(text)


def test_a_token_ends_within_what_clocks_may_differ() -> None:
    """Expired says that a new one would do."""
    late = signed(exp=int(time.time()) - 20)
    assert read(late, expected=Expected(leeway_seconds=60)).user == "u1"
    with pytest.raises(Expired):
        read(late, expected=Expected(leeway_seconds=0))


def test_audience_and_issuer_are_checked_where_set() -> None:
    """And only there; a token without them is refused then."""
    expected = Expected("chat", "https://example.test")
    good = signed(aud=["chat", "mail"], iss="https://example.test")
    assert read(good, expected=expected) == read(good)
    for wrong in (
        signed(),
        signed(aud="chat"),
        signed(iss="https://example.test"),
        signed(aud="mail", iss="https://example.test"),
    ):
        with pytest.raises(Unauthorized):
            read(wrong, expected=expected)


def test_of_a_key_set_only_what_fits_is_taken() -> None:
    """Secrets, small keys, other curves, keys for encryption and broken entries are left out."""
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP384R1())
    entries = [
        5,
        {},
        {"kty": "RSA", "n": "?"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {**json.loads(RSAAlgorithm.to_jwk(small.public_key()))},
        {**json.loads(ECAlgorithm.to_jwk(curve.public_key()))},
        jwk(RSA, use="enc"),
        jwk(EC, use="sig", kid="good"),
    ]
    assert [(key.kid, key.algorithm) for key in key_set(json.dumps({"keys": entries}).encode())] == [("good", "ES256")]
    for wrong in (b"", b"[]", b'{"keys":5}', b"[" * 100_000, b'{"keys":[' + b" " * 300_000 + b"]}"):
        with pytest.raises(ValueError, match="key set"):
            key_set(wrong)


def test_a_file_without_a_key_is_named(tmp_path: Path) -> None:
    """The start ends with one line."""
    for number, content in enumerate((b"", b"{}", b'{"keys":[]}', b"-----BEGIN PUBLIC KEY-----\n", SECRET.encode())):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(content)
        with pytest.raises(SettingError, match=rf"--token-keys: .*{number}\.pem"):
            file_keys([str(path)])


@pytest.mark.parametrize(("prefix", "whose"), [("guest:", "guests"), ("svc:", "services")])
def test_no_token_is_for_an_id_that_others_have(prefix: str, whose: str) -> None:
    """Guests' ids are public, and services' are made of their names."""
    with pytest.raises(Unauthorized, match=f"begins with {prefix} are {whose}"):
        read(signed(sub=f"{prefix}abc"))
    assert read(signed(sub="guest")).user == "guest"
