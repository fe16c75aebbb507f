"""Servers whose websockets are native code, in Node and in Bun."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from bench import install
from bench.peers.base import NODE, Launch, Peer, environment


def _versions(modules: Path, *packages: str) -> str:
    found = (json.loads((modules / name / "package.json").read_text())["version"] for name in packages)
    return ", ".join(f"{name} {version}" for name, version in zip(packages, found, strict=True))


class NodePeer(Peer):
    """A program of the folder ``node`` with the packages it is said to need."""

    program: str
    packages: tuple[str, ...]

    def prepare(self) -> str:
        modules = install.node()
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        return f"Node {node.removeprefix('v')}, {_versions(modules, *self.packages)}"

    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        env = {
            **environment(port, engine_url, workers),
            "NODE_PATH": str(install.node()),
            "NODE_ENV": "production",
        }
        return Launch([shutil.which("node") or "node", str(NODE / self.program)], env, cwd=home)


class NodeWs(NodePeer):
    name = "node-ws"
    label = "Node ws + Redis"
    setup = "a cluster of 2, bufferutil, no compression; ioredis with automatic pipelining"
    program = "ws_room.js"
    packages = ("ws", "bufferutil", "ioredis")
    first_rates = {"fanout-1x1000": 64, "fanout-200x10": 8000}  # noqa: RUF012


class SocketIo(NodePeer):
    name = "socket-io"
    label = "Socket.IO + Redis"
    setup = "a cluster of 2, `@socket.io/redis-adapter` with ioredis, websocket only, bufferutil, no compression"
    proto = "socketio"
    path = "/socket.io/?EIO=4&transport=websocket"
    program = "socketio_room.js"
    packages = ("socket.io", "@socket.io/redis-adapter", "bufferutil", "ioredis")
    first_rates = {"fanout-1x1000": 40, "fanout-200x10": 3000}  # noqa: RUF012


class Bun(Peer):
    name = "bun"
    label = "Bun + Redis"
    setup = "2 processes on one port (`reusePort`), native publish/subscribe in each; Bun's own Redis client"
    first_rates = {"fanout-1x1000": 3000, "fanout-200x10": 30000}  # noqa: RUF012

    def prepare(self) -> str:
        out = subprocess.run([install.bun(), "--version"], capture_output=True, text=True, check=True).stdout
        return f"Bun {out.strip()}"

    def launch(self, port: int, engine_url: str | None, home: Path, workers: int) -> Launch:
        env = environment(port, engine_url, workers)
        return Launch([str(install.bun()), str(NODE / "bun_room.js")], env, cwd=home)
