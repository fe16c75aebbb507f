"""Starting and stopping: wrong settings are one clear line, the history survives, nothing is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.memory import usable_bytes
from tests.support import DEADLINE_SECONDS, PASSWORD, ROOT, Peer, Server, Valkey, free_port, runs, until


def _refusal(*arguments: str, **env: str) -> str:
    """Start a server that cannot start; the one line it says."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "serve", *arguments],
        env={**inherited, **env},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port", "x"], "--port: 'x' is not a whole number"),
        (["--port", "65536"], "--port: 65536 is not between 0 and 65535"),
        (["--workers", "-1"], "--workers: -1 is not between"),
        (["--log-level", "loud"], "--log-level: 'loud' is none of"),
        (["--redis-url", "http://x"], "--redis-url: must begin with"),
        (["--redis-url", "redis://localhost:x/0"], "--redis-url: not a Redis URL"),
        (["--secret", "short"], "--secret: must have at least 32 characters"),
        (["--host", "256.1.1.1"], "cannot listen on 256.1.1.1:8000"),
        (["--data-dir", ""], "--data-dir: must name a directory"),
        (["--data-dir", "/proc/nowhere"], "--data-dir: cannot write to /proc/nowhere"),
    ],
)
def test_a_wrong_option_is_named_in_one_line(arguments: list[str], named: str) -> None:
    """Exit code 2, one line on standard error that names the option and says what would be right."""
    assert named in _refusal(*arguments)


def test_a_wrong_variable_is_named_as_it_was_given() -> None:
    """The line names the variable of the environment, also one that does not exist."""
    assert "PARLEY_PORT: 'x' is not a whole number" in _refusal(PARLEY_PORT="x")
    assert "PARLEY_PROT: no such setting" in _refusal(PARLEY_PROT="1")


def test_variables_of_kubernetes_do_not_hinder_the_start(server: Callable[..., Server]) -> None:
    """A service called parley sets PARLEY_PORT=tcp://...: left out, and said so; the file limit is said too."""
    here = server(port="tcp://10.0.0.1:8000", service_host="10.0.0.1")
    (line,) = [line for line in here.logged() if "left_out" in line]
    assert line["left_out"] == ["PARLEY_PORT", "PARLEY_SERVICE_HOST"]
    (line,) = [line for line in here.logged() if line["event"] == "open files"]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert line["each_worker"] == hard == here.metric("parley_open_files_max")


def test_the_container_finds_its_port_in_spite_of_kubernetes() -> None:
    """The health check asks where the server listens."""
    names = runpy.run_path(str(ROOT / "deploy" / "healthcheck.py"))
    assert [names["port"](env) for env in ({}, {"PARLEY_PORT": "9000"}, {"PARLEY_PORT": "tcp://10.0.0.1:80"})] == [
        8000,
        9000,
        8000,
    ]


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    """The line names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _refusal("--port", str(port), "--data-dir", str(tmp_path))
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said


def test_an_unreachable_redis_is_one_clear_line() -> None:
    """The line names the option and the address, without the password."""
    said = _refusal("--port", "0", "--redis-url", f"redis://:geheim@127.0.0.1:{free_port()}/0")
    assert "--redis-url: Redis at 127.0.0.1:" in said
    assert "geheim" not in said


def test_a_wrong_password_is_one_clear_line(own_valkey: Valkey) -> None:
    """Redis' own words, without the password."""
    said = _refusal("--port", "0", "--redis-url", own_valkey.url.replace(PASSWORD, "geheim"))
    assert "--redis-url: Redis at" in said
    assert "refuses the login" in said
    assert "geheim" not in said


def test_a_data_directory_in_use_is_one_clear_line(server: Callable[..., Server], tmp_path: Path) -> None:
    """Two servers never share an embedded Valkey's files."""
    server("--data-dir", str(tmp_path / "data"))
    said = _refusal("--port", "0", "--data-dir", str(tmp_path / "data"))
    assert "is used by another running server" in said


