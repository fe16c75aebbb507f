"""The HTTP API of a server with two workers, asked by back ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.protocol.operations import BASE
from tests.conftest import _servers
from tests.service import PROBLEM, BackEnd, in_path, key_file, on_both_workers
from tests.support import ROOT, Peer, Server, Valkey, until, until_async


class Site:
    """A server with two workers, and a file of API keys."""

    def __init__(self, server: Server, keys: dict[str, str]) -> None:
        self.server = server
        self._keys = keys

    def back_end(self, name: str = "all") -> BackEnd:
        """The holder of the key of that name."""
        return BackEnd(self.server.port, self._keys[name])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, valkey: Valkey) -> Iterator[Site]:
    """For all tests of this module."""
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    keys = {
        "all": key_file(path),
        "deploy": key_file(path, name="Deploy Bot", scopes=["send"], rooms=["deploy-*"]),
        "reader": key_file(path, name="Reader", scopes=["read", "rooms", "presence", "counts"], rooms=["deploy-*"]),
        "slow": key_file(path, name="Slow", scopes=["rooms"], rate=0.01),
        "ended": key_file(path, name="Ended", seconds=-10),
    }
    with _servers(tmp_path_factory.mktemp("site")) as start:
        yield Site(start(redis_url=valkey.url, workers=2, api_keys=str(path)), keys)


@pytest.fixture
def robot(site: Site) -> BackEnd:
    """A back end that may do everything."""
    return site.back_end()


async def test_a_service_is_heard_on_every_worker(site: Site, robot: BackEnd, room: str) -> None:
    """Its messages stand in one order with everybody's, are its own by user and name, and mention people."""
    ada, bob = await on_both_workers(site.server.ws, room)
    while bob.welcome["user"] not in [one["user"] for one in (await ada.push("presence")).get("joined", [])]:
        pass  # her worker does not know of him yet, and a message that it takes would not mean him
    sent = await asyncio.to_thread(robot.post, f"/rooms/{room}/messages", {"text": "deployed"})
    assert (sent.status, sent.body["seq"], sent.body["dup"]) == (201, 1, False)
    await ada.ask("send", room=room, cid="c1", text="thanks")
    for peer in (ada, bob):
        first, second = await peer.push("message"), await peer.push("message")
        assert (first["user"], first["name"], first["text"]) == ("svc:Robot", "Robot", "deployed")
        assert (first["mid"], first["ts"]) == (sent.body["mid"], sent.body["ts"])
        assert (first["seq"], second["seq"]) == (1, 2)
    assert (await asyncio.to_thread(robot.get, f"/rooms/{room}/presence")).body["members"] == 2
    await asyncio.to_thread(robot.post, f"/rooms/{room}/messages", {"text": "@Bob look"})
    assert (await ada.push("message"))["mentions"] == [bob.welcome["user"]]
    await bob.ask("leave", room=room)
    await asyncio.to_thread(robot.post, f"/rooms/{room}/messages", {"text": "@Bob again"})
    for peer in (ada, bob):
        await peer.close()


def test_an_idempotency_key_is_one_message_however_often_it_comes(robot: BackEnd, room: str) -> None:
    """At once and later, on any worker: one seq. With another text it is refused; in another room it is another."""
    with ThreadPoolExecutor(16) as pool:
        post = lambda _: robot.post(f"/rooms/{room}/messages", {"text": "once"}, idempotency_key="k1")  # noqa: E731
        answers = list(pool.map(post, range(32)))
    assert {answer.body["seq"] for answer in answers} == {1}
    assert sorted((answer.status, answer.body["dup"]) for answer in answers) == [(200, True)] * 31 + [(201, False)]
    assert robot.post(f"/rooms/{room}/messages", {"text": "once"}, idempotency_key='"k1"').body["dup"] is True
    other = robot.post(f"/rooms/{room}/messages", {"text": "twice"}, idempotency_key="k1")
    assert (other.status, other.body["code"]) == (422, "idempotency_key_reused")
    for bad in ("a b", "", "x" * 65, "\u00fc"):
        refused = robot.ask(
            "POST",
            f"/rooms/{room}/messages",
            b'{"text":"x"}',
            {"Content-Type": "application/json", "Idempotency-Key": bad.encode().decode("latin-1")},
        )
        assert (refused.status, refused.body["code"]) == (400, "bad_request")
    assert robot.post(f"/rooms/{room}-2/messages", {"text": "twice"}, idempotency_key="k1").status == 201
    assert robot.get(f"/rooms/{room}").body["seq"] == 1


