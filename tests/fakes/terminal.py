"""A terminal with `parley chat` in it: a pseudo terminal, and an emulator that shows what a person would see."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import Any

import pyte

from tests.support import ROOT, until

COLUMNS, ROWS = 100, 30


def environment(home: Path, **more: str) -> dict[str, str]:
    """That of a person whose home directory is empty."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "XDG_", "NO_COLOR"))}
    return {**kept, "HOME": str(home), "XDG_DATA_HOME": str(home), "USER": "visitor", "TERM": "xterm-256color", **more}


class Terminal:
    """Runs the command, types, and looks at the screen."""

    def __init__(self, home: Path, *arguments: str, **variables: str) -> None:
        self._screen = pyte.HistoryScreen(COLUMNS, ROWS, history=2000, ratio=1.0)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self.raw = b""
        self._keyboard, self._inside = pty.openpty()
        fcntl.ioctl(self._inside, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.modes = termios.tcgetattr(self._inside)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "chat", *arguments],
            stdin=self._inside,
            stdout=self._inside,
            stderr=self._inside,
            env=environment(home, **variables),
            cwd=ROOT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._keyboard, 65536)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                self._stream.feed(data)

    # Seeing

    @property
    def rows(self) -> list[str]:
        """All rows that are on the screen or have scrolled off it, without those that are empty."""
        with self._lock:
            gone = ["".join(row[at].data for at in range(COLUMNS)) for row in self._screen.history.top]
            return [row.rstrip() for row in (*gone, *self._screen.display) if row.strip()]

    @property
    def said(self) -> list[str]:
        """The rows of messages, without their times."""
        return [row[6:] for row in self.rows if re.match(r"\d\d:\d\d ", row)]

    @property
    def line(self) -> str:
        """The line being typed, without the prompt."""
        return next((row[2:] for row in reversed(self.rows) if row.startswith(">")), "")

    @property
    def status(self) -> str:
        """The status line: the last of all."""
        rows = self.rows
        return rows[-1] if rows else ""

    @property
    def cursor(self) -> tuple[str, int]:
        """The row in which the cursor stands, and its column."""
        with self._lock:
            return self._screen.display[self._screen.cursor.y].rstrip(), self._screen.cursor.x

    @property
    def title(self) -> str:
        """The title of the terminal's window."""
        return str(self._screen.title)

    def sees(self, text: str) -> None:
        """Wait until the text stands in a row."""
        try:
            until(lambda: any(text in row for row in self.rows), f"the terminal shows {text!r}")
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.rows])) from None

    # Typing

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._keyboard, text.encode())

    def enter(self, line: str) -> None:
        """Type a line and press Enter."""
        self.type(line + "\r")

    def insist(self, order: str, text: str) -> None:
        """Give an order that does no harm twice until the text stands in a row, a second after the other.

        No faster: the server answers one after another, and what comes next would wait for all of them.
        """

        def shown() -> bool:
            self.enter(order)
            with contextlib.suppress(AssertionError):
                until(lambda: any(text in row for row in self.rows), "it is answered so", 1.0)
                return True
            return False

        until(shown, f"{order} is answered with {text!r}")

    # The end

    def ended(self) -> int:
        """Wait for the end of the command; its exit code."""
        return self.process.wait(60)

    def restored(self) -> bool:
        """Whether the terminal is as it was before."""
        now: list[Any] = termios.tcgetattr(self._inside)
        return now == self.modes

    def close(self) -> None:
        """However it stands."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._inside)
        self._reader.join(5)
        os.close(self._keyboard)
