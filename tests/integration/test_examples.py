"""The examples of the documents run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from app.client import Client
from tests.fakes.double import Notes
from tests.support import ROOT, Server, until_async


@pytest.fixture
def bot(shared_server: Server, room: str) -> Iterator[subprocess.Popen[str]]:
    """The bot, running, in the room."""
    command = [sys.executable, "docs/examples/bot.py", shared_server.ws, room]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == f"Reminder is in {room}\n"
    yield process
    process.terminate()
    process.wait(60)
    process.stdout.close()


async def test_the_bot_reminds(shared_server: Server, room: str, bot: subprocess.Popen[str]):
    """It puts a clock to what it understood, and says it again when asked to; other talk it leaves alone."""
    notes = Notes()
    async with Client(shared_server.ws, name="Ada", on=notes) as ada:
        await ada.join(room)
        await ada.send(room, "Remind me in 1 second to drink tea")
        await ada.send(room, "Remind me, please.")
        await until_async(lambda: len(notes.of("event")) == 4, "a reaction and a reminder")
    assert bot.poll() is None
    events = [(event["type"], event["name"], event.get("text") or event["of"]) for event in notes.of("event")]
    assert ("reacted", "Reminder", 1) in events
    assert [text for type_, name, text in events if type_ == "message" and name == "Reminder"] == ["@Ada drink tea"]
