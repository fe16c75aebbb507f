"""`parley chat` between pipes, against a real server."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.client import Client
from tests.fakes.double import Double, Notes
from tests.fakes.terminal import environment
from tests.support import ROOT, Server, free_port, until, until_async

PIPE = subprocess.PIPE
Message = dict[str, Any]


class Piped:
    """A running command, its input and its output; and how it ended."""

    def __init__(self, home: Path, *arguments: str, stdin: int = PIPE, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "chat", *arguments],
            stdin=stdin,
            stdout=PIPE,
            stderr=PIPE,
            env=environment(home, **variables),
            cwd=ROOT,
        )

    def feed(self, text: str | bytes) -> None:
        """Give it something to read."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() if isinstance(text, str) else text)
        self.process.stdin.flush()

    def line(self) -> str:
        """The next line it writes."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode().rstrip("\n")

    def event(self) -> Message:
        """The next event it writes."""
        return dict(json.loads(self.line()))

    def end(self, text: str | bytes = b"") -> tuple[int, list[str], list[str]]:
        """Its input ends: exit code, lines of output, lines of complaints."""
        data = text.encode() if isinstance(text, str) else text
        out, errors = self.process.communicate(data if self.process.stdin else None, timeout=60)
        return self.process.returncode, out.decode().splitlines(), errors.decode().splitlines()

    def close(self) -> None:
        """However it stands."""
        if self.process.poll() is None:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass
        self.process.wait()


Run = Callable[..., Piped]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Runs the command as one person."""
    running: list[Piped] = []

    def start(*arguments: str, **more: Any) -> Piped:
        running.append(Piped(tmp_path, *arguments, **more))
        return running[-1]

    yield start
    for one in running:
        one.close()


def messages(lines: list[str]) -> list[str]:
    """The lines of messages, without their times."""
    return [line[6:] for line in lines if not line.startswith("---")]


async def history(server: Server, room: str) -> list[Message]:
    """What is stored of a room."""
    async with Client(server.ws, name="Reader") as reader:
        return list((await reader.join(room, limit=200))["messages"])


async def test_a_line_is_a_message(shared_server: Server, room: str, run: Run):
    """Sent, acknowledged, shown; exit code 0."""
    ended = await asyncio.to_thread(run(room, "--url", shared_server.url, "--name", "Ada").end, "hi\n")
    assert (ended[0], messages(ended[1]), ended[2]) == (0, ["Ada: hi"], [])
    assert [(event["name"], event["text"]) for event in await history(shared_server, room)] == [("Ada", "hi")]


async def test_the_address_of_a_page_will_do(shared_server: Server, room: str, run: Run):
    """As it is copied from the browser."""
    page = f"{shared_server.url.rstrip('/')}/r/elsewhere#5"
    ended = await asyncio.to_thread(run(room, "--url", page, "--name", "Ada").end, "hi\n")
    assert (ended[0], messages(ended[1]), ended[2]) == (0, ["Ada: hi"], [])


async def test_many_lines_keep_their_order(shared_server: Server, room: str, run: Run):
    """From a file as from a pipe; none twice, none missing."""
    texts = [f"line {number}" for number in range(150)]
    code, lines, errors = await asyncio.to_thread(run(room, "--url", shared_server.url, "--json").end, "\n".join(texts))
    assert (code, errors) == (0, [])
    assert [json.loads(line)["text"] for line in lines] == texts
    assert [event["text"] for event in await history(shared_server, room)] == texts


