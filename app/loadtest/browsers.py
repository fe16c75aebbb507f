"""Which browser the pages run in, and how it is started."""

from __future__ import annotations

import shutil

import msgspec

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-component-update",
    "--disable-sync",
]


class PagesConfig(msgspec.Struct):
    """Which browser, how many of them, and how many pages in all. `browser` empty: whichever is found."""

    browsers: int
    pages: int
    browser: str = ""


def installed() -> str | None:
    """The path of a Chromium or Chrome that is installed, None if there is none: then Playwright looks for its own."""
    return next(filter(None, map(shutil.which, NAMES)), None)
