"""What is measured: groups of cases that are run in turn, so that a ratio compares like with like.

A case is a command and what must be done before each run of it, outside the measured time. What does not
belong here: limits (``gates``).
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import homes, place
from bench.measure import python, run
from bench.place import Place


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Case:
    """One command."""

    name: str
    argv: tuple[str, ...]
    prepare: Callable[[], object] = _nothing
    tells: bool = False
    """Whether the command measures itself and says so (``measure.run``)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are measured in turn; inputs are made when the group is built."""

    title: str
    cases: tuple[Case, ...]
    runs: int | None = None
    """At most so many runs of each."""


def ingest(at: Place) -> Group:
    """Records to evidence and Parquet: new ones, among stored ones, stored ones only."""
    records, mixed, stored = at.records(), at.mixed(), at.stored()
    table, home = at.work / "bare.parquet", at.work / "home"
    count = at.events
    copies, conflicts, bad = (count // share for share in (50, 1000, 1000))

    def take(*expected: int) -> tuple[str, ...]:
        return python("bench.children.take", home, *expected)

    return Group(
        "Records to evidence and sorted Parquet",
        (
            Case("bare load", python("bench.children.load", records, table), lambda: at.clean("bare.parquet")),
            Case("ingest", take(count, 0, 0, 0), lambda: homes.write(at.clean("home"), records)),
            Case(
                "ingest, ids stored",
                take(count - copies + conflicts - bad, copies - conflicts, conflicts, bad),
                lambda: homes.copy(stored, at.clean("home"), mixed),
            ),
            Case("ingest, read again", take(0, count, 0, 0), lambda: homes.copy(stored, at.clean("home"), records)),
        ),
    )


def seal(at: Place) -> Group:
    """Evidence into the log; the tree beside a bare loop over the same lines; the whole home verified."""
    home, tiles = at.stored(), at.work / "tiles"
    tree, bare = (python("bench.children.hashing", way, home, tiles) for way in ("tree", "bare"))
    return Group(
        "The log",
        (
            Case("bare hashlib loop", bare),
            Case("tree", tree, lambda: at.clean("tiles")),
            Case("seal", python("bench.children.seal", at.work / "home", at.events), lambda: _copied(home, at.clean("home"))),
            Case("verify", python("audit_pipelines", "--home", home, "verify")),
        ),
    )


def _copied(home: Path, target: Path) -> None:
    shutil.copytree(home, target)


def large(at: Place) -> Group:
    """Ten times as many records, once: ingest, seal, verify of one home after the other."""
    records, home, count = at.many(), at.work / "home", 10 * at.events
    argv = python("bench.children.take", home, count, 0, 0, 0)
    return Group(
        "Ten times as many records",
        (
            Case("large ingest", argv, lambda: homes.write(at.clean("home"), records)),
            Case("large seal", python("bench.children.seal", home, count)),
            Case("large verify", python("audit_pipelines", "--home", home, "verify")),
        ),
        runs=1,
    )


def drop(at: Place) -> Group:
    """Every format beside DuckDB's own JSON of the same fields, and packed beside the packer of the same bytes."""
    forms = place.formats()
    together = python("bench.children.drop", at.stored(), at.work / "drops", "none", *forms)
    each = tuple(case for form in forms for case in _drops(at, form))
    return Group("Drops", (*each, Case("drop all", together, lambda: at.clean("drops"))))


def _drops(at: Place, form: str) -> list[Case]:
    home = at.stored()
    drops, bare, packed = at.work / "drops", at.work / "bare.ndjson", at.work / "lines.packed"

    def child(compression: str) -> tuple[str, ...]:
        return python("bench.children.drop", home, drops, compression, form)

    cases = [
        Case(f"bare json {form}", python("bench.children.copy_json", home, form, bare), lambda: at.clean("bare.ndjson")),
        Case(f"drop {form}", child("none"), lambda: at.clean("drops")),
    ]
    if not (home / "drops" / form).is_dir():  # the same bytes as a file: formats that are on by default
        return cases
    lines = str(at.lines(form))
    packers = {
        "zstd": ("zstd", "zstd", "-T0", "-3", "-q", "-f", "-o", str(packed), lines),
        "gzip": ("pigz", "sh", "-c", 'exec pigz -6 -c "$0" > "$1"', lines, str(packed)),
    }
    for compression, (packer, *argv) in packers.items():
        if shutil.which(packer):
            cases += [
                Case(f"{packer} {form}", tuple(argv), lambda: at.clean("lines.packed")),
                Case(f"drop {form}, {compression}", child(compression), lambda: at.clean("drops")),
            ]
    return cases


def empty_night(at: Place) -> Group:
    """A night that brings nothing beside a Dagster run that does nothing."""
    home, hollow = at.clean("home"), at.clean("hollow")
    shutil.copytree(at.stored(), home)
    hollow.mkdir()
    empty = python("bench.children.hollow", hollow, homes.START)
    run(empty)  # the first run makes Dagster's tables, as the first night has done
    nothing = Case("empty night", python("audit_pipelines", "--home", home, "night"))
    run(nothing.argv)  # the first one after the copy may have days to cover
    return Group("A night that brings nothing", (Case("hollow night", empty), nothing))


def night(at: Place) -> Group:
    """A whole night beside the same work as a loop in plain Python."""
    records, home, out = at.records(), at.work / "home", at.work / "plain"
    whole = python("audit_pipelines", "--home", home, "night")
    return Group(
        "A whole night",
        (
            Case("plain loop", python("bench.naive", records, out), lambda: at.clean("plain").mkdir()),
            Case("night", whole, lambda: homes.write(at.clean("home"), records)),
        ),
    )


def queries(at: Place) -> Group:
    """Every query over the whole year."""
    home = at.year()
    cases = tuple(Case(f"query {name}", python("bench.children.ask", home, name)) for name in place.queries())
    return Group(f"Queries over {at.days} days of {at.a_day:,} events", cases)


def report(at: Place) -> Group:
    """The report of one month of the year, by its command."""
    home = at.year()
    argv = python("audit_pipelines", "--home", home, "report", "--month", place.MONTH)
    fresh = Case("report", argv, lambda: shutil.rmtree(home / "reports", ignore_errors=True))
    return Group(f"Report of a month of {30 * at.a_day:,} events", (fresh,))


def reading(at: Place) -> Group:
    """The year read through ``serve``, medians of requests; what was read stands in its access log."""
    home = at.year()

    def case(name: str, what: str) -> Case:
        return Case(name, python("bench.children.reading", home, what), tells=True)

    return Group(
        f"Requests over {at.days} days of {at.a_day:,} events (median of one, loopback)",
        (
            case("first page", "first"),
            case("filter by user and type", "filter"),
            case("facet", "facet"),
            case("API page", "rows"),
            case("API page, deep", "deep"),
            case(f"API stream of {10 * at.a_day:,}", "stream"),
            case("50 readers at once", "readers"),
        ),
        runs=3,
    )


GROUPS: Final[dict[str, Callable[[Place], Group]]] = {
    "ingest": ingest,
    "seal": seal,
    "drop": drop,
    "empty-night": empty_night,
    "night": night,
    "queries": queries,
    "report": report,
    "reading": reading,
    "large": large,
}
LARGE: Final = "large"
"""Only when asked for: it takes minutes and gigabytes."""
