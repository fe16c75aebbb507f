"""Text is text: nothing anybody writes becomes markup, a script, a false link, or a broken page."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CORPUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><iframe srcdoc="<script>parent.alert(1)</script>"></iframe>',
    "<a href='javascript:alert(1)'>click</a>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//http://example.org",
    "data:text/html,<script>alert(1)</script>",
    'https://example.org/"onmouseover="alert(1)',
    "&lt;b&gt;not bold&lt;/b&gt; &amp;amp; &#x3c;script&#x3e;",
    "${alert(1)} {{constructor.constructor('alert(1)')()}}",
    "<style>*{display:none}</style><base href=https://example.org/><meta http-equiv=refresh content=0>",
    "__proto__ constructor toString",
    "\u202egnp.exe\u202c and \u2066isolated",
    "zero\u200bwidth\u200djoin\ufeffer",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324a\u0334\u0350lgo",
    "tab\tand  two  spaces",
    "NUL \u0000 and bell \u0007",
]
LINKS = {
    "see https://example.org/a_(b), yes": "https://example.org/a_(b)",
    "(http://example.org/path?q=1&r=2#frag).": "http://example.org/path?q=1&r=2#frag",
    "https://example.org/\u202egpj.exe": "https://example.org/",
    "<https://example.org/x>": "https://example.org/x",
}
NO_LINKS = [
    "javascript:alert(1)",
    "ftp://example.org/file",
    "https://",
    "https://example.com@example.org/",
    "file:///etc/passwd",
    "vbscript:msgbox(1)",
    "https://:paypal.com@evil.example/",
    "https:///evil.example/",
    "https://paypal.com\uff0flogin.evil.example/",
]
# Each leads, or led, elsewhere than its first look says: to a host that is only part of what looks like one.
DISGUISED = {
    **{f"https://paypal.com{slash}login.evil.example/": 1 for slash in "\u2215\u2044\u29f8\u0338\u3033\u30ce\u0294"},
    **{f"https://paypal.com{hidden * 4}.evil.example/": 1 for hidden in "\u2800\u115f\u034f\u1160\u17b4\u3164\uffa0"},
    "https://evil.example\\@paypal.com/": 1,
    "https://\u0440\u0430\u0443\u0440\u0430\u04cf.com/": 1,
    "https://b\u00fccher.example:8443/a?b#c": 1,
    "https://EXAMPLE.org./A": 1,
    "https://0x7f.1/": 1,
    "https://example%2eorg:443": 1,
    "https://paypal.com:443@evil.example/": 0,
}


async def test_hostile_texts_are_shown_as_they_are(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Each is one row with exactly these characters, for the sender and for others, before and after a reload."""
    ada = await visit(replicas[0], room)
    bob = await visit(replicas[1], room, "Bob")
    for text in CORPUS:
        await ada.write(text)
    await expect(bob.rows).to_have_count(len(CORPUS))
    await expect(ada.log.locator("[data-state=sent]")).to_have_count(len(CORPUS))
    await bob.page.reload()
    await bob.connected()
    for page in (ada, bob):
        await expect(page.rows).to_have_count(len(CORPUS))
        assert await page.log.locator(".words").evaluate_all("all => all.map(one => one.textContent)") == CORPUS
        await expect(page.log.locator("script, img, iframe, style, base, meta, object, embed")).to_have_count(0)
        assert (
            await page.log.locator(".words a").evaluate_all(
                "all => all.filter(a => !/^https?:$/.test(a.protocol) || a.rel !== 'noopener noreferrer').length"
            )
            == 0
        )


MARKUP = {
    "[click](javascript:alert(1))": "[click](javascript:alert(1))",
    "![x](https://example.org/x.png)": "![x](https://example.org/x.png)",
    "**<script>alert(1)</script>**": "<script>alert(1)</script>",
    "`</code><img src=x onerror=alert(1)>`": "</code><img src=x onerror=alert(1)>",
    "```\n<script>alert(1)</script>\n```": "<script>alert(1)</script>",
    "> <iframe src=//example.org>\n> more": "<iframe src=//example.org>\nmore",
    "*https://example.org/*": "https://example.org/",
    "a *b\u202ec* d": "a b\u202ec d",
    "***[x]: javascript:alert(1)***": "[x]: javascript:alert(1)",
    "#<h1>": "#<h1>",
}


