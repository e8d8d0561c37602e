"""``python -m bench``: measure every case against its limit and write bench/RESULTS.md."""

import argparse
import shutil
import sys
from pathlib import Path

from bench import measure, results
from bench.gates import GATES
from bench.plan import Case, cases, query_names
from bench.steps import order

HERE = Path(__file__).parent
COUNT, QUICK = 1_000_000, 100_000


def main() -> int:
    """The exit code: 1 if a case broke, or with ``--gate`` if a promise was missed."""
    options = _options()
    count = QUICK if options.quick else COUNT
    runs = options.runs or (1 if options.quick else 5)
    folder = options.folder.resolve() / str(count)
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    known = list(cases(folder, query_names(), ten_million=options.ten_million))
    wanted = [case for case in known if not options.only or {case.name, case.part_of} & set(options.only)]
    if not wanted:
        print("no such case; there are:", *sorted({case.part_of or case.name for case in known}), file=sys.stderr)
        return 2
    broken = 0
    for number, case in enumerate(wanted, start=1):
        _say(f"[{number}/{len(wanted)}] {case.name}")
        try:
            _measure(case, folder, count, runs, kept)
        except measure.BrokenCaseError as error:
            broken += 1
            print(error, file=sys.stderr)
        if case.needs:
            shutil.rmtree(folder / "scratch", ignore_errors=True)
    _say("")
    rows = results.load(kept)
    to = options.output or (folder / "RESULTS.md" if options.quick else HERE / "RESULTS.md")
    to.write_text(results.table(rows, runs))
    print(to.read_text(), end="")
    missed = [gate for gate, figure in results.verdicts(rows) if not gate.met(figure)]
    return 1 if broken or (options.gate and missed) else 0


def _measure(case: Case, folder: Path, count: int, runs: int, kept: Path) -> None:
    """All runs of one case, its limit by turns with it."""
    own = folder.with_name(str(count * case.scale))
    log = folder / "log.txt"
    for step in order(case.needs):
        measure.run(measure.python("bench.prepare", step, own, count * case.scale), log)
    samples, limits = [], []
    for number in range(1 if case.once else runs):
        case.before()
        _say(f"{case.name}: run {number + 1}")
        samples.append(measure.run(case.argv, log))
        if case.limit:
            limits.append(measure.run(case.limit, log))
    results.save(kept, case, round(count * case.scale * case.share), samples, limits)


def _say(text: str) -> None:
    """Progress, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 events and one run: does it work, not how fast it is")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help=f"these cases: {', '.join(dict.fromkeys(g.case for g in GATES))}"
    )
    parser.add_argument("--runs", type=int, help="runs of each case (5; with --quick 1)")
    parser.add_argument("--folder", type=Path, default=HERE / "data", help="where data and homes are kept (about 8 GB)")
    parser.add_argument("--output", type=Path, help="the table (bench/RESULTS.md; with --quick in the folder)")
    parser.add_argument("--ten-million", action="store_true", help="also ten times the records, for memory (12 GB more)")
    parser.add_argument("--gate", action="store_true", help="exit code 1 if a promise is missed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
