"""The results as Markdown: limits first, then every case. What does not belong here: judging (``rounds``)."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.gates import UNITS
from bench.measure import Sample
from bench.rounds import Samples, Verdict

QUIET = 0.15
"""Cores kept busy by others, up to which a figure is taken for undisturbed."""
_SLOWEST = 8
"""Queries that are listed; the others are in the gate's maximum."""
_QUERY = "query "


def limits(verdicts: Sequence[Verdict]) -> list[str]:
    """One line a gate."""
    lines = ["| what | case | limit | measured | least to greatest | |", "| --- | --- | --- | --- | --- | --- |"]
    return lines + [_limit(verdict) for verdict in verdicts]


def _limit(verdict: Verdict) -> str:
    gate = verdict.gate
    unit = UNITS[gate.kind]
    bound = ("at least " if gate.kind == "times as fast" else "at most ") + f"{gate.limit:g}{unit}"
    against = f" / {gate.against}" if gate.kind in ("wall ratio", "cpu ratio") else ""
    against = f" - {gate.against}" if gate.kind == "seconds more" else against
    case = f"{gate.against} / {verdict.case}" if gate.kind == "times as fast" else f"{verdict.case}{against}"
    span = f"{_number(verdict.low, unit)} to {_number(verdict.high, unit)}"
    return f"| {gate.what} | {case} | {bound} | {_number(verdict.value, unit)}{unit} | {span} | {_word(verdict)} |"


def _word(verdict: Verdict) -> str:
    gate, unit = verdict.gate, UNITS[verdict.gate.kind]
    if not verdict.met:
        return f"**missed by {_number(abs(verdict.value - gate.limit), unit)}{unit}**"
    if gate.aim is None:
        return "met"
    reached = gate.met(verdict.value, gate.aim)
    return f"met, so is the aim of {gate.aim:g}{unit}" if reached else f"met; the aim is {gate.aim:g}{unit}"


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f}" if unit == " MiB" else f"{value:.2f}"


def cases(groups: Mapping[str, Samples]) -> list[str]:
    """A table a group; of the queries only the slowest and those that take most memory."""
    lines: list[str] = []
    for title, samples in groups.items():
        shown = _shown(samples)
        left = len(samples) - len(shown)
        lines += [
            "",
            f"### {title}",
            "",
            "| case | n | wall s | CPU s | peak MiB | others |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        lines += [_case(name, samples[name]) for name in shown]
        if left:
            lines += ["", f"{left} more queries were faster and smaller than these."]
    return lines


def _shown(samples: Samples) -> list[str]:
    if not all(name.startswith(_QUERY) for name in samples):
        return list(samples)
    by_wall = sorted(samples, key=lambda name: -median(sample.wall for sample in samples[name]))
    by_peak = sorted(samples, key=lambda name: -median(sample.peak for sample in samples[name]))
    kept = {*by_wall[:_SLOWEST], *by_peak[:2]}
    return [name for name in by_wall if name in kept]


def _case(name: str, samples: Sequence[Sample]) -> str:
    wall, cpu, peak = ([getattr(sample, key) for sample in samples] for key in ("wall", "cpu", "peak"))
    others = max(sample.others for sample in samples)
    marked = f"**{others:.2f}**" if others > QUIET else f"{others:.2f}"
    spread = f"{median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f})"
    return f"| {name} | {len(samples)} | {spread} | {median(cpu):.2f} | {median(peak):,.0f} | {marked} |"
