"""Exit code 0 if the server of this container delivers messages (its /readyz answers 200), else 1.

Runs every few seconds in every replica, so it imports little: an HTTP library would take longer to load than all
the rest of the check.
"""

import os
import socket
import sys
from collections.abc import Mapping

TIMEOUT_SECONDS = 3


def ready(port: int) -> bool:
    """Whether the server on this machine's port says that it is ready."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(64).startswith(b"HTTP/1.1 200 ")


def port(environment: Mapping[str, str]) -> int:
    """Where the server listens. Kubernetes may set PARLEY_PORT to tcp://..., which is no setting of the server."""
    value = environment.get("PARLEY_PORT", "8000")
    return 8000 if "://" in value else int(value)


if __name__ == "__main__":
    try:
        sys.exit(not ready(port(os.environ)))
    except OSError as error:
        sys.exit(f"no answer: {error}")
