"""TLS to a real Redis: who is trusted, who shows what, and what is said when it does not fit."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.backplane.permissions import USER
from tests.contract.authority import Authority
from tests.contract.engines import IMAGE
from tests.support import PASSWORD, ROOT, USER_OPTIONS, Peer, Server, free_port, until, until_async

pytestmark = pytest.mark.docker

Servers = Callable[..., Server]


class SecureRedis:
    """Redis in a container that speaks TLS alone, and only with clients whose certificate its authority has signed."""

    def __init__(self, directory: Path) -> None:
        from testcontainers.core.container import DockerContainer

        directory.chmod(0o755)
        self.authority = Authority(directory / "certificates")
        self.authority.directory.chmod(0o755)
        certificate, key = self.authority.issue("redis", "localhost", "127.0.0.1")
        key.chmod(0o644)  # the container's user is another one
        options = ["--port", "0", "--tls-port", "6379", "--tls-auth-clients", "yes"]
        options += ["--tls-ca-cert-file", "/tls/ca.pem", "--tls-cert-file", f"/tls/{certificate.name}"]
        options += ["--tls-key-file", f"/tls/{key.name}", *USER_OPTIONS]
        self.port = free_port()
        self._container = (
            DockerContainer(IMAGE)
            .with_bind_ports(6379, self.port)
            .with_volume_mapping(str(self.authority.directory), "/tls", "ro")
        )
        self._container.with_command(["redis-server", *options])
        self._container.start()
        self.client = self.authority.issue("parley")
        self.url = f"rediss://{USER}:{PASSWORD}@localhost:{self.port}/0"
        until(self._answers, "Redis answers by TLS")

    def _answers(self) -> bool:
        context = ssl.create_default_context(cafile=self.authority.ca)
        context.load_cert_chain(*self.client)
        try:
            with (
                socket.create_connection(("localhost", self.port), timeout=2) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as link,
            ):
                link.sendall(b"PING\r\n")
                return link.recv(100).startswith(b"+PONG")
        except OSError:
            return False

    def restart(self) -> None:
        """All connections are lost."""
        self._container.get_wrapped_container().restart(timeout=1)
        until(self._answers, "Redis answers again")

    def stop(self) -> None:
        """Remove the container."""
        self._container.stop()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureRedis]:
    """One for the whole module."""
    secure = SecureRedis(tmp_path_factory.mktemp("tls"))
    yield secure
    secure.stop()


@pytest.fixture
def files(redis: SecureRedis) -> dict[str, str]:
    """The settings that fit."""
    certificate, key = redis.client
    return {
        "redis_ca_file": str(redis.authority.ca),
        "redis_cert_file": str(certificate),
        "redis_key_file": str(key),
    }


def parley(command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`parley serve` or another command with these settings, until it ends."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", command, "--port", "0"],
        env=inherited | {f"PARLEY_{name.upper()}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )


async def test_servers_talk_through_a_redis_that_speaks_tls(
    server: Servers, redis: SecureRedis, files: dict[str, str], room: str
) -> None:
    """Commands and subscriptions, of large texts and many; after Redis was away, too."""
    here, there = (server(redis_url=redis.url, text_chars="60000", **files) for _ in range(2))
    ada, bob = await Peer.open(here.ws, "Ada"), await Peer.open(there.ws, "Bob")
    for peer in (ada, bob):
        await peer.ask("join", room=room)
    texts = [str(number) * 10_000 for number in range(5)]
    for number, text in enumerate(texts):
        assert (await ada.ask("send", room=room, cid=f"c{number}", text=text))["type"] == "ack"
    assert await bob.texts(5) == texts
    redis.restart()
    for one in (here, there):
        await until_async(lambda one=one: one.metric("parley_redis_reconnects_total") >= 2, "the loss is noticed")
        await until_async(lambda one=one: one.get("/readyz")[0] == 200, "it is ready again")
    anew = room + "-anew"
    for peer in (ada, bob):
        await peer.ask("join", room=anew)
    await ada.ask("send", room=anew, cid="again", text="again")
    assert await bob.texts(1) == ["again"]
    for peer in (ada, bob):
        await peer.close()


def test_the_doctor_sees_that_it_is_tls(redis: SecureRedis, files: dict[str, str]) -> None:
    """And says so."""
    said = parley("doctor", redis_url=redis.url, **files).stdout
    assert "good  redis transport: TLS to " in said
    assert "good  redis pub/sub: heard" in said


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"redis_ca_file": ""}, "certificate verify failed"),
        ({"redis_ca_file": "OTHER"}, "certificate verify failed"),
        ({"redis_cert_file": "", "redis_key_file": ""}, "cannot be reached"),
        ({"redis_url": "127.0.0.2"}, "IP address mismatch"),
        ({"redis_url": "redis://"}, "with TLS it begins with rediss://"),
        ({"redis_ca_file": "/no/such/file"}, "--redis-ca-file: /no/such/file holds no certificates"),
        ({"redis_key_file": "/no/such/file"}, "holds no certificate with its key"),
        ({"redis_cert_file": ""}, "--redis-key-file: is of no use without the certificate"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(
    redis: SecureRedis, files: dict[str, str], tmp_path: Path, changed: dict[str, str], why: str
) -> None:
    """A stranger's authority, no certificate of one's own, another host, no TLS, files that are none."""
    settings = files | {"redis_url": redis.url} | changed
    if changed.get("redis_ca_file") == "OTHER":
        settings["redis_ca_file"] = str(Authority(tmp_path / "other", "another").ca)
    if "redis_url" in changed:
        new = redis.url.replace("localhost", changed["redis_url"])
        settings["redis_url"] = (
            redis.url.replace("rediss://", "redis://") if changed["redis_url"] == "redis://" else new
        )
    done = parley("serve", **settings)
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr


def test_a_redis_without_tls_is_told_from_one_that_is_away(redis: SecureRedis) -> None:
    """Asked in plain text, Redis hangs up: the address is named."""
    done = parley("serve", redis_url=redis.url.replace("rediss://", "redis://"))
    assert done.returncode == 2
    assert f"--redis-url: Redis at localhost:{redis.port}/0" in done.stderr
