"""The stack of docker-compose.yml under a name and a port of its own, and a client that comes in through nginx."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shlex
import subprocess
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

from tests.support import ROOT, free_port

UP_SECONDS = 300  # the first build fetches every package
COMMAND_SECONDS = 180
REPLY_SECONDS = 30
CLOSE_SECONDS = 60  # longer than a replica's drain
COMPOSE_FILE = f"{ROOT / 'docker-compose.yml'}:{ROOT / 'tests' / 'integration' / 'compose.yml'}"
Message = dict[str, Any]


def run(*command: str, timeout_seconds: float = COMMAND_SECONDS, **environment: str) -> str:
    """Standard output of a command; AssertionError with all it said when it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Stack:
    """One compose project; variables may be given. `down` removes all it made: containers, network, volume, image."""

    def __init__(self, **environment: str) -> None:
        self._environment = environment
        self.project = f"parley-test-{secrets.token_hex(4)}"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"

    def compose(self, *arguments: str, timeout_seconds: float = COMMAND_SECONDS) -> str:
        """Output of `docker compose ...` for this project."""
        return run(
            "docker",
            "compose",
            "--project-name",
            self.project,
            *arguments,
            timeout_seconds=timeout_seconds,
            **{"COMPOSE_FILE": COMPOSE_FILE, "PARLEY_PORT": self.address, **self._environment},
        )

    def up(self, *options: str) -> None:
        """What a user types; returns when every container is healthy."""
        try:
            self.compose("up", "-d", "--wait", *options, timeout_seconds=UP_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.compose('logs', '--no-color', '--tail', '20')}") from None

    def down(self) -> None:
        """Remove everything."""
        self.compose("down", "--volumes", "--rmi", "local", "--remove-orphans", "--timeout", "2")

    def containers(self, service: str) -> dict[str, str]:
        """Node name (the first twelve characters of the id) -> container name, of a service's running containers."""
        rows = map(json.loads, self.compose("ps", "--format", "json", service).splitlines())
        return {row["ID"][:12]: row["Name"] for row in rows}

    def inspect(self, container: str) -> dict[str, Any]:
        """What Docker knows about a container."""
        described: dict[str, Any] = json.loads(run("docker", "inspect", container))[0]
        return described


class Client:
    """A websocket through nginx that speaks the JSON protocol; replies and pushes are kept apart."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._last_id = 0
        self._pushes: deque[Message] = deque()
        self.welcome: Message = {}

    @classmethod
    async def open(cls, stack: Stack, **hello: str) -> Self:
        """Connected and greeted; `hello` has the fields of the protocol's hello."""
        client = cls(await connect(f"ws://{stack.address}/ws", open_timeout=REPLY_SECONDS))
        client.welcome = await client.ask("hello", **(hello or {"name": "Ada"}))
        return client

    @property
    def node(self) -> str:
        """The replica that serves this client."""
        return str(self.welcome["node"])

    async def ask(self, type_: str, **fields: Any) -> Message:
        """Send a request and return its reply, which must not be an error."""
        self._last_id += 1
        await self._websocket.send(json.dumps({"type": type_, "id": self._last_id, **fields}))
        async with asyncio.timeout(REPLY_SECONDS):
            while True:
                message = await self._receive()
                if message.get("id") == self._last_id:
                    assert message["type"] != "error", message
                    return message
                self._pushes.append(message)

    async def say(self, room: str, text: str) -> Message:
        """Send a message to a room and return its acknowledgement."""
        return await self.ask("send", room=room, cid=secrets.token_hex(8), text=text)

    async def event(self) -> Message:
        """The next message of a room that others, or this client, said."""
        async with asyncio.timeout(REPLY_SECONDS):
            while True:
                message = self._pushes.popleft() if self._pushes else await self._receive()
                if message["type"] == "message":
                    return message

    async def close_code(self) -> int | None:
        """The code with which the other side closes the connection, or 1006 when it is just gone."""
        async with asyncio.timeout(CLOSE_SECONDS):
            await self._websocket.wait_closed()
        return self._websocket.close_code

    async def close(self) -> None:
        """Close the connection."""
        await self._websocket.close()

    async def _receive(self) -> Message:
        message: Message = json.loads(await self._websocket.recv())
        return message


Open = Callable[..., Awaitable[Client]]
"""What the fixture `open_client` gives: opens a client, with the fields of its hello."""


def room() -> str:
    """A room that no other test uses."""
    return f"room-{secrets.token_hex(4)}"


def documented(name: str) -> str:
    """The commands that docs/operations.md gives for something."""
    page = (ROOT / "docs" / "operations.md").read_text()
    found = re.search(
        rf"<!-- tried by tests/integration/test_compose\w*.py: {name} -->\n```sh\n(.*?)```", page, re.DOTALL
    )
    assert found is not None, name
    return found[1]


def carry_out(stack: Stack, name: str, directory: Path) -> None:
    """Type them, in a directory of the test's own."""
    run(
        "bash",
        "-ec",
        f"cd {shlex.quote(str(directory))}\n{documented(name)}",
        timeout_seconds=UP_SECONDS,
        COMPOSE_FILE=COMPOSE_FILE,
        COMPOSE_PROJECT_NAME=stack.project,
        PARLEY_PORT=stack.address,
    )
