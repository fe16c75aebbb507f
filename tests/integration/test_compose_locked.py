"""The compose stack from within: what is open to whoever has got into a part of it, and what is not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.integration.compose import Open, Stack, carry_out, room, run

pytestmark = pytest.mark.docker


def test_the_image_holds_nothing_to_build_or_test_with(stack: Stack) -> None:
    """The product's environment has its runtime packages alone; no compiler is there."""
    unwanted = ["pip", "setuptools", "pytest", "mypy", "ruff", "playwright", "hypothesis", "testcontainers"]
    check = f"import importlib.util as u; print([name for name in {unwanted} if u.find_spec(name)])"
    assert stack.compose("exec", "-T", "app", "python3", "-c", check).strip() == "[]"
    check = "import shutil; print([name for name in ('cc', 'gcc', 'make') if shutil.which(name)])"
    assert stack.compose("exec", "-T", "app", "python3", "-c", check).strip() == "[]"


PROBE = """
import redis

def told(client, *command):
    try:
        return str(client.execute_command(*command))
    except redis.RedisError as error:
        return str(error)

password = open("/data/redis-password").read().strip()
print(told(redis.Redis("redis", protocol=2), "PING"))
replica = redis.Redis("redis", username="parley", password=password)
for command in (["PING"], ["FLUSHALL"], ["KEYS", "*"], ["GET", "other"], ["PUBLISH", "other", "x"]):
    print(told(replica, *command))
print(told(redis.Redis("redis", username="admin", password=password), "PING"))
"""


def test_redis_lets_in_who_has_a_password_and_no_more_than_needed(stack: Stack) -> None:
    """Nobody without one, the replicas to what is theirs, none of them as admin."""
    said = stack.compose("exec", "-T", "app", "python3", "-c", PROBE).splitlines()
    assert "Authentication required" in said[0]
    assert said[1] == "True"
    assert all("permission" in line.lower() for line in said[2:6]), said
    assert "invalid username-password pair" in said[6]


def test_redis_is_reached_by_replicas_alone_and_reaches_nobody(stack: Stack) -> None:
    """nginx is on another network; Redis' own leads nowhere."""
    hosts = {}
    for service in ("redis", "app", "nginx"):
        (_, container), *_ = stack.containers(service).items()
        hosts[service] = set(stack.inspect(container)["NetworkSettings"]["Networks"])
    assert hosts["redis"] < hosts["app"]
    assert not hosts["redis"] & hosts["nginx"]
    (inside,) = hosts["redis"]
    assert json.loads(run("docker", "network", "inspect", inside))[0]["Internal"] is True


def test_passwords_are_made_once_and_are_in_no_description(stack: Stack) -> None:
    """Two stacks never share them; bringing the stack up again keeps them, and `docker inspect` does not show them."""
    read = ("exec", "-T", "redis", "cat", "/users/admin-password")
    admin = stack.compose(*read).strip()
    replicas = stack.compose("exec", "-T", "app", "cat", "/data/redis-password").strip()
    assert len({admin, replicas}) == 2
    assert min(len(admin), len(replicas)) >= 43
    stack.up()
    assert stack.compose(*read).strip() == admin
    for service in ("redis", "app", "nginx"):
        for container in stack.containers(service).values():
            described = json.dumps(stack.inspect(container))
            assert admin not in described
            assert replicas not in described
    users = stack.compose("exec", "-T", "redis", "cat", "/users/users.acl")
    assert admin not in users
    assert replicas not in users
    assert stack.compose("exec", "-T", "app", "stat", "-c", "%a %U", "/data/redis-password").strip() == "400 parley"


async def test_passwords_can_be_renewed_as_documented(stack: Stack, open_client: Open, tmp_path: Path) -> None:
    """The old ones are good for nothing, the replicas come back with the new one, and nobody is cut off."""
    read = ("exec", "-T", "app", "cat", "/data/redis-password")
    before = stack.compose(*read)
    client = await open_client()
    here = room()
    await client.ask("join", room=here)
    await asyncio.to_thread(carry_out, stack, "renew", tmp_path)
    assert stack.compose(*read) != before
    await asyncio.to_thread(stack.up, "--scale", "app=3")
    assert (await client.say(here, "still here"))["seq"] == 1
    assert stack.compose("exec", "-T", "redis", "redis-admin", "ping").strip() == "PONG"


@pytest.mark.parametrize("service", ["app", "nginx", "redis"])
def test_containers_write_only_where_they_are_meant_to(stack: Stack, service: str) -> None:
    """Tried where its user might like to: its own volumes are left, and memory that is not kept."""
    places = "/ /bin /etc /etc/nginx /etc/parley /opt/parley /root /run /srv /tmp /usr/local/bin /users /var/tmp /data"
    attempt = f"for p in {places}; do touch $p/.probe 2>/dev/null && rm $p/.probe && echo $p; done; true"
    written = stack.compose("exec", "-T", service, "sh", "-c", attempt).split()
    assert written == {"app": ["/tmp", "/data"], "nginx": ["/tmp"], "redis": ["/tmp", "/data"]}[service]


@pytest.mark.parametrize("service", ["app", "nginx", "passwords", "redis"])
def test_containers_have_no_privileges(stack: Stack, service: str) -> None:
    """Every container is bounded, has no capabilities, and cannot write to its own file system."""
    containers = stack.compose("ps", "-a", "-q", service).split()
    assert containers
    for container in containers:
        described = stack.inspect(container)
        host = described["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert host["ReadonlyRootfs"] is True
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
        assert not host["Privileged"]
        assert described["Config"]["User"] not in ("", "root", "0")


@pytest.mark.parametrize("service", ["app", "nginx", "redis"])
def test_no_process_is_root_and_docker_knows_whether_it_is_well(stack: Stack, service: str) -> None:
    """Seen from outside; each has a check of its own, and passes it."""
    for container in stack.containers(service).values():
        users = run("docker", "top", container, "-o", "pid,uid").splitlines()[1:]
        assert users
        assert all(line.split()[1] != "0" for line in users), users
        assert stack.inspect(container)["State"]["Health"]["Status"] == "healthy"