def test_a_retry_is_known_among_hundreds_of_messages(robot: BackEnd, room: str) -> None:
    """More than a session's dedupe record holds."""
    first = robot.post(f"/rooms/{room}/messages", {"text": "0"}, idempotency_key="k0")
    with ThreadPoolExecutor(8) as pool:
        numbers = range(1, 300)
        post = lambda n: robot.post(f"/rooms/{room}/messages", {"text": f"{n}"}, idempotency_key=f"k{n}")  # noqa: E731
        assert {answer.status for answer in pool.map(post, numbers)} == {201}
    again = robot.post(f"/rooms/{room}/messages", {"text": "0"}, idempotency_key="k0")
    assert (again.status, again.body["seq"], again.body["dup"]) == (200, first.body["seq"], True)


def test_an_amended_message_is_still_the_same_to_a_retry(robot: BackEnd, site: Site, room: str) -> None:
    """The text that came with the idempotency key is not there any more to be compared with."""
    robot.post(f"/rooms/{room}/messages", {"text": "typo"}, idempotency_key="k1")

    async def amend() -> None:
        ada = await Peer.open(site.server.ws, "Ada")
        await ada.ask("join", room=room)
        await ada.ask("react", room=room, cid="c1", seq=1, emoji="👍")
        await ada.close()

    asyncio.run(amend())
    assert robot.post(f"/rooms/{room}/messages", {"text": "typo"}, idempotency_key="k1").body["dup"] is True


async def test_history_is_read_by_pages(site: Site, robot: BackEnd, room: str) -> None:
    """The latest, before and after a seq; folded as members see it."""
    for number in range(1, 8):
        await asyncio.to_thread(robot.post, f"/rooms/{room}/messages", {"text": str(number)})
    ada = await Peer.open(site.server.ws, "Ada")
    await ada.ask("join", room=room)
    await ada.ask("react", room=room, cid="c1", seq=7, emoji="👍")

    def page(**query: int) -> tuple[list[int], bool]:
        body = robot.get(f"/rooms/{room}/messages", **query).body
        assert (body["room"], body["seq"]) == (room, 8)
        return [event["seq"] for event in body["messages"]], body["more"]

    assert page(limit=3) == ([6, 7, 8], True)
    assert page(before=6, limit=3) == ([3, 4, 5], True)
    assert page(before=3) == ([1, 2], False)
    assert page(before=1) == ([], False)
    assert page(before=99, limit=2) == ([7, 8], True)
    assert page(after=0, limit=2) == ([1, 2], True)
    assert page(after=6) == ([7, 8], False)
    assert page(after=8) == ([], False)
    folded = robot.get(f"/rooms/{room}/messages", after=6, limit=1).body["messages"][0]
    assert folded["reactions"] == [{"emoji": "👍", "users": [ada.welcome["user"]]}]
    both = robot.get(f"/rooms/{room}/messages", after=1, before=3)
    assert (both.status, both.body["code"]) == (400, "bad_request")
    await ada.close()


async def test_rooms_people_and_counts_are_those_of_all_workers(
    server: Callable[..., Server], own_valkey: Valkey, tmp_path: Path, room: str
) -> None:
    """Whichever worker answers. Nobody else is on this Redis."""
    path = tmp_path / "keys.toml"
    key = key_file(path)
    here = server(redis_url=own_valkey.url, workers=2, api_keys=str(path))
    robot = BackEnd(here.port, key)
    ada, bob = await on_both_workers(here.ws, room)
    tab = await Peer.open(here.ws, guest=ada.welcome["guest"], name="Ada")
    await ada.ask("send", room=room, cid="c1", text="hi")
    await ada.ask("topic", room=room, cid="c2", topic="Tea")
    people = [{"user": peer.welcome["user"], "name": name} for peer, name in ((ada, "Ada"), (bob, "Bob"))]

    def seen() -> bool:
        body = robot.get(f"/rooms/{room}/presence").body
        return body["members"] == 2 and sorted(body["people"], key=lambda one: one["name"]) == people

    for _ in range(4):
        await until_async(seen, "both are seen")
    state = robot.get(f"/rooms/{room}").body
    assert (state["room"], state["seq"], state["topic"], state["members"]) == (room, 2, "Tea", 2)
    listed = {"room": room, "members": 2, "seq": 2, "ts": state["ts"], "topic": "Tea"}
    await until_async(lambda: listed in robot.get("/rooms", limit=200).body["rooms"], "the room is listed")

    def counted() -> bool:
        body = robot.get("/counts").body
        return body == {"connections": 3, "people": 2, "exact": True, "rooms": 1, "workers": 2}

    for _ in range(4):
        await until_async(counted, "all are counted, once each")
    for peer in (ada, bob, tab):
        await peer.close()


