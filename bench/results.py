"""The measured samples, kept as JSON, and the table that is made of them."""

import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.gates import GATES, Figure, Gate
from bench.measure import Sample
from bench.plan import Case

SLOWEST = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One case's samples."""

    name: str
    what: str
    against: str
    part_of: str
    count: int
    case: tuple[Sample, ...]
    limit: tuple[Sample, ...]


def save(path: Path, case: Case, count: int, samples: Sequence[Sample], limits: Sequence[Sample]) -> None:
    """Keep one case's samples; those of other cases stay."""
    rows = _stored(path)
    row = Row(case.name, case.what, case.against, case.part_of, count, tuple(samples), tuple(limits))
    rows.pop(case.name, None)
    path.write_text(json.dumps({**rows, case.name: asdict(row)}, indent=1))


def load(path: Path) -> list[Row]:
    """All cases that have been measured, in order."""
    return [
        Row(**{**row, "case": tuple(Sample(**one) for one in row["case"]), "limit": tuple(Sample(**one) for one in row["limit"])})
        for row in _stored(path).values()
    ]


def _stored(path: Path) -> dict[str, dict[str, object]]:
    return json.loads(path.read_text()) if path.exists() else {}


def _mid(samples: Sequence[Sample], figure: str) -> float:
    return median(getattr(sample, figure) for sample in samples)


def value(row: Row, figure: Figure) -> float:
    """A promised figure of one case: a ratio or difference of medians, a median, or the greatest memory."""
    wall, cpu = _mid(row.case, "wall"), _mid(row.case, "cpu")
    match figure:
        case "wall ratio":
            return wall / _mid(row.limit, "wall")
        case "cpu ratio":
            return cpu / _mid(row.limit, "cpu")
        case "times as fast":
            return _mid(row.limit, "wall") / wall
        case "seconds more":
            return wall - _mid(row.limit, "wall")
        case "seconds":
            return wall
        case "MiB":
            return max(sample.mib for sample in row.case)


def verdicts(rows: Sequence[Row]) -> Iterator[tuple[Gate, float]]:
    """Every promise that has been measured, with its figure: the worst of a row's parts."""
    for gate in GATES:
        found = [value(row, gate.figure) for row in rows if gate.case in (row.name, row.part_of)]
        if found:
            yield gate, (min if gate.at_least else max)(found)


def table(rows: Sequence[Row], runs: int) -> str:
    """RESULTS.md."""
    if not rows:
        return "# Results\n\nNothing has been measured.\n"
    lines = [
        "# Results",
        "",
        f"Made by `python -m bench`; medians of up to {runs} runs in fresh processes, case and limit by turns.",
        "What the figures mean: [docs/performance.md](../docs/performance.md).",
        "",
        f"Machine: {machine()}.",
        "",
        "## Promises",
        "",
        "| case | figure | measured | promised | |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    lines += [_verdict(gate, figure) for gate, figure in verdicts(rows)]
    lines += [
        "",
        "## Measurements",
        "",
        "| case | events | wall s (least to greatest) | CPU s | MiB | limit: wall s | CPU s | MiB | ratio of walls |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    parts = sorted((row for row in rows if row.part_of), key=lambda row: -_mid(row.case, "wall"))
    lines += [_line(row) for row in rows if not row.part_of]
    lines += [_line(row) for row in parts[:SLOWEST]]
    if parts:
        lines += ["", f"Of {len(parts)} queries over a year the {min(SLOWEST, len(parts))} slowest are listed."]
    lines += ["", "## Cases and limits", ""]
    lines += [
        f"- {row.name}: {row.what}." + (f" Limit: {row.against}." if row.against else "") for row in rows if not row.part_of
    ]
    return "\n".join(lines) + "\n"


def _verdict(gate: Gate, figure: float) -> str:
    sign = "at least" if gate.at_least else "at most"
    aim = f" (aim {gate.aim:g})" if gate.aim else ""
    short = abs(figure - gate.limit) / gate.limit * 100
    word = "met" if gate.met(figure) else f"**missed by {short:.0f} %**"
    shown = f"{figure:.0f}" if gate.figure == "MiB" else f"{figure:.2f}"
    return f"| {gate.case} | {gate.figure} | {shown} | {sign} {gate.limit:g}{aim} | {word} |"


def _line(row: Row) -> str:
    walls = [sample.wall for sample in row.case]
    case = f"{median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f}) | {_mid(row.case, 'cpu'):.2f} | {value(row, 'MiB'):.0f}"
    if not row.limit:
        return f"| {row.name} | {row.count:,} | {case} | | | | |"
    top = max(sample.mib for sample in row.limit)
    limit = f"{_mid(row.limit, 'wall'):.2f} | {_mid(row.limit, 'cpu'):.2f} | {top:.0f} | {value(row, 'wall ratio'):.2f}"
    return f"| {row.name} | {row.count:,} | {case} | {limit} |"


def machine() -> str:
    """The machine in general words."""
    import os

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    system, release = platform.system(), platform.release().split("-")[0]
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{cores} cores ({platform.machine()}), {memory:.0f} GiB of memory, {system} {release}, Python {python}"
