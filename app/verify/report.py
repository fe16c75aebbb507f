"""What a run showed: silences measured from the history, and the report in Markdown and as lines for the terminal."""

from __future__ import annotations

import platform
from bisect import bisect_right
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path

from app import __version__
from app.traffic.faults import FaultMark
from app.traffic.history import Away, ClientHistory, History, Seen
from app.verify.checker import Verdict, Violation

SHOWN_OF_RULE = 5
BACK_BY_ITSELF_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Silence:
    """What a fault did to deliveries, in seconds. `back`: from the end of its cause until all were served."""

    fault: FaultMark
    nobody: float
    worst_client: float
    back: float | None


@dataclass(slots=True)
class Run:
    """All there is to report about a run."""

    command: str
    stack: str
    seed: int
    clients: int
    sockets: int
    rooms: int
    rate: float
    history: History
    verdict: Verdict
    problems: list[str] = field(default_factory=list)
    redis: str = "unknown"

    @property
    def tested(self) -> bool:
        """Whether there was enough to judge."""
        return not self.problems

    @property
    def code(self) -> int:
        """0 every promise kept, 1 a violation, 2 nothing was tested."""
        if self.verdict.violations:
            return 1
        return 0 if self.tested else 2

    @property
    def line(self) -> str:
        """The verdict in one line."""
        verdict = self.verdict
        if verdict.violations:
            return f"FAILED: {len(verdict.violations)} violations in {verdict.acked} acknowledged events"
        if not self.tested:
            return f"NOTHING PROVED: {'; '.join(self.problems)}"
        took = sum(fault.took for fault in self.history.faults)
        return (
            f"PASSED: {verdict.acked} acknowledged events, {verdict.deliveries + verdict.heard} deliveries, "
            f"{took} faults, 0 violations"
        )


def deliveries(client: ClientHistory) -> list[float]:
    """When a client was handed events, in order."""
    return [record.at for record in client.records if isinstance(record, Seen)]


def longest_silence(times: list[float], begin: float, end: float) -> float:
    """The longest time without a delivery between two moments; `times` is sorted."""
    inside = times[bisect_right(times, begin) : bisect_right(times, end)]
    moments = [begin, *inside, end]
    return max(after - before for before, after in pairwise(moments))


def rooms_before(client: ClientHistory, moment: float) -> set[str]:
    """The rooms in which a client had been given something by then."""
    return {record.room for record in client.records if isinstance(record, Seen) and record.at <= moment}


def absent(client: ClientHistory, begin: float, end: float) -> bool:
    """Whether the tool itself cut the client so that its silence between two moments says nothing about the fault."""
    return any(
        isinstance(record, Away) and record.at < end and record.at + record.seconds + BACK_BY_ITSELF_SECONDS > begin
        for record in client.records
    )


def served_again(client: ClientHistory, rooms: set[str], moment: float) -> float:
    """When a client had been given an event in each of these rooms after a moment; the moment itself without rooms."""
    waiting, at = set(rooms), moment
    for record in client.records:
        if isinstance(record, Seen) and record.at > moment and record.room in waiting:
            waiting.discard(record.room)
            at = record.at
            if not waiting:
                break
    return at


def silences(history: History) -> list[Silence]:
    """Per fault, from its beginning until everybody was served again."""
    each = [(client, times) for client in history.clients if (times := deliveries(client))]
    everybody = sorted(moment for _, times in each for moment in times)
    found = []
    for fault in history.faults:
        end = fault.back if fault.back is not None else history.ended
        of_each = [
            longest_silence(times, fault.begun, end)
            for client, times in each
            if times[0] < fault.begun and not absent(client, fault.begun, end)
        ]
        worst = max(of_each, default=0.0)
        back = None
        if fault.back is not None:
            present = [client for client, _ in each if not absent(client, fault.begun, end)]
            moments = [served_again(client, rooms_before(client, fault.begun), fault.lifted) for client in present]
            back = max(moments, default=fault.lifted) - fault.lifted
        found.append(Silence(fault, longest_silence(everybody, fault.begun, end), worst, back))
    return found