def test_a_key_is_for_its_scopes_and_rooms(site: Site, room: str) -> None:
    """What it is not for is forbidden, and not listed."""
    deploy, reader = site.back_end("deploy"), site.back_end("reader")
    mine = f"deploy-{room}"
    assert deploy.post(f"/rooms/{mine}/messages", {"text": "x"}).status == 201
    assert site.back_end().post(f"/rooms/{room}/messages", {"text": "x"}).status == 201
    assert reader.get(f"/rooms/{mine}/messages").status == 200
    forbidden = [
        deploy.get(f"/rooms/{mine}/messages"),
        deploy.get("/rooms"),
        deploy.get("/counts"),
        deploy.post(f"/rooms/{room}/messages", {"text": "x"}),
        reader.post(f"/rooms/{mine}/messages", {"text": "x"}),
        reader.get(f"/rooms/{room}/messages"),
        reader.get(f"/rooms/{room}/presence"),
        reader.get(f"/rooms/{room}"),
        site.back_end().get(f"/rooms/dm:{'a' * 16}.{'b' * 16}/messages"),
    ]
    assert [(answer.status, answer.body["code"]) for answer in forbidden] == [(403, "forbidden")] * len(forbidden)
    until(lambda: mine in [one["room"] for one in reader.get("/rooms").body["rooms"]], "its room is listed")
    assert room not in [one["room"] for one in reader.get("/rooms", limit=200).body["rooms"]]


def test_a_key_asks_no_oftener_than_it_may(site: Site) -> None:
    """429 says when to come again; on each worker by itself."""
    slow = site.back_end("slow")
    answers = [slow.get("/rooms") for _ in range(20)]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) >= len(answers) - 4  # two at once on each of two workers
    for answer in refused:
        assert (answer.body["code"], answer.body["temporary"]) == ("rate_limited", True)
        assert 0 < answer.body["retry"] <= int(answer.headers["retry-after"]) <= 101


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer x", "Basic YTpi", "Bearer pk_000000000000_" + "0" * 64, "Bearer " + "x" * 5000],
)
def test_nobody_asks_without_a_key(site: Site, room: str, authorization: str | None) -> None:
    """Whatever is asked for; and nothing is told of it."""
    nobody = BackEnd(site.server.port, None)
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path in (("GET", "/rooms"), ("GET", f"/rooms/{room}"), ("POST", f"/rooms/{room}/messages")):
        answer = nobody.ask(method, path, headers=headers)
        assert (answer.status, answer.body["code"]) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_that_has_ended_is_good_for_nothing(site: Site) -> None:
    """Like one that never was."""
    assert site.back_end("ended").get("/rooms").status == 401


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/json", 400, "bad_request"),
        (b"{", "application/json", 400, "bad_request"),
        (b"null", "application/json", 400, "bad_request"),
        (b'{"text":5}', "application/json", 400, "bad_request"),
        (b'{"text":""}', "application/json", 400, "bad_request"),
        (b'{"text":"x","more":1}', "application/json", 400, "bad_request"),
        (b'{"text":"\\ud800"}', "application/json", 400, "bad_request"),
        (b'{"text":"\xff"}', "application/json", 400, "bad_request"),
        (b'{"text":NaN}', "application/json", 400, "bad_request"),
        (b"[" * 60_000, "application/json", 400, "bad_request"),
        (b'{"text":' + b"[" * 60_000, "application/json", 400, "bad_request"),
        (b'{"text":' + b"9" * 60_000 + b"}", "application/json", 400, "bad_request"),
        (b'{"text":"x"}', "text/plain", 415, "unsupported_media_type"),
        (b'{"text":"x"}', "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b'{"text":"' + b"x" * 5000 + b'"}', "application/json", 413, "too_large"),
        (b'{"text":"' + b"x" * 70_000 + b'"}', "application/json", 413, "too_large"),
        (b"x" * 2_000_000, "application/json", 413, "too_large"),
    ],
)
def test_a_wrong_body_is_refused(robot: BackEnd, room: str, body: bytes, kind: str, status: int, code: str) -> None:
    """With a problem that says what is wrong, and nothing is stored."""
    answer = robot.ask("POST", f"/rooms/{room}/messages", body, {"Content-Type": kind})
    assert (answer.status, answer.body["code"]) == (status, code)
    assert robot.get(f"/rooms/{room}").status == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/none", 404, "not_found"),
        ("GET", "", 404, "not_found"),
        ("GET", "/rooms/", 404, "not_found"),
        ("POST", "/rooms/a/b/c", 404, "not_found"),
        ("DELETE", "/rooms", 405, "method_not_allowed"),
        ("OPTIONS", "/rooms", 405, "method_not_allowed"),
        ("POST", "/rooms", 405, "method_not_allowed"),
        ("GET", "/rooms/a%20b", 400, "bad_request"),
        ("GET", "/rooms/a%2Fb", 400, "bad_request"),
        ("GET", "/rooms/%00", 400, "bad_request"),
        ("GET", "/rooms/%ff", 400, "bad_request"),
        ("GET", "/rooms/" + "x" * 65, 400, "bad_request"),
        ("GET", "/rooms/nowhere-at-all", 404, "unknown_room"),
        ("GET", "/rooms/nowhere-at-all/messages", 404, "unknown_room"),
        ("GET", "/rooms/nowhere-at-all/presence", 404, "unknown_room"),
        ("GET", "/rooms?limit=0", 400, "bad_request"),
        ("GET", "/rooms?limit=201", 400, "bad_request"),
        ("GET", "/rooms?limit=x", 400, "bad_request"),
        ("GET", "/rooms?limit=1&limit=2", 400, "bad_request"),
        ("GET", "/rooms?limt=1", 400, "bad_request"),
        ("GET", "/rooms?limit=%ff", 400, "bad_request"),
        ("GET", "/rooms?" + "&".join(f"a{n}=1" for n in range(50)), 400, "bad_request"),
        ("GET", "/counts?x=1", 400, "bad_request"),
        ("GET", "/rooms/a/messages?before=-1", 400, "bad_request"),
    ],
)
def test_a_wrong_request_is_refused(robot: BackEnd, method: str, path: str, status: int, code: str) -> None:
    """Each mistake with its own status and code."""
    answer = robot.ask(method, path)
    assert (answer.status, answer.body["code"]) == (status, code)
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD"


