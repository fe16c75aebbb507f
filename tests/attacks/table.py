"""What came of the attacks, as a table that can be read and put into a page."""

from __future__ import annotations

from statistics import median

from tests.attacks.judge import MIB, Verdict, mostly

BEGIN, END = "<!-- attacks:begin -->", "<!-- attacks:end -->"
HEAD = (
    "| attack | what it is, and has to come to | seen | half, nine of ten, all within ms | MiB: grew, kept; Valkey |\n"
    "| --- | --- | --- | --- | --- |"
)


def row(verdict: Verdict) -> str:
    """A line of the table."""
    trips, memory = verdict.report.trips or [0.0], verdict.memory
    longest = max([*trips, verdict.report.pending_ms])
    seen = ", ".join(f"{times} x {kind}" for kind, times in sorted(verdict.seen.items()))
    times = f"{median(trips):.0f}, {mostly(trips):.0f}, {longest:.0f}"
    figures = f"{memory.grown / MIB:.0f}, {memory.kept / MIB:.0f}; {max(0, memory.engine) / MIB:.0f}"
    attack = verdict.attack
    return f"| {attack.area}: {attack.name} | {attack.about} | {seen} | {times} | {figures} |"


def complaints(verdict: Verdict) -> str:
    """What is wrong with it, and what is worse than aimed at."""
    return "".join([f"    WRONG {what}\n" for what in verdict.wrong] + [f"    slow {what}\n" for what in verdict.slow])


def summary(verdicts: list[Verdict]) -> str:
    """The worst of all, in a sentence or two."""
    trips = [trip for one in verdicts for trip in one.report.trips] or [0.0]
    newcomers = [time for one in verdicts for time in one.report.newcomers] or [0.0]
    away = [why for one in verdicts for why in one.report.turned_away]
    wrong, slow = sum(bool(one.wrong) for one in verdicts), sum(bool(one.slow) for one in verdicts)
    return (
        f"{len(verdicts)} attacks in {sum(one.seconds for one in verdicts):.0f} s; "
        f"{wrong} went wrong, {slow} were slow.\n"
        f"The canary's {len(trips)} round trips: half within {median(trips):.0f} ms, nine of ten within "
        f"{mostly(trips):.0f} ms, all within {max(trips):.0f} ms.\n"
        f"{len(newcomers)} newcomers came in, all within {max(newcomers):.0f} ms; {len(away)} were turned away"
        f"{': ' + ', '.join(sorted(set(away))[:5]) if away else ''}.\n"
        f"Memory grew by at most {max(one.memory.grown for one in verdicts) / MIB:.0f} MiB; at most "
        f"{max(one.memory.kept for one in verdicts) / MIB:.0f} MiB were not given back."
    )