async def test_reading_and_writing_at_once(shared_server: Server, room: str, run: Run):
    """Events come out while the input is open, edits among them, in the words of the protocol."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        piped = run(room, "--url", shared_server.url, "--name", "Ada", "--json")
        piped.feed("one\n")
        first = await asyncio.to_thread(piped.event)
        ack = await bob.send(room, "two")
        second = await asyncio.to_thread(piped.event)
        await bob.edit(room, ack.seq, "two!")
        third = await asyncio.to_thread(piped.event)
        piped.feed("four\n")
        fourth = await asyncio.to_thread(piped.event)
        assert (await asyncio.to_thread(piped.end))[0] == 0
    assert [(event["type"], event["name"], event["text"]) for event in (first, second, third, fourth)] == [
        ("message", "Ada", "one"),
        ("message", "Bob", "two"),
        ("edited", "Bob", "two!"),
        ("message", "Ada", "four"),
    ]
    assert (second["seq"], third["of"]) == (ack.seq, ack.seq)


async def test_with_nothing_to_read_it_follows(shared_server: Server, room: str, run: Run):
    """Begins with the latest events; a signal ends it, cleanly."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        for number in range(25):
            await bob.send(room, f"text {number}")
        piped = run(room, "--url", shared_server.url, "--json", stdin=subprocess.DEVNULL)
        seen = [await asyncio.to_thread(piped.event) for _ in range(20)]
        assert [event["text"] for event in seen] == [f"text {number}" for number in range(5, 25)]
        await bob.send(room, "now")
        assert (await asyncio.to_thread(piped.event))["text"] == "now"
        piped.process.send_signal(signal.SIGINT)
        assert (await asyncio.to_thread(piped.end)) == (0, [], [])


async def test_it_ends_when_nobody_reads_any_more(shared_server: Server, room: str, run: Run):
    """At once, not at the next message, and without complaint."""
    async with Client(shared_server.ws, name="Bob") as bob:
        await bob.join(room)
        piped = run(room, "--url", shared_server.url, "--json", "--name", "Ada")
        await until_async(lambda: "Ada" in bob.rooms[room].people.values(), "Ada is there")
        await bob.send(room, "one")
        await asyncio.to_thread(piped.event)
    assert piped.process.stdout is not None
    piped.process.stdout.close()
    assert await asyncio.to_thread(piped.process.wait, 20) == 0
    assert piped.process.stderr is not None
    assert piped.process.stderr.read() == b""


async def test_a_line_that_is_refused_is_told(shared_server: Server, room: str, run: Run):
    """On standard error, with exit code 1; the other lines are sent."""
    piped = run(room, "--url", shared_server.url, "--name", "Ada")
    code, lines, errors = await asyncio.to_thread(piped.end, b"one\n" + b"x" * 5000 + b"\n" + b"y" * 70000 + b"\ntwo\n")
    assert (code, messages(lines)) == (1, ["Ada: one", "Ada: two"])
    assert [error.partition(":")[0] for error in errors] == ["parley", "parley"]
    assert "4000" in errors[0]
    assert "65536" in errors[1]


def test_hostile_text_is_safe_in_lines_and_in_json(shared_server: Server, room: str, run: Run):
    """Both may end up on a terminal."""
    hostile = "\x1b[2J\x9b31m\u202eabc\x07"
    for options in ((), ("--json",)):
        code, lines, _ = run(room, "--url", shared_server.url, *options).end(hostile)
        assert code == 0
        assert not set("\x1b\x9b\u202e\x07") & set("".join(lines))
    assert json.loads(lines[-1])["text"] == hostile