async def test_markup_makes_no_more_than_its_own_elements(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Marks give emphasis, code, quotes and lists; whatever stands between them is text, and no words hide a link."""
    ada = await visit(replicas[0], room)
    for text in MARKUP:
        await ada.write(text)
    await expect(ada.log.locator("[data-state=sent]")).to_have_count(len(MARKUP))
    shown = await ada.log.locator(".words").evaluate_all("all => all.map(one => one.textContent)")
    assert shown == list(MARKUP.values())
    kinds = await ada.log.locator(".words *").evaluate_all("all => [...new Set(all.map(one => one.localName))].sort()")
    assert kinds == ["a", "blockquote", "code", "em", "pre", "strong"]
    links = await ada.log.locator(".words a").evaluate_all("all => all.map(one => [one.textContent, one.href])")
    assert links == [["https://example.org/x.png"] * 2, ["https://example.org/"] * 2]


async def test_web_addresses_become_links_and_nothing_else_does(
    replicas: tuple[str, str], visit: Visit, room: str
) -> None:
    """http and https only, without the sentence's punctuation, ending where a disguise would begin."""
    ada = await visit(replicas[0], room)
    for text, href in LINKS.items():
        await ada.write(text)
        link = ada.rows.last.locator("a")
        await expect(link).to_have_attribute("href", href)
        await expect(link).to_have_attribute("rel", "noopener noreferrer")
        await expect(link).to_have_attribute("target", "_blank")
    for text in NO_LINKS:
        await ada.say(text)
        await expect(ada.row(text).locator("a")).to_have_count(0)


async def test_a_link_shows_the_host_that_it_leads_to(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """As it was typed where that says it; otherwise in ASCII, as browsers ask for it, in the same place."""
    ada = await visit(replicas[0], room)
    for text, count in DISGUISED.items():
        await paste(ada, text)
        await expect(ada.log.locator("[data-state=pending]")).to_have_count(0)
        await expect(ada.rows.last.locator(".words a")).to_have_count(count)
    shown = await ada.log.locator(".words a").evaluate_all("all => all.map(a => [a.textContent, a.protocol, a.host])")
    lies = [text for text, scheme, host in shown if not f"{text.lower()}/".startswith(f"{scheme}//{host}/")]
    assert lies == []
    texts = await ada.log.locator(".words a").all_inner_texts()
    assert "https://xn--bcher-kva.example:8443/a?b#c" in texts
    assert "https://EXAMPLE.org./A" in texts
    assert "https://127.0.0.1/" in texts


async def test_letters_from_the_right_do_not_move_the_host(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """In a text that runs to the left, a link still begins with its host, whatever its path consists of."""
    ada = await visit(replicas[0], room)
    await ada.write("שלום https://evil.example/א/https://paypal.com")
    link = ada.rows.last.locator(".words a")
    await expect(link).to_have_css("direction", "ltr")
    await expect(link).to_have_css("unicode-bidi", "isolate")


async def test_a_word_of_64_kb_breaks_nothing(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """It arrives whole, wraps, and leaves the page as wide as the window, on a phone too."""
    ada = await visit(replicas[0], room)
    bob = await visit(replicas[1], room, "Bob", viewport={"width": 320, "height": 568})
    word = "W" * 65_536
    await ada.write(word)
    await expect(bob.rows).to_have_count(1)
    assert await bob.texts() == [word]
    for page in (ada, bob):
        width = await page.page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1]
        log = await page.log.evaluate("log => [log.scrollWidth, log.clientWidth]")
        assert log[0] <= log[1]
    await bob.say("a short one")
    await expect(ada.row("a short one")).to_be_in_viewport()


async def paste(visitor: Visitor, text: str) -> None:
    """Put a text into the composer at once, as its own author never could by typing, and send it."""
    await visitor.composer.evaluate(
        "(field, text) => { field.value = text; field.dispatchEvent(new Event('input', { bubbles: true })) }", text
    )
    await visitor.composer.press("Enter")


async def test_texts_made_to_cost_time_do_not(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Long runs of brackets, dots and half links are drawn like any other text; the page goes on answering."""
    ada = await visit(replicas[0], room)
    for text in (
        "http://a/" + ")" * 60_000,
        "http://a/" + "." * 60_000 + "a",
        "http://" * 9_000,
        "*a " * 20_000,
        "**_~~" * 12_000,
        "".join("`" * (number % 300) + " " for number in range(450)),
        "> " * 30_000,
        "```\n" * 4_001,
        "- a\n" * 4_000,
        "a" + "\n" * 200 + "b",
    ):
        await paste(ada, text)
        await expect(ada.log.locator("[data-state=pending]")).to_have_count(0)
    await ada.say("still quick")


async def test_words_keep_their_own_direction(replicas: tuple[str, str], visit: Visit, room: str) -> None:
    """Names and texts are isolated: right-to-left words do not reorder what stands beside them."""
    ada = await visit(replicas[0], room, "שלום")
    await ada.say("مرحبا بالعالم")
    words = ada.row("مرحبا بالعالم").locator("bdi.words")
    await expect(words).to_have_css("direction", "rtl")
    await expect(words).to_have_css("unicode-bidi", "isolate")
    await expect(ada.rows.locator("bdi.name").first).to_have_text("שלום")
    await ada.say("left to right")
    await expect(ada.row("left to right").locator("bdi.words")).to_have_css("direction", "ltr")


@pytest.mark.parametrize("path", ["<script>alert(1)<", "%", "\u202eroom", "x" * 65])
async def test_an_address_that_names_no_room_leads_to_none(replicas: tuple[str, str], visit: Visit, path: str) -> None:
    """A path that cannot be a room is not made one; it is shown as it is, as text."""
    ada = await visit(replicas[0], quote(path, safe=""), None)
    await expect(ada.page.get_by_role("heading", name="There is no such room")).to_be_visible()
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text(f"#{path}")


@pytest.mark.parametrize(("path", "room"), [("a b", "#a-b"), ("..", "#lobby")])
async def test_an_address_that_is_nearly_one_leads_to_the_room(
    replicas: tuple[str, str], visit: Visit, path: str, room: str
) -> None:
    """A name in its clean form."""
    ada = await visit(replicas[0], quote(path, safe=""), None)
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text(room)
