"""Exit code 0 if the server of this container delivers messages (its /readyz answers 200), else 1.

Runs every few seconds in every replica, so it imports little: an HTTP library would take longer to load than all
the rest of the check.
"""

import os
import socket
import sys

TIMEOUT_SECONDS = 3


def ready(port: int) -> bool:
    """Whether the server on this machine's port says that it is ready."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return connection.recv(64).startswith(b"HTTP/1.1 200 ")


if __name__ == "__main__":
    try:
        sys.exit(not ready(int(os.environ.get("PARLEY_PORT", "8000"))))
    except OSError as error:
        sys.exit(f"no answer: {error}")