@pytest.mark.parametrize(
    "arguments",
    [
        ("not a room",),
        (),
        ("r", "--url", "ftp://host"),
        ("r", "--url", "http://ada:secret@host"),
        ("r", "--name", "\u202e"),
        ("r", "--token-file", "/nonexistent"),
        ("r", "--history", "-1"),
        ("r", "--timeout", "0"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]):
    """Exit code 2, and why."""
    code, lines, errors = run(*arguments).end()
    assert (code, lines) == (2, [])
    assert errors[-1].startswith("parley chat: error: ")


def test_no_server(run: Run):
    """Exit code 3 and why; nothing is lost silently."""
    port = free_port()
    code, lines, errors = run("r", "--url", f"http://127.0.0.1:{port}", "--timeout", "0.5").end("hi\n")
    assert (code, lines, errors) == (
        3,
        [],
        [f"parley: no server answers at ws://127.0.0.1:{port}/ws: {os.strerror(errno.ECONNREFUSED)}"],
    )


def test_a_server_that_goes_for_good(server: Callable[..., Server], room: str, run: Run):
    """A line that waits for it is given up after the timeout: exit code 3."""
    running = server()
    piped = run(room, "--url", running.url, "--name", "Ada", "--timeout", "1")
    piped.feed("one\n")
    assert messages([piped.line(), piped.line()]) == ["Ada: one"]
    running.stop()
    code, lines, errors = piped.end("two\n")
    assert (code, lines) == (3, [])
    assert errors == [
        "parley: the connection is lost; trying again",
        "parley: the last line was not acknowledged; it may or may not be stored",
    ]


async def test_nothing_is_lost_when_the_workers_die(server: Callable[..., Server], room: str, run: Run):
    """Lines are stored once, in order; events come once, in order."""
    running = server(workers=2)
    writer, reader = run(room, "--url", running.url), run(room, "--url", running.url, "--json", "--name", "Eve")
    seen: list[Message] = []
    for number in range(40):
        if number in (10, 25):
            await until_async(lambda: running.health()["workers"]["alive"] == 2, "both workers serve")
            for worker in running.health()["workers"]["each"]:
                assert worker["pid"] > 1
                os.kill(worker["pid"], signal.SIGKILL)
        writer.feed(f"line {number}\n")
        if number == 0:
            reader.feed("ready\n")
            while not any(event["text"] == "ready" for event in seen):
                seen.append(await asyncio.to_thread(reader.event))
    assert (await asyncio.to_thread(writer.end))[0] == 0
    stored = await history(running, room)
    assert [event["text"] for event in stored if event["text"] != "ready"] == [f"line {number}" for number in range(40)]
    while seen[-1]["seq"] < stored[-1]["seq"]:
        seen.append(await asyncio.to_thread(reader.event))
    assert [event["seq"] for event in seen] == list(range(seen[0]["seq"], stored[-1]["seq"] + 1))


async def test_a_gap_is_told_in_json(double: Double, run: Run):
    """As an object of its own, before the events that follow it."""
    piped = run("r", "--url", double.url, "--json")
    await until_async(lambda: double.requests("join"), "it is in the room")
    event = {"type": "message", "room": "r", "cid": "x", "user": "u2", "name": "Bob", "text": "hi", "ts": 1}
    await double.push(**event, seq=1, mid="m1")
    assert (await asyncio.to_thread(piped.event))["seq"] == 1
    place = {"room": "r", "epoch": "e1", "seq": 9, "mid": "m9", "lost": True}
    await double.push(type="resync", **place, messages=[{**event, "seq": 9, "mid": "m9"}])
    assert await asyncio.to_thread(piped.event) == {
        **{"type": "gap", "room": "r"},
        **{"after": 1, "upto": 8, "epoch_changed": False},
    }
    assert (await asyncio.to_thread(piped.event))["seq"] == 9


@pytest.mark.parametrize("given", ["file", "variable"])
async def test_a_token_signs_in(double: Double, run: Run, tmp_path: Path, given: str):
    """From a file or a variable; it is not among the arguments, and nothing is kept of a guest."""
    if given == "file":
        (tmp_path / "token").write_text("the.secret.token\n")
        piped = run("r", "--url", double.url, "--token-file", str(tmp_path / "token"))
    else:
        piped = run("r", "--url", double.url, PARLEY_TOKEN="the.secret.token")
    await until_async(lambda: double.requests("hello"), "it says hello")
    hello = double.requests("hello")[0]
    assert (hello["token"], "name" in hello, "guest" in hello) == ("the.secret.token", False, False)
    said = await asyncio.to_thread(Path(f"/proc/{piped.process.pid}/cmdline").read_text)
    assert "app.cli" in said
    assert "secret" not in said


async def test_a_token_that_is_refused(shared_server: Server, run: Run, room: str):
    """Exit code 1, and the token is not shown."""
    code, lines, errors = await asyncio.to_thread(
        run(room, "--url", shared_server.url, PARLEY_TOKEN="the.secret.token").end, "hi\n"
    )
    assert (code, lines) == (1, [])
    assert errors[0].startswith("parley: the server refuses: ")
    assert "secret" not in "".join(errors)


async def test_the_same_guest_comes_again(shared_server: Server, room: str, run: Run, tmp_path: Path):
    """Unless the name is another; the name of the login is that of the first time."""
    notes = Notes()
    async with Client(shared_server.ws, name="Reader", on=notes) as reader:
        await reader.join(room)
        for options in ((), (), ("--name", "Ada"), (), ("--name", "visitor")):
            piped = run(room, "--url", shared_server.url, *options)
            assert (await asyncio.to_thread(piped.end, "hi\n"))[0] == 0
        await until_async(lambda: len(notes.of("event")) == 5, "five messages")
    users = [event["user"] for event in notes.of("event")]
    assert [event["name"] for event in notes.of("event")] == ["visitor", "visitor", "Ada", "Ada", "visitor"]
    assert users[0] == users[1] == users[4]
    assert users[2] == users[3] != users[0]


def test_a_directory_that_cannot_be_written_is_no_hindrance(shared_server: Server, room: str, run: Run, tmp_path: Path):
    """It is told once, and the message is sent."""
    (tmp_path / "file").touch()
    piped = run(room, "--url", shared_server.url, XDG_DATA_HOME=str(tmp_path / "file"))
    code, lines, errors = piped.end("hi\n")
    assert (code, messages(lines)) == (0, ["visitor: hi"])
    assert len(errors) == 1
    assert "the next time you will be somebody else" in errors[0]


def closing(home: Path, closed: str, room: str, server: Server) -> subprocess.Popen[bytes]:
    """The command as a shell starts it with one of its streams closed."""
    chat = f"{sys.executable} -m app.cli chat {room} --url {server.url} --name Ada"
    command = ["sh", "-c", f"exec {chat} {closed}"]
    return subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment(home), cwd=ROOT)


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_output_is_no_hindrance(shared_server: Server, room: str, tmp_path: Path, closed: str):
    """The message is sent all the same."""
    shell = closing(tmp_path, closed, room, shared_server)
    out, errors = shell.communicate(b"hi\n", timeout=60)
    assert (shell.returncode, errors) == (0, b"")
    assert out.endswith(b"Ada: hi\n") == (closed == "2>&-")


