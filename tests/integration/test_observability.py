"""What `docker compose --profile observability up` brings: its files fit the server, Prometheus and each other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import ROOT, Peer, Server, free_port, until, until_async

HERE = ROOT / "deploy" / "observability"
DASHBOARD = json.loads((HERE / "grafana" / "parley.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
RULES = (HERE / "alerts.yml").read_text()
STEP_SECONDS = 1


def samples(server: Server) -> dict[str, set[str]]:
    """What a real server exports: sample name -> its labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(server.get("/metrics")[1].decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("source", [*QUERIES, RULES], ids=lambda source: source[:50].strip("# "))
def test_every_metric_that_is_looked_at_is_exported(shared_server: Server, source: str) -> None:
    """By dashboard and rules, under exactly this name, with the labels that are asked for."""
    exported = samples(shared_server)
    used = set(re.findall(r"\bparley_\w+", source))
    assert used
    assert used - exported.keys() == set()
    for name, matchers in re.findall(r"\b(parley_\w+)\{([^}]*)\}", source):
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|=)", matchers)) - {"instance"} <= exported[name], name


def test_the_dashboard_is_whole() -> None:
    """Every panel has a title, a sentence, a unit, the provisioned data source, and its place to itself."""
    taken: set[tuple[int, int]] = set()
    source = re.search(r"uid: (\w+)", (HERE / "grafana" / "datasource.yml").read_text())
    assert source is not None
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["title"]
    for panel in PANELS:
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {source[1]}


def test_every_alert_says_what_to_do() -> None:
    """A severity, a summary, an action; and the page about operations knows it."""
    operations = (ROOT / "docs" / "operations.md").read_text()
    names = re.findall(r"- alert: (\w+)", RULES)
    assert len(names) == len(set(names)) > 10
    for name, rule in zip(names, RULES.split("- alert: ")[1:], strict=True):
        assert re.search(r"severity: (page|ticket)\b", rule), name
        assert "summary: " in rule, name
        assert "action: " in rule, name
        assert f"`{name}`" in operations, name


@pytest.mark.docker
def test_the_compose_profile_is_valid_and_off_by_default() -> None:
    """Images pinned by tag, published to this machine alone, every mounted file there, as locked up as the others."""
    plain = _compose("config", "--format", "json")
    full = _compose("--profile", "observability", "config", "--format", "json")
    added = full["services"].keys() - plain["services"].keys()
    assert added == {"prometheus", "grafana"}
    for name in added:
        service = full["services"][name]
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), service["image"]
        assert {port["host_ip"] for port in service["ports"]} == {"127.0.0.1"}
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        for mount in service["volumes"]:
            assert mount["type"] == "volume" or Path(mount["source"]).is_file(), mount


def _compose(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "compose", *arguments], cwd=ROOT, capture_output=True, check=True, timeout=60)
    return dict(json.loads(done.stdout))


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("command", "file"),
    [("check config", "prometheus.yml"), ("check rules", "alerts.yml"), ("test rules", "alerts.test.yml")],
)
def test_promtool_accepts(command: str, file: str) -> None:
    """Configuration and rules parse, and the rules raise what their tests expect."""
    done = subprocess.run(
        ["promtool", *command.split(), file], cwd=HERE, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_promtool_finds_nothing_to_mend_in_the_metrics(shared_server: Server) -> None:
    """Names, units, types and help are as Prometheus wants them."""
    text = shared_server.get("/metrics")[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


class Prometheus:
    """A Prometheus with the shipped configuration; only where the replicas are is told it otherwise, and how often."""

    def __init__(self, directory: Path, target: str) -> None:
        shipped = (HERE / "prometheus.yml").read_text()
        found = re.sub(
            r" {4}dns_sd_configs:\n( {6}.*\n)+", f"    static_configs: [{{targets: ['{target}']}}]\n", shipped
        )
        assert found != shipped
        (directory / "prometheus.yml").write_text(found.replace("5s", f"{STEP_SECONDS}s"))
        (directory / "alerts.yml").write_text(RULES)
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = (directory / "prometheus.log").open("w+")
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'tsdb'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"]},
        )

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API; None as long as there is none. AssertionError for what it refuses."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=60) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None
            return None
        except OSError:
            return None

    def stop(self) -> None:
        """The end."""
        self.process.terminate()
        self.process.wait(60)
        self._log.close()


@pytest.fixture
def prometheus(tmp_path: Path, shared_server: Server) -> Iterator[Prometheus]:
    """A Prometheus that watches the shared server."""
    program = Prometheus(tmp_path, f"127.0.0.1:{shared_server.port}")
    yield program
    program.stop()


@pytest.mark.prometheus
async def test_prometheus_reads_a_real_server_and_the_dashboard_has_its_data(
    prometheus: Prometheus, shared_server: Server, room: str
) -> None:
    """The target is up, all rules are evaluated without error, and every query of the dashboard gives something."""
    up = 'up{job="parley"} == 1'
    until(lambda: (prometheus.ask("/api/v1/query", query=up) or {}).get("result"), "the target is up")
    talking = asyncio.create_task(_talk(shared_server, room), name="talk")
    try:
        for query in QUERIES:
            await until_async(lambda query=query: _shown(prometheus, query), f"data for {query}")  # type: ignore[misc]
    finally:
        talking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await talking
    groups = until(lambda: prometheus.ask("/api/v1/rules")["groups"], "the rules are loaded")
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == RULES.count("- alert:")
    await until_async(
        lambda: all(rule["health"] == "ok" for g in prometheus.ask("/api/v1/rules")["groups"] for rule in g["rules"]),
        "all rules are evaluated",
    )
    firing = {alert["labels"]["alertname"] for alert in prometheus.ask("/api/v1/alerts")["alerts"]}
    assert firing & {"ParleyGone", "ParleyReplicaDown", "ParleyWorkersMissing", "ParleyDeaf"} == set()


def _shown(prometheus: Prometheus, query: str) -> bool:
    """Whether a panel's query has a value, a number, as Grafana would ask it."""
    asked = query.replace("$__rate_interval", "10s").replace("$__range", "1m").replace("$instance", ".*")
    answer = prometheus.ask("/api/v1/query", query=asked)
    if " > 0" in query:  # shown only where Redis has a limit
        return True
    return any(sample["value"][1] != "NaN" for sample in answer["result"])


async def _talk(server: Server, room: str) -> None:
    """Two people who come, talk and come again, for as long as they are let."""
    number = 0
    since = None
    while True:
        ada = await Peer.open(server.ws)
        try:
            joined = await ada.ask("join", room=room, **({"since": since} if since else {}))
            since = {key: joined[key] for key in ("epoch", "seq", "mid")}
            for _ in range(20):
                number += 1
                await ada.ask("send", room=room, cid=f"c{number}", text="hello")
                await asyncio.sleep(0.02)
        finally:
            await ada.close()