async def test_a_replica_with_another_secret_is_one_clear_line(
    server: Callable[..., Server], own_valkey: Valkey, tmp_path: Path
) -> None:
    """A guest of one is the same person on the other, or the other does not start and says what to set."""
    one, other = "1" * 32, "2" * 32
    first = server(redis_url=own_valkey.url, secret=one)
    said = _refusal("--port", "0", "--redis-url", own_valkey.url, PARLEY_SECRET=other)
    assert "--secret: other servers at this Redis sign guest tokens with another secret" in said
    said = _refusal("--port", "0", "--redis-url", own_valkey.url, "--data-dir", str(tmp_path / "own"))
    assert "PARLEY_SECRET" in said
    # A new secret comes in step by step, while guests stay who they are.
    ada = await Peer.open(first.ws, "Ada")
    both = server(redis_url=own_valkey.url, secret=f"{other},{one}")
    again = await Peer.open(both.ws, "Ada", guest=ada.welcome["guest"])
    assert again.welcome["user"] == ada.welcome["user"]
    new = server(redis_url=own_valkey.url, secret=other)
    anew = await Peer.open(new.ws, "Ada", guest=again.welcome["guest"])
    assert anew.welcome["user"] == ada.welcome["user"]
    for peer in (ada, again, anew):
        await peer.close()


async def test_replicas_that_share_a_directory_share_its_secret(
    server: Callable[..., Server], own_valkey: Valkey, tmp_path: Path
) -> None:
    """As those of the compose file do; a guest is known to both, and the file is for the owner alone."""
    data = tmp_path / "shared"
    here, there = (server("--data-dir", str(data), redis_url=own_valkey.url, secret="") for _ in range(2))
    ada = await Peer.open(here.ws, "Ada")
    again = await Peer.open(there.ws, "Ada", guest=ada.welcome["guest"])
    assert again.welcome["user"] == ada.welcome["user"]
    for peer in (ada, again):
        await peer.close()
    assert (data / "secret").stat().st_mode & 0o777 == 0o600


async def _say(here: Server, text: str) -> list[str]:
    peer = await Peer.open(here.ws)
    await peer.ask("join", room="lobby")
    await peer.ask("send", room="lobby", cid=text, text=text)
    history = await peer.ask("history", room="lobby")
    await peer.close()
    return [event["text"] for event in history["messages"]]


async def test_the_next_start_has_the_history(server: Callable[..., Server], tmp_path: Path) -> None:
    """After Ctrl-C the embedded Valkey's data is on disk, and only its owner may read its password."""
    data = tmp_path / "data with a space"
    first = server("--data-dir", str(data))
    assert await _say(first, "one") == ["one"]
    assert (data / "valkey" / "valkey.conf").stat().st_mode & 0o777 == 0o600
    assert first.stop() == 0
    assert await _say(server("--data-dir", str(data)), "two") == ["one", "two"]


async def test_a_copy_of_the_data_directory_is_a_backup(server: Callable[..., Server], tmp_path: Path) -> None:
    """Restored it has what was said before; who had heard more is told that this is not what he knew."""
    data = tmp_path / "data"
    first = server("--data-dir", str(data))
    assert await _say(first, "one") == ["one"]
    first.stop()
    shutil.copytree(data, tmp_path / "backup")
    second = server("--data-dir", str(data))
    assert await _say(second, "two") == ["one", "two"]
    peer = await Peer.open(second.ws)
    known = await peer.join_at(2, "lobby")
    await peer.close()
    second.stop()
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "backup", data)
    third = server("--data-dir", str(data))
    assert await _say(third, "three") == ["one", "three"]
    again = await Peer.open(third.ws)
    since = {key: known[key] for key in ("epoch", "seq", "mid")}
    joined = await again.join_at(2, "lobby", since=since)
    assert (joined["seq"], joined["recovered"]) == (known["seq"], False)
    assert [event["text"] for event in joined["messages"]] == ["one", "three"]
    await again.close()


