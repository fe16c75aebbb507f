"""Where `parley chat` goes."""

from __future__ import annotations

import argparse

import pytest

from app.terminal.command import add_parser


@pytest.mark.parametrize(
    ("given", "socket"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/ws"),
        ("https://chat.example/", "wss://chat.example/ws"),
        ("wss://chat.example/ws", "wss://chat.example/ws"),
        ("http://[::1]:8000/r/lobby", "ws://[::1]:8000/ws"),
        ("https://chat.example/r/lobby/#1042", "wss://chat.example/ws"),
        ("https://chat.example/r/ws", "wss://chat.example/ws"),
        ("https://example.org/chat/r/%D0%B0", "wss://example.org/chat/ws"),
        ("https://example.org/r", "wss://example.org/r/ws"),
    ],
)
def test_the_address_of_a_page_leads_to_its_server(given: str, socket: str) -> None:
    """What stands in the browser's address bar does; the room is that of the argument."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["chat", "lobby", "--url", given])
    assert (parsed.url, parsed.room) == (socket, "lobby")