def test_a_head_has_no_body(robot: BackEnd) -> None:
    """And the headers of what would be answered."""
    head, answer = robot.ask("HEAD", "/counts"), robot.get("/counts")
    assert (head.status, head.body) == (200, None)
    assert head.headers["content-type"] == answer.headers["content-type"]


def test_room_names_are_one_in_all_their_forms(robot: BackEnd, room: str) -> None:
    """Composed or not, percent-encoded."""
    composed, apart = f"caf\u00e9-{room}", f"cafe\u0301-{room}"
    assert robot.post(f"/rooms/{in_path(apart)}/messages", {"text": "x"}).body["room"] == composed
    assert robot.get(f"/rooms/{in_path(composed)}").body["room"] == composed


def test_foreign_pages_are_let_in_nowhere(robot: BackEnd, room: str) -> None:
    """No CORS: no page of another origin reads an answer, nor may it change anything, even with a key."""
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    for method, status in (("GET", 200), ("OPTIONS", 405), ("POST", 403)):
        path = f"/rooms/{room}/messages" if method == "POST" else "/rooms"
        answer = robot.ask(method, path, b'{"text":"x"}' if method == "POST" else None, headers)
        assert answer.status == status
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["cache-control"] == "no-store"
    assert robot.get(f"/rooms/{room}").status == 404