def test_a_closed_input_is_nothing_to_send(shared_server: Server, room: str, tmp_path: Path, run: Run):
    """It follows, as from /dev/null."""
    run(room, "--url", shared_server.url, "--name", "Bob").end("hi\n")
    shell = closing(tmp_path, "<&-", room, shared_server)
    assert shell.stdout is not None
    assert shell.stdout.readline().startswith(b"---")
    assert shell.stdout.readline().endswith(b"Bob: hi\n")
    shell.send_signal(signal.SIGTERM)
    assert shell.communicate(timeout=60) == (b"", b"")
    assert shell.returncode == 0


def test_a_dumb_terminal_is_treated_like_a_pipe(shared_server: Server, room: str, tmp_path: Path):
    """Lines in, lines out, without a screen."""
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "chat", room, "--url", shared_server.url, "--name", "Ada"],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment(tmp_path, TERM="dumb"),
        cwd=ROOT,
    )
    os.write(outer, b"hi\n")
    seen = b""

    def shown() -> bool:
        nonlocal seen
        seen += os.read(outer, 4096)
        return b"Ada: hi" in seen

    until(shown, "the message")
    os.write(outer, b"\x04")
    assert process.wait(60) == 0
    assert b"\x1b" not in seen
    os.close(inner)
    os.close(outer)