async def test_a_start_after_kill_9_of_everything_works(server: Callable[..., Server], tmp_path: Path) -> None:
    """Supervisor, workers and Valkey killed at once: the next start has what was on disk."""
    data = tmp_path / "data"
    first = server("--data-dir", str(data), workers=2)
    assert await _say(first, "one") == ["one"]
    valkey = int((data / "valkey" / "valkey.pid").read_text())
    pids = [each["pid"] for each in first.health()["workers"]["each"]]
    # The log is flushed every second at the latest; what is acknowledged is with the kernel at once.
    for pid in (first.process.pid, *pids, valkey):
        os.kill(pid, signal.SIGKILL)
    assert await _say(server("--data-dir", str(data)), "two") == ["one", "two"]


async def test_an_orphaned_valkey_is_stopped_before_a_new_one_starts(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    """kill -9 of the supervisor alone leaves its Valkey running; the next start never lets two share the data."""
    data = tmp_path / "data"
    first = server("--data-dir", str(data))
    assert await _say(first, "one") == ["one"]
    orphan = int((data / "valkey" / "valkey.pid").read_text())
    first.process.kill()
    first.process.wait()
    second = server("--data-dir", str(data))
    until(lambda: not runs(orphan), "the orphan is gone")
    assert await _say(second, "two") == ["one", "two"]


async def test_an_orphan_that_does_not_answer_is_stopped_too(server: Callable[..., Server], tmp_path: Path) -> None:
    """Frozen, it answers nobody, but its lock shows that it is there."""
    data = tmp_path / "data"
    first = server("--data-dir", str(data))
    assert await _say(first, "one") == ["one"]
    orphan = int((data / "valkey" / "valkey.pid").read_text())
    os.kill(orphan, signal.SIGSTOP)
    first.process.kill()
    first.process.wait()
    second = server("--data-dir", str(data))
    until(lambda: not runs(orphan), "the orphan is gone")
    assert await _say(second, "two") == ["one", "two"]


def test_the_embedded_valkey_takes_a_part_of_the_memory(server: Callable[..., Server], tmp_path: Path) -> None:
    """Half of it unless told otherwise, then it refuses and drops nothing; its log is rewritten when twice as long."""
    here = server("--data-dir", str(tmp_path / "half"))
    wanted = usable_bytes() * 50 // 100
    until(lambda: here.metric("parley_redis_memory_max_bytes") == wanted, "Redis tells its bound")
    config = (tmp_path / "half" / "valkey" / "valkey.conf").read_text().splitlines()
    assert {"maxmemory-policy noeviction", "auto-aof-rewrite-percentage 100"} <= set(config)
    there = server("--data-dir", str(tmp_path / "all"), embedded_memory_percent="0")
    until(lambda: there.metric("parley_redis_memory_bytes") > 0, "Redis tells what it uses")
    assert there.metric("parley_redis_memory_max_bytes") == 0


async def test_an_embedded_valkey_that_dies_is_started_again(server: Callable[..., Server], tmp_path: Path) -> None:
    """kill -9 of the Valkey alone: it is back with its data, without a restart of the server."""
    data = tmp_path / "data"
    here = server("--data-dir", str(data))
    assert await _say(here, "one") == ["one"]
    os.kill(int((data / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)
    until(lambda: here.get("/readyz")[0] == 503, "the loss is noticed")
    until(lambda: here.get("/readyz")[0] == 200, "ready again")
    assert await _say(here, "two") == ["one", "two"]


def test_the_version_and_all_workers_are_visible(server: Callable[..., Server]) -> None:
    """The version and the workers are visible from outside."""
    here = server(workers=3)
    health = here.health()
    assert health["workers"]["expected"] == health["workers"]["alive"] == 3
    assert health["version"]
    assert here.metric("parley_workers_alive") == 3


def test_a_port_that_is_no_redis_is_one_clear_line() -> None:
    """What answers there is no Redis: nothing is said about changes, and no traceback is shown."""
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor() as pool:
        pool.submit(_answer_as_http, other)
        port = other.getsockname()[1]
        said = _refusal("--port", "0", "--redis-url", f"redis://127.0.0.1:{port}/0")
    assert f"--redis-url: Redis at 127.0.0.1:{port}/0 cannot be reached: " in said
    assert said.endswith("the connection ends at the login: is it a Redis, and with TLS or without as the URL says?")


def _answer_as_http(listener: socket.socket) -> None:
    link, _ = listener.accept()
    with link:
        link.recv(65536)
        link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        link.recv(65536)


def test_a_data_directory_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    """The system's own words, as on a full disk, and where."""
    (tmp_path / "valkey").touch()
    said = _refusal("--port", "0", "--data-dir", str(tmp_path))
    assert said == f"parley: cannot write to {tmp_path / 'valkey'} (File exists)"
    (tmp_path / "valkey").unlink()
    (tmp_path / "valkey" / "valkey.log").mkdir(parents=True)
    said = _refusal("--port", "0", "--data-dir", str(tmp_path))
    assert said == "parley: the embedded Valkey cannot be started (Is a directory)"


def _ready(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/readyz", timeout=DEADLINE_SECONDS) as answer:
        return bool(answer.status == 200)
    return False


@contextlib.contextmanager
def _started(directory: Path, script: str = 'exec "$@" 2>log') -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server that a shell starts in this directory, ready, and its address."""
    port = free_port()
    arguments = ("serve", "--port", str(port), "--workers", "2", "--data-dir", str(directory / "data"))
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", str(Path(sys.executable).with_name("parley")), *arguments],
        env={**os.environ, "PARLEY_LOG_FORMAT": "json"},
        stdout=subprocess.DEVNULL,
        cwd=directory,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: _ready(url) or process.poll() is not None, "ready")
        assert process.poll() is None
        yield process, url
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def test_other_packages_of_the_same_name_are_not_imported(tmp_path: Path) -> None:
    """A server may be started in any directory, also in one with an `app` of its own."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('not the one that is meant')\n")
    with _started(tmp_path):
        assert "worker died" not in (tmp_path / "log").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("nowhere", ["2>/dev/full >/dev/full", "2>&- >&-", "2>&- >&- <&-"])
async def test_a_log_that_cannot_be_written_does_not_hinder_the_server(tmp_path: Path, nowhere: str) -> None:
    """On a full disk, or with its outputs closed, it serves, replaces a worker that dies, and stops as asked."""
    with _started(tmp_path, f'exec "$@" {nowhere}') as (process, url):
        pids = _workers(url)
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: len(_workers(url)) == 2 and pids[0] not in _workers(url), "another one serves")
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 0


def _workers(url: str) -> list[int]:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=DEADLINE_SECONDS) as answer:
        each = json.loads(answer.read())["workers"]["each"]
        return [one["pid"] for one in each if one["state"] == "ready"]
    return []


async def test_a_terminal_that_goes_stops_the_server_as_sigterm_does(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    """SIGHUP: members are sent away with a time to come back, however often it comes, and no Valkey is left."""
    here = server("--data-dir", str(tmp_path / "data"), drain_seconds="1")
    valkey = int((tmp_path / "data" / "valkey" / "valkey.pid").read_text())
    ada = await Peer.open(here.ws)
    here.process.send_signal(signal.SIGHUP)
    here.process.send_signal(signal.SIGHUP)
    assert (await ada.push("going-away"))["reason"] == "drain"
    assert here.stop(signal.SIGHUP) == 0
    assert not runs(valkey)
    await ada.close()


def test_a_server_under_nohup_goes_on_when_its_terminal_goes(tmp_path: Path) -> None:
    """SIGHUP that is ignored at the start stays ignored."""
    with _started(tmp_path, "trap '' HUP; exec \"$@\" 2>log") as (process, url):
        process.send_signal(signal.SIGHUP)
        (ignored,) = re.findall(r"SigIgn:\s+(\w+)", Path(f"/proc/{process.pid}/status").read_text())
        assert int(ignored, 16) & 1 << (signal.SIGHUP - 1)
        assert _ready(url)
