"""``python -m bench``: measure, print the tables, write RESULTS.md.

The exit code is 0 whatever the figures are, 1 if a case broke, and with ``--gate`` also if a limit was missed.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import machine, table
from bench.cases import GROUPS, LARGE
from bench.gates import GATES
from bench.measure import CaseBrokeError
from bench.place import Place
from bench.rounds import Samples, Verdict, judge, measure

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(slots=True)
class Outcome:
    """What a run of the benchmarks came to."""

    groups: dict[str, Samples] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """What a case, or the making of a group's inputs, said when it ended with an error."""
    seconds: float = 0.0

    def verdicts(self) -> list[Verdict]:
        """Each group has its own gates: no ratio across groups."""
        return [verdict for samples in self.groups.values() for verdict in judge(GATES, samples)]


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure each stage beside its plain limit.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, one run: does everything work?")
    parser.add_argument("--only", action="extend", nargs="+", choices=list(GROUPS), metavar="NAME", help=", ".join(GROUPS))
    parser.add_argument("--large", action="store_true", help="also ten times as many events, once, for the memory")
    parser.add_argument("--runs", type=int, help="runs of each case (5; quick: 1)")
    parser.add_argument("--events", type=int, help="events of the day (1,000,000; quick: 100,000)")
    parser.add_argument("--folder", type=Path, help="where to put the temporary folder; needs about 8 GB, large 20 GB")
    parser.add_argument("--gate", action="store_true", help="exit with 1 if a limit is missed")
    parser.add_argument("--output", type=Path, help="write the tables here (a full run: bench/RESULTS.md)")
    chosen = parser.parse_args(argv)
    chosen.runs = chosen.runs or (1 if chosen.quick else 5)
    chosen.events = chosen.events or (100_000 if chosen.quick else 1_000_000)
    if chosen.output is None and not (chosen.quick or chosen.only or chosen.events < 1_000_000):
        chosen.output = RESULTS
    chosen.names = [name for name in GROUPS if name in (chosen.only or GROUPS) and (chosen.only or name != LARGE)]
    if chosen.large and LARGE not in chosen.names:
        chosen.names.append(LARGE)
    return chosen


def _tell(text: str) -> None:
    """Progress: one line that is written over, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _measure(chosen: argparse.Namespace) -> Outcome:
    outcome, start = Outcome(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="audit-bench-", dir=chosen.folder) as folder:
        at = Place(Path(folder), chosen.events, 60 if chosen.quick else 365)
        for name in chosen.names:
            _tell(f"{name}: making the input")
            try:
                group = GROUPS[name](at)
                samples, broken = measure(group, chosen.runs, _tell)
                outcome.groups[group.title] = samples
                outcome.broken |= broken
            except CaseBrokeError as error:
                outcome.broken[name] = str(error)
            shutil.rmtree(at.work, ignore_errors=True)
    _tell("")
    outcome.seconds = time.monotonic() - start
    return outcome


def _text(outcome: Outcome, chosen: argparse.Namespace) -> str:
    verdicts = outcome.verdicts()
    met = sum(verdict.met for verdict in verdicts)
    lines = [
        "# Results",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} in {outcome.seconds / 60:.1f} minutes. {chosen.events:,} events of one day, ",
    ]
    lines[-1] += f"medians of {chosen.runs}. docs/performance.md says how this is measured and what it means."
    lines += ["", *machine.describe(), ""]
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
    return "\n".join([*lines, *table.cases(outcome.groups), ""])


def main(argv: Sequence[str]) -> int:
    chosen = _arguments(argv)
    outcome = _measure(chosen)
    text = _text(outcome, chosen)
    print(text)
    if chosen.output:
        chosen.output.write_text(text, encoding="utf-8")
    missed = any(not verdict.met for verdict in outcome.verdicts())
    return int(bool(outcome.broken) or (chosen.gate and missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