def by_rule(verdict: Verdict) -> dict[str, list[Violation]]:
    """The violations, those of a rule together."""
    found: dict[str, list[Violation]] = {}
    for violation in verdict.violations:
        found.setdefault(violation.rule, []).append(violation)
    return found


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def markdown(run: Run) -> str:
    """The report."""
    verdict = run.verdict
    lines = [
        "# Verification report",
        "",
        f"**{run.line}**",
        "",
        "| what | value |",
        "|---|---|",
        f"| command | `{run.command}` |",
        f"| stack | {run.stack} |",
        f"| versions | parley {__version__}, {run.redis}, Python {platform.python_version()}, "
        f"websockets {_installed('websockets')}, sanic {_installed('sanic')} |",
        f"| seed | {run.seed} |",
        f"| clients, listeners, rooms | {run.clients}, {run.sockets}, {run.rooms} |",
        f"| sends per second asked for | {run.rate:g} |",
        f"| duration | {run.history.ended:.1f} s |",
        f"| sends | {verdict.sends}, of these {verdict.acked} acknowledged, {verdict.refused} refused, "
        f"{verdict.unknown} with unknown outcome |",
        f"| sent again on purpose | {verdict.resent} |",
        f"| acknowledged as duplicates | {verdict.duplicates} |",
        f"| events handed on by clients, given to listeners | {verdict.deliveries}, {verdict.heard} |",
        f"| edits, deletions and reactions among the acknowledged | {verdict.amended} |",
        f"| messages whose folding was compared | {verdict.folded} |",
        f"| repeats dropped by clients | {verdict.repeats} |",
        f"| joins that recovered | {verdict.resumed} |",
        f"| gaps told (`recovered:false`, `resync`) | {verdict.gaps_told} |",
        "",
        "## Faults",
        "",
        "Silence is the longest time without a delivery from the injection until everybody was served again: to "
        "anybody, and to the worst single client that the fault alone disturbed. Back is the time from the end of the "
        "cause until every such client had been given a new event in each of its rooms.",
        "",
        "| at s | fault | took effect | cause lasted s | silence s | worst client s | back s |",
        "|---|---|---|---|---|---|---|",
    ]
    for silence in silences(run.history):
        fault = silence.fault
        back = "not in time" if silence.back is None else f"{silence.back:.2f}"
        took = f"yes: {fault.effect}" if fault.took else f"**no**: {fault.effect}"
        lines.append(
            f"| {fault.begun:.1f} | {fault.name} | {took} | {fault.lifted - fault.begun:.2f} "
            f"| {silence.nobody:.2f} | {silence.worst_client:.2f} | {back} |"
        )
    lines += ["", "## Violations", ""]
    lines += [f"- {violation}" for violation in verdict.violations] or ["None."]
    lines += ["", *[f"Not tested: {problem}" for problem in run.problems]]
    return "\n".join(lines).rstrip() + "\n"


def terminal(run: Run) -> str:
    """The verdict with its evidence, for people at a terminal."""
    lines = [f"  {'fault':14} {'silence':>8} {'worst client':>13} {'back after':>11}"] if run.history.faults else []
    for silence in silences(run.history):
        back = "not in time" if silence.back is None else f"{silence.back:.2f} s"
        took = "" if silence.fault.took else f"  did not take: {silence.fault.effect}"
        lines.append(
            f"  {silence.fault.name:14} {silence.nobody:6.2f} s {silence.worst_client:11.2f} s {back:>11}{took}"
        )
    for rule, found in by_rule(run.verdict).items():
        lines += [str(violation) for violation in found[:SHOWN_OF_RULE]]
        if len(found) > SHOWN_OF_RULE:
            lines.append(f"[{rule}] ... and {len(found) - SHOWN_OF_RULE} more")
    return "\n".join([*lines, run.line])


def save(run: Run, directory: Path) -> None:
    """Write the report beside the history."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.md").write_text(markdown(run))
