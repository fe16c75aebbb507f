"""What one process of `parley loadtest` can read: `python -m bench.readers [CONNECTIONS]`.

A source on the first core pushes the same marked event frames to all connections, so many in a write; a generator on
the last one reads, accounts and measures as in any load test. Needs Linux and two cores.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import multiprocessing
import os
import re
import secrets
import socket

from app import frames
from app.arguments import positive
from app.loadtest.generator import Config
from app.traffic import machine, mark
from app.traffic.children import Child

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FRAMES_PER_WRITE = (1, 8, 64)
SECONDS, PATIENCE_SECONDS = 5.0, 60.0


def source(listener: socket.socket, connections: int, per_write: int) -> None:
    """Greet so many clients, then push until they are gone."""
    clients = []
    for _ in range(connections):
        client, _ = listener.accept()
        found = re.search(rb"Sec-WebSocket-Key: (\S+)", client.recv(4096))
        assert found is not None
        accept = base64.b64encode(hashlib.sha1(found[1] + GUID).digest()).decode()
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        client.sendall(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        client.recv(4096)
        joined = {"type": "joined", "id": 2, "epoch": "e", "seq": 0, "mid": "", "messages": []}
        client.sendall(frames.text(json.dumps(joined).encode()))
        clients.append(client)
    seq = 1
    while True:
        data = frames.texts([event(number) for number in range(seq, seq + per_write)])
        seq += per_write
        try:
            for client in clients:
                client.sendall(data)
        except OSError:
            return


def event(seq: int) -> bytes:
    """An event as Parley sends it."""
    text = mark.text(1, seq, 0, 128)
    rest = f'"type":"message","room":"load-0123abcd-0","cid":"1-{seq}","user":"g0123456789ab","name":"load-0123abcd-1"'
    return f'{{"seq":{seq},"mid":"1aa0b1c2d3.{seq}","ts":1763791200123,{rest},"text":"{text}"}}'.encode()


async def measure(connections: int, per_write: int) -> tuple[float, float]:
    """Frames a second, and frames a second of CPU."""
    with socket.create_server(("127.0.0.1", 0), backlog=connections) as listener:
        with machine.pinned(machine.cores()[:1]):
            pusher = multiprocessing.Process(target=source, args=(listener, connections, per_write), daemon=True)
            pusher.start()
        ticks: list[dict[str, float]] = []
        enough = asyncio.Event()

        def tell(tick: dict[str, float]) -> None:
            ticks.append(tick)
            # The first report covers connecting, too. Reports come between two turns of the loop, which may be long.
            if sum(each["seconds"] for each in ticks[1:]) >= SECONDS:
                enough.set()

        child = Child("the generator", tell)
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"
        sizes = {"rooms": 1, "sockets": connections, "pages": 0, "text_bytes": 128}
        with machine.pinned(machine.cores()[-1:]):
            await child.start("app.loadtest.generator", Config(urls=[url], token=secrets.token_hex(4), **sizes))
        try:
            await child.ask("connect", "connected", seconds=0.5)
            ticks.clear()
            enough.clear()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await enough.wait()
            told = ticks[1:]
            read, cpu = sum(tick["delivered"] for tick in told), sum(tick["cpu"] * tick["seconds"] for tick in told)
            return read / sum(tick["seconds"] for tick in told), read / cpu
        finally:
            pusher.kill()
            await child.stop()


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.readers", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument(
        "connections", type=positive, nargs="?", default=1000, metavar="CONNECTIONS", help="(default: 1000)"
    )
    connections = parser.parse_args().connections
    about = f"{machine.describe()['cpu']}, {os.cpu_count()} cores"
    print(f"{about}, {connections} connections, {len(event(1000))} bytes a frame")
    for per_write in FRAMES_PER_WRITE:
        rate, ceiling = asyncio.run(measure(connections, per_write))
        print(f"{per_write:3} frames a write: {rate:11,.0f} frames/s read, {ceiling:11,.0f} per second of CPU")


if __name__ == "__main__":
    main()
