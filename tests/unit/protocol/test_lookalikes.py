"""Names that look alike have one skeleton, others have not."""

from __future__ import annotations

import pytest

from app.protocol.lookalikes import _LIKE, alike, skeleton
from app.protocol.names import user_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "Аdа"),  # noqa: RUF001
        ("Ada", "ada"),
        ("Ada", "A da"),
        ("paypal", "раураl"),  # noqa: RUF001
        ("Ivan", "lvan"),
        ("Ivan", "ivan"),
        ("Bob", "B0b"),
        ("Max", "Мах"),  # noqa: RUF001
        ("Nino", "Νινο"),  # noqa: RUF001
        ("\u0639\u0644\u06cc\u0631\u0636\u0627", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"),
        ("\U0001f469\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("\u2764", "\u2764\ufe0f"),
        ("Tom", "Torn"),
        ("Will", "VVi11"),
        ("Ann", "Ａｎｎ"),  # noqa: RUF001
    ],
)
def test_names_that_look_alike_are_found(one: str, other: str) -> None:
    """As the server keeps them, in their one form."""
    assert skeleton(user_name(one)) == skeleton(user_name(other))


@pytest.mark.parametrize(
    ("one", "other"), [("Ada", "Eda"), ("Jose", "José"), ("Bob", "Rob"), ("Анна", "Инна"), ("Ben", "Dan"), ("a1", "a2")]
)
def test_others_are_not(one: str, other: str) -> None:
    """An accent is to be seen."""
    assert skeleton(user_name(one)) != skeleton(user_name(other))


def test_the_table_has_a_letter_for_each_sign() -> None:
    """And no sign twice with different ones."""
    pairs = [pair for signs, likes in _LIKE for pair in zip(signs, likes, strict=True)]
    assert len(dict(pairs)) == len(set(pairs))


def test_all_of_those_who_look_alike_are_named() -> None:
    """Whoever came first; a name of one's own is none."""
    assert alike({"u1": "Ada", "u2": "Bob", "u3": "Аda", "u4": "ADA"}) == {"u1", "u3", "u4"}  # noqa: RUF001
    assert alike({"u1": "Ada", "u2": "Bob"}) == alike({}) == frozenset()