def parley(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_keys_are_made_listed_and_revoked_while_the_server_runs(site: Site, valkey: Valkey) -> None:
    """A new key is good at once, a revoked one for at most a second more; no secret is kept or logged."""
    redis = ("--redis-url", valkey.url)
    made = parley("key", "create", "--name", "Temp", "--scope", "rooms", "--rooms", "a-*", "--expires", "1h", *redis)
    assert made.returncode == 0, made.stderr
    shown = made.stdout.strip()
    temp = BackEnd(site.server.port, shown)
    until(lambda: temp.get("/rooms").status == 200, "the key is good")
    rows = [json.loads(line) for line in parley("key", "list", "--json", *redis).stdout.splitlines()]
    (row,) = [row for row in rows if row["name"] == "Temp"]
    assert (row["scopes"], row["rooms"], row["expires"] - row["created"]) == (["rooms"], ["a-*"], 3600)
    assert row["id"] == shown.split("_")[1]
    assert shown.split("_")[2] not in site.server.log.read_text() + parley("key", "list", *redis).stdout
    assert temp.get("/rooms").status == 200
    assert parley("key", "revoke", row["id"], *redis).returncode == 0
    for _ in range(4):
        until(lambda: temp.get("/rooms").status == 401, "the key is good no more")
    assert parley("key", "revoke", row["id"], *redis).returncode == 1


def test_keys_of_an_embedded_store_are_made_beside_the_running_server(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    """By its data directory; and without a running one the command says what to do."""
    data = str(tmp_path / "data")
    alone = parley("key", "list", "--data-dir", data)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "start it" in alone.stderr
    here = server("--data-dir", data)
    shown = parley("key", "create", "--name", "Temp", "--scope", "counts", "--data-dir", data).stdout.strip()
    until(lambda: BackEnd(here.port, shown).get("/counts").status == 200, "the key is good")


def test_a_file_of_keys_that_is_none_ends_the_start(tmp_path: Path) -> None:
    """In one line that says why."""
    path = tmp_path / "keys.toml"
    path.write_text('[[keys]]\nid = "x"\n')
    ended = parley("serve", "--port", "0", "--api-keys", str(path), "--data-dir", str(tmp_path / "data"))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"parley: --api-keys: {path}: ")
    assert len(ended.stderr.splitlines()) == 1


def test_without_redis_nothing_is_confirmed(server: Callable[..., Server], own_valkey: Valkey, tmp_path: Path) -> None:
    """503 with Retry-After; asked again afterwards with the same idempotency key, it is stored once."""
    key = key_file(tmp_path / "keys.toml")
    here = server(redis_url=own_valkey.url, api_keys=str(tmp_path / "keys.toml"), redis_timeout_seconds="0.5")
    robot = BackEnd(here.port, key)
    assert robot.post("/rooms/r/messages", {"text": "a"}, idempotency_key="a").status == 201
    own_valkey.kill()
    asked = [
        robot.post("/rooms/r/messages", {"text": "b"}, idempotency_key="b"),
        robot.get("/rooms/r/messages"),
        robot.get("/rooms/r/presence"),
        robot.get("/rooms/r"),
        robot.get("/counts"),
    ]
    for answer in asked:
        assert (answer.status, answer.body["code"], answer.body["temporary"]) == (503, "unavailable", True)
        assert answer.headers["retry-after"] == "1"
    own_valkey.start()
    until(lambda: here.get("/readyz")[0] == 200, "it is ready again")
    again = robot.post("/rooms/r/messages", {"text": "b"}, idempotency_key="b")
    assert (again.status, again.body["seq"], again.body["dup"]) == (201, 2, False)


def test_what_happened_shows_in_the_metrics(site: Site, robot: BackEnd) -> None:
    """By class of status, with how long it took; no key is named."""
    metrics: Any = site.server.metric
    before = {name: metrics("parley_api_requests_total", status=name) for name in ("2xx", "4xx")}
    assert robot.get("/counts").status == 200
    assert robot.get("/none").status == 404
    for name in before:
        until(
            lambda name=name: metrics("parley_api_requests_total", status=name) > before[name],  # type: ignore[misc]
            f"{name} is counted",
        )
    assert metrics("parley_api_seconds_count") >= 2
    assert robot.key is not None
    assert robot.key.split("_")[1] not in site.server.get("/metrics")[1].decode()


def test_the_document_and_the_page_are_served(site: Site) -> None:
    """To everybody; the page needs nothing from elsewhere and has no script."""
    with closing(http.client.HTTPConnection("127.0.0.1", site.server.port, timeout=60)) as connection:
        connection.request("GET", "/docs")
        got = connection.getresponse()
        page = got.read().decode()
    assert (got.status, got.getheader("content-type")) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in (got.getheader("content-security-policy") or "")
    assert "<script" not in page
    assert "style=" not in page
    assert "://" not in page
    for path in ("/openapi.json", "/web/style/reference.css", "/asyncapi.json"):
        assert path in page
        assert site.server.get(path)[0] == 200
    document = json.loads(site.server.get("/openapi.json")[1])
    assert all(f"<b>{method.upper()}</b> {path}" in page for path, by in document["paths"].items() for method in by)


def test_an_ill_formed_request_is_answered_as_a_problem_too(site: Site) -> None:
    """Where the framework itself refuses."""
    with closing(http.client.HTTPConnection("127.0.0.1", site.server.port, timeout=60)) as connection:
        connection.request("BREW", BASE + "/rooms")
        got = connection.getresponse()
        assert (got.status, got.getheader("content-type"), got.read() != b"") == (405, PROBLEM, True)
