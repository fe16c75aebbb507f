"""Makes the passwords of the stack's Redis, once, and the list of its users, whenever it runs.

    /data/redis-password      the servers' password, for the replicas
    /users/users.acl          who may do what in Redis, for Redis; digests only
    /users/admin-password     the password of `redis-admin`, for Redis' own container

Passwords that are there are kept, unless it is called with `renew`. The rules are those of this version of the server.
"""

import os
import secrets
import sys
from pathlib import Path

from app.backplane import permissions

SERVERS = Path("/data/redis-password")
ADMINS = Path("/users/admin-password")
USERS = Path("/users/users.acl")

# Nobody can be this user, but Redis itself is: it reads its log back as `default` and leaves out, with no more than a
# line in its own log, whatever that user may not do.
NOBODY = "user default reset off ~* &* +@all"


def put(path: Path, text: str, mode: int) -> None:
    """Write a file at once and whole."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    fresh.replace(path)


def password(path: Path, renew: bool, mode: int) -> str:
    """The password of a file; made if there is none, or it is to be another one."""
    if renew or not path.exists():
        put(path, secrets.token_urlsafe(32) + "\n", mode)
    return path.read_text().strip()


def main(renew: bool) -> None:
    """Make what is missing."""
    servers = permissions.user(password(SERVERS, renew, 0o400))
    # Redis is another user in another container; nobody else has these files.
    admins = permissions.user(password(ADMINS, renew, 0o444), "admin", ("~*", "&*", "+@all"))
    put(USERS, f"{NOBODY}\n{servers}\n{admins}\n", 0o444)


if __name__ == "__main__":
    main(sys.argv[1:] == ["renew"])
