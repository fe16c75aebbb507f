"""Names of rooms and people: one form each, and what is refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest
from app.protocol.names import EMOJI_MAX, NAME_MAX, ROOM_MAX, TOPIC_MAX, emoji, room_name, topic_line, user_name

INVISIBLE = {
    "null": "\0",
    "newline": "a\nb",
    "escape": "a\x1bb",
    "C1 control": "a\x85b",
    "zero-width space": "a\u200bb",
    "zero-width joiner": "a\u200db",
    "byte order mark": "\ufeffa",
    "soft hyphen": "a\u00adb",
    "right-to-left override": "a\u202eb",
    "isolate": "a\u2066b",
    "line separator": "a\u2028b",
    "tag": "a\U000e0041b",
    "private use": "a\ue000b",
    "lone surrogate": "a\ud800b",
    "unassigned": "a\u0378b",
}


@pytest.mark.parametrize(
    "name", ["a", "lobby", "a-b_c.d:e@f", "UPPER", "x" * ROOM_MAX, "größe", "комната", "部屋", "٣"]
)
def test_letters_digits_and_some_marks_make_a_room_name(name: str) -> None:
    """Of any script, 1 to 64 characters, and kept as they are."""
    assert room_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "हिन्दी",
        "தமிழ்",
        "বাংলা",
        "ไทย-ที่นี่",
        "မြန်မာ",
        "שָׁלוֹם",
        "مُحَمَّد",
        "x\u0323\u0302y",
    ],
)
def test_marks_are_parts_of_the_letters_of_a_room_name(name: str) -> None:
    """Words of many languages cannot be written without them; they keep the form that all names have."""
    assert room_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "name",
    [
        "\u0301a",
        "a-\u0301",
        "1\u0301",
        "x" + 3 * "\u0323",
        "\u0915" + 6 * "\u093e",
        "a\ufe0f",
        "a\U000e0100",
        "\u1820\u180b",
        "a\u20dd",
        "\u0915\u094d\u200d\u0937",
    ],
)
def test_marks_without_a_letter_towers_and_unseen_ones_make_no_room_name(name: str) -> None:
    """Nor do joiners: two rooms that look alike would be two."""
    with pytest.raises(BadRequest):
        room_name(name)


@pytest.mark.parametrize("name", ["", "x" * (ROOM_MAX + 1), "x" * 10_000, "e\u0301" * (ROOM_MAX + 1)])
def test_a_room_name_has_1_to_64_characters(name: str) -> None:
    """Counted after normalization."""
    with pytest.raises(BadRequest, match="64 characters"):
        room_name(name)


@pytest.mark.parametrize(
    "name", [" ", "a b", "a/b", "{a}", "a#b", "a?b", "a%20b", "a\n", "a\\b", "a*", "\U0001f600", "€", "a,b"]
)
def test_other_characters_make_no_room_name(name: str) -> None:
    """Braces would forge a hash tag, slashes a path; a newline at the end is one character too many."""
    with pytest.raises(BadRequest, match="letters, digits"):
        room_name(name)


@pytest.mark.parametrize("kind", INVISIBLE)
def test_a_room_name_has_no_invisible_characters(kind: str) -> None:
    """Two rooms that look alike are one room, or one of them cannot be."""
    with pytest.raises(BadRequest):
        room_name(INVISIBLE[kind])


def test_equal_looking_spellings_are_one_room() -> None:
    """Composed and decomposed letters have one form; the length counts in it."""
    assert room_name("caf\u0065\u0301") == room_name("caf\u00e9") == "caf\u00e9"
    assert len(room_name("e\u0301" * ROOM_MAX)) == ROOM_MAX


@pytest.mark.parametrize("name", ["A", "Ada Lovelace", "Ünsal", "李", "O'Neil <x>", "\U0001f600", "x" * NAME_MAX])
def test_people_choose_their_names(name: str) -> None:
    """Any visible characters, spaces between them, 1 to 32."""
    assert user_name(name) == name


@pytest.mark.parametrize("name", ["", " ", "   ", "\u00a0\u2003", "x" * (NAME_MAX + 1), "x" * 10_000])
def test_a_name_has_1_to_32_characters(name: str) -> None:
    """Counted after normalization; spaces alone are no name."""
    with pytest.raises(BadRequest, match="32 characters"):
        user_name(name)


@pytest.mark.parametrize("kind", INVISIBLE)
def test_a_name_has_no_invisible_characters(kind: str) -> None:
    """Nobody can look like somebody else by characters that cannot be seen, or turn the text around."""
    with pytest.raises(BadRequest):
        user_name("Ada" + INVISIBLE[kind] + "b")


@pytest.mark.parametrize(
    "name",
    [
        "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
        "\u0936\u094d\u200d\u092f\u093e\u092e",
        "\U0001f469\u200d\U0001f4bb Dev",
        "\u2764\ufe0f\u200d\U0001f525",
        "\U0001f9d1\U0001f3fd\u200d\U0001f680 x",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "1\ufe0f\u20e3",
    ],
)
def test_joiners_stand_where_words_and_emoji_need_them(name: str) -> None:
    """Persian, Hindi, people with a profession."""
    assert user_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "A\u200cda",
        "Ada\u200d",
        "\u200dAda",
        "\u0639\u200d\u200c\u0644",
        "\u0639\u200ca",
        "\u0661\u200c\u0662",
        "\u0639\u200c",
        "\U0001f469\u200d",
        "\U0001f469\u200da",
        "a\u200d\U0001f469",
        "\U0001f469\u200c\U0001f4bb",
        "Ada\ufe0f",
        "1\ufe0f",
        "\ufe0f\u20e3 x",
        "Ada\U000e0100",
        "a" + 4 * "\u0323",
        "\u0915" + 6 * "\u093e",
    ],
)
def test_joiners_and_variants_elsewhere_and_towers_make_no_name(name: str) -> None:
    """There nobody would see that a name is another one, or others would be covered by it."""
    with pytest.raises(BadRequest):
        user_name(name)


def test_a_name_has_one_form() -> None:
    """Compatibility forms are unified, spaces around go."""
    assert user_name("  \uff21\uff44\uff41\u00a0") == "Ada"
    assert user_name("Jose\u0301") == "Jos\u00e9"


@given(st.text(max_size=80))
def test_whatever_is_given_becomes_a_name_or_a_bad_request(name: str) -> None:
    """No other exception; the result is in its one form and within its bounds, and naming it again changes nothing."""
    for make, most in ((room_name, ROOM_MAX), (user_name, NAME_MAX)):
        try:
            made = make(name)
        except BadRequest:
            continue
        assert make(made) == made
        assert 1 <= len(made) <= most
        assert unicodedata.is_normalized("NFC", made)
        assert "{" not in made or make is user_name


@given(
    st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="-_.:@"), min_size=1, max_size=64)
)
def test_the_short_cut_for_plain_names_agrees_with_the_rule(name: str) -> None:
    """Plain ASCII names are their own form."""
    assert room_name(name) == name == unicodedata.normalize("NFC", name)


EMOJI = (
    "\U0001f44d \u2764\ufe0f \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea "
    "1\ufe0f\u20e3 \u2705 \u203c\ufe0f \u2139\ufe0f \u2194\ufe0f \u00a9\ufe0f \u2122 \u3030\ufe0f \U0001fae8 "
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
).split()


@pytest.mark.parametrize("text", EMOJI)
def test_emoji_of_all_kinds_are_reactions(text: str) -> None:
    """Pictures old and new, skin tones, families, flags, keycaps."""
    assert emoji(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "ok",
        "1",
        "12",
        "#",
        "\u200d",
        "\ufe0f",
        "\U0001f44dx",
        " \U0001f44d",
        "\U0001f44d" * (EMOJI_MAX + 1),
        "1\U0001f44d",
        "<b>",
        "\u202e\U0001f44d",
        "e\u0301",
        "\U000e0067",
        "\n",
        "\u0416",
        "\u4e2d",
    ],
)
def test_what_is_no_emoji_is_no_reaction(text: str) -> None:
    """Words, digits, invisible parts alone, too many."""
    with pytest.raises(BadRequest):
        emoji(text)


def test_a_topic_is_one_line() -> None:
    """Any words, emoji too, without space around; nothing is a topic that removes it."""
    assert topic_line("  What\u2019s new? \U0001f680 \u200f\u05d0 ") == "What\u2019s new? \U0001f680 \u200f\u05d0"
    assert topic_line(" ") == ""
    assert len(topic_line("x" * TOPIC_MAX)) == TOPIC_MAX
    for wrong in ("a\nb", "a\x00b", "a\u2028b", "a\tb", "\x1b[2J", "x" * (TOPIC_MAX + 1)):
        with pytest.raises(BadRequest):
            topic_line(wrong)
