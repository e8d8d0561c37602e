"""``python -m bench``: measure, print the tables, write RESULTS.md.

The exit code is 0 whatever the figures are, 1 if a case broke, and with ``--gate`` also if a limit was missed.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import machine, table
from bench.cases import GROUPS, LARGE
from bench.gates import GATES
from bench.kept import Kept, Measured, program
from bench.measure import CaseBrokeError
from bench.place import Place
from bench.rounds import Verdict, judge, measure

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the table shows: the groups measured now, and those kept in the folder."""

    groups: Mapping[str, Measured]

    @property
    def broken(self) -> dict[str, str]:
        return {name: said for group in self.groups.values() for name, said in group.broken.items()}

    @property
    def whole(self) -> bool:
        """Whether no group is missing that a run without ``--only`` measures."""
        return self.groups.keys() >= GROUPS.keys() - {LARGE}

    def verdicts(self) -> list[Verdict]:
        """Each group has its own gates: no ratio across groups."""
        return [verdict for group in self.groups.values() for verdict in judge(GATES, group.samples)]


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure each stage beside its plain limit.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, one run: does everything work?")
    parser.add_argument("--only", action="extend", nargs="+", choices=list(GROUPS), metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--large", action="store_true", help="also ten times as many events, once, for the memory")
    parser.add_argument("--runs", type=int, help="runs of each case (5; quick: 1)")
    parser.add_argument("--events", type=int, help="events of the day (1,000,000; quick: 100,000)")
    text = "for temporary data (about 8 GB, large 20 GB) and results.json: with it, --only adds to the table"
    parser.add_argument("--folder", type=Path, help=text)
    parser.add_argument("--gate", action="store_true", help="exit with 1 if a limit is missed")
    parser.add_argument("--output", type=Path, help="write the tables here (a full run: bench/RESULTS.md)")
    chosen = parser.parse_args(argv)
    chosen.runs = chosen.runs or (1 if chosen.quick else 5)
    chosen.events = chosen.events or (100_000 if chosen.quick else 1_000_000)
    chosen.days = 60 if chosen.quick else 365
    chosen.names = [name for name in GROUPS if name in (chosen.only or GROUPS) and (chosen.only or name != LARGE)]
    if chosen.large and LARGE not in chosen.names:
        chosen.names.append(LARGE)
    return chosen


def _tell(text: str) -> None:
    """Progress: one line that is written over, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _measure(chosen: argparse.Namespace) -> Outcome:
    """Measure what was asked for; each group is kept as soon as it is done."""
    kept = Kept(chosen.folder, f"{chosen.events} events, {chosen.days} days") if chosen.folder else None
    groups = kept.load(_machine()) if kept else {}
    with tempfile.TemporaryDirectory(prefix="audit-bench-", dir=chosen.folder) as folder:
        at = Place(Path(folder), chosen.events, chosen.days)
        for name in chosen.names:
            groups[name] = _group(name, at, chosen.runs)
            if kept:
                kept.add(name, groups[name])
            shutil.rmtree(at.work, ignore_errors=True)
    _tell("")
    return Outcome({name: groups[name] for name in GROUPS if name in groups})


def _group(name: str, at: Place, runs: int) -> Measured:
    start, before, title = time.monotonic(), program(), name
    _tell(f"{name}: making the input")
    try:
        group = GROUPS[name](at)
        title = group.title
        samples, broken = measure(group, runs, _tell)
    except CaseBrokeError as error:
        samples, broken = {}, {name: str(error)}
    own = {case: tuple(each) for case, each in samples.items()}
    seconds = time.monotonic() - start
    return Measured(title, own, broken, f"{datetime.now(UTC):%Y-%m-%d}", seconds, _machine(), before, program())


def _machine() -> str:
    return "\n".join(machine.describe())


def _text(outcome: Outcome, chosen: argparse.Namespace) -> str:
    verdicts, groups = outcome.verdicts(), outcome.groups.values()
    met = sum(verdict.met for verdict in verdicts)
    at = [group.at for group in groups]
    lines = [
        "# Results",
        "",
        f"Measured {' to '.join(sorted({min(at), max(at)}))} in {sum(group.seconds for group in groups) / 60:.1f} minutes.",
        f"{chosen.events:,} events of one day, medians of n runs. docs/performance.md says how this is measured and what it",
        "means.",
    ]
    lines += ["", *machine.describe(), "", *_doubts(outcome)]
    if chosen.events < 1_000_000:
        lines += ["The limits are made for 1,000,000 events: with fewer, starting up weighs more.", ""]
    lines += [f"## Limits: {met} of {len(verdicts)} met", "", *table.limits(verdicts)]
    lines += [f"\nBroke: {name}\n\n```\n{said}\n```" for name, said in outcome.broken.items()]
    lines += [
        "",
        "## Cases",
        "",
        "`others`: cores that other processes kept busy meanwhile, at most; in bold where that disturbs.",
    ]
    return "\n".join([*lines, *table.cases({group.title: group.samples for group in groups}), ""])


def _doubts(outcome: Outcome) -> list[str]:
    """What makes figures of one table not figures of one program."""
    now = program()
    edited = [name for name, group in outcome.groups.items() if group.before != group.after]
    older = [name for name, group in outcome.groups.items() if group.after != now and name not in edited]
    lines = [f"**Files were edited while these were measured:** {', '.join(edited)}.", ""] if edited else []
    return lines + ([f"**Measured before files were edited:** {', '.join(older)}.", ""] if older else [])


def _output(outcome: Outcome, chosen: argparse.Namespace) -> Path | None:
    """Where the tables are written: RESULTS.md holds nothing but whole tables of the full size."""
    full = outcome.whole and not chosen.quick and chosen.events >= 1_000_000
    return chosen.output or (RESULTS if full else None)


def main(argv: Sequence[str]) -> int:
    chosen = _arguments(argv)
    outcome = _measure(chosen)
    text = _text(outcome, chosen)
    print(text)
    if output := _output(outcome, chosen):
        output.write_text(text, encoding="utf-8")
    missed = any(not verdict.met for verdict in outcome.verdicts())
    return int(bool(outcome.broken) or (chosen.gate and missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
