"""Why the server closed connections: counted by code, and a line in the log where the peer gave the reason."""

from __future__ import annotations

import structlog

from app.addresses import network
from app.connection import Connection
from app.metrics import Counters
from app.protocol.codes import CloseCode

_BLAMELESS = frozenset({CloseCode.BYE, CloseCode.RESTART, CloseCode.OVERLOADED, CloseCode.STATE_LOST})

_log = structlog.get_logger(component="connection")


class Closings:
    """Told of every connection that this server ends."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def closed(self, connection: Connection, code: int) -> None:
        """The server closes a connection for the reason that the code stands for."""
        self._counters.close(code)
        if code in _BLAMELESS:
            return
        about = connection.receiver.about
        address = connection.address
        _log.info("closed", code=code, address=address, seldom=about.get("user") or network(address), **about)
