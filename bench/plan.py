"""What is measured, in order: each case, its plain limit, what both start from."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.gates import DROPS
from bench.measure import python

DAY = "2025-06-02"
"""``cases.DAY``; that module is not imported here, to keep the measuring process small."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table."""

    name: str
    what: str
    argv: list[str]
    limit: list[str] | None = None
    against: str = ""
    """What ``limit`` is, in words."""
    needs: tuple[str, ...] = ()
    """Steps of ``prepare``."""
    before: Callable[[], None] = field(default=lambda: None)
    """Puts things back before each run, unmeasured."""
    scale: int = 1
    """Times the count of all other cases."""
    share: float = 1
    """Events it reads, as a share of the count: a month has 3 times, a year 36.5 times as many."""
    once: bool = False
    part_of: str = ""
    """The row this belongs to, where several processes make one row: its worst counts."""


def cases(folder: Path, queries: list[str], *, ten_million: bool) -> Iterator[Case]:
    """Every case of a run over ``folder`` (that of one count)."""
    yield from _ingests(folder)
    if ten_million:
        yield _ten_million(folder.with_name(f"{int(folder.name) * 10}"))
    for form in DROPS:
        yield from _drops(folder, form)
    yield from _nights(folder)
    yield _report(folder)
    for name in queries:
        argv = python("bench.cases", "query", folder / "year", name)
        yield Case(f"query {name}", name, argv, needs=("year",), share=36.5, part_of="queries-year")


def _fresh(scratch: Path, home: Path) -> Callable[[], None]:
    """Empties ``scratch`` and puts a copy of ``home`` into it."""

    def again() -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        shutil.copytree(home, scratch / "home", copy_function=shutil.copyfile)

    return again


def _empty(scratch: Path) -> Callable[[], None]:
    def again() -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)

    return again


def _ingests(folder: Path) -> Iterator[Case]:
    scratch = folder / "scratch"
    first, second = folder / "records.ndjson", folder / "overlap.ndjson"
    for name, what, home, path in (
        ("ingest", "records into a new home", "template", first),
        ("ingest-overlap", "the same day stored already; 2 % known, 0.1 % bad lines", "stored", second),
        ("reread", "stored records read again, nothing new", "stored", first),
    ):
        yield Case(
            name,
            what,
            python("bench.cases", "ingest", scratch / "home", path),
            python("bench.cases", "bare_ingest", path, scratch / "bare.parquet"),
            "DuckDB: COPY read_json with typed columns, sorted, to Parquet",
            ("template", "stored", "overlap"),
            _fresh(scratch, folder / home),
        )


def _ten_million(folder: Path) -> Case:
    scratch = folder / "scratch"
    argv = python("bench.cases", "ingest", scratch / "home", folder / "records.ndjson")
    before = _fresh(scratch, folder / "template")
    return Case("ten-million", "ten times the records, for memory", argv, needs=("template",), before=before, scale=10, once=True)


def _drops(folder: Path, form: str) -> Iterator[Case]:
    scratch, home = folder / "scratch", folder / "stored"
    yield Case(
        f"drop-{form}",
        f"the day's drop as {form}",
        python("bench.cases", "drop", home, form, "none", scratch),
        python("bench.cases", "bare_drop", home, scratch / "bare.json"),
        "DuckDB: COPY of the same fields, sorted, as JSON",
        ("stored",),
        _empty(scratch),
    )
    if shutil.which("zstd"):
        yield Case(
            f"drop-{form}-zstd",
            f"the day's drop as {form}, zstd",
            python("bench.cases", "drop", home, form, "zstd", scratch),
            ["zstd", "-q", "-f", "-T0", "-3", str(folder / "plain" / f"{form}.ndjson"), "-o", str(scratch / "bare.zst")],
            "zstd -T0 -3 of the same bytes",
            ("stored", "plain"),
            _empty(scratch),
        )


def _nights(folder: Path) -> Iterator[Case]:
    scratch = folder / "scratch"
    yield Case(
        "empty-night",
        "the whole command, a night that brings nothing",
        python("audit_pipelines", "--home", folder / "done", "night", "--day", DAY),
        python("bench.empty_assets", folder / "empty", DAY),
        "the same assets and checks with empty bodies",
        ("done",),
    )
    yield Case(
        "night",
        "the whole command: ingest, rules, checks, two drops",
        python("audit_pipelines", "--home", scratch / "home", "night", "--day", DAY),
        python("bench.naive", folder / "records.ndjson", scratch / "naive"),
        "a plain Python loop (bench/naive.py)",
        ("template",),
        _fresh(scratch, folder / "template"),
    )


def _report(folder: Path) -> Case:
    scratch = folder / "scratch"
    argv = python("audit_pipelines", "--home", scratch / "home", "report", "--month", "2025-06")
    what, before = "the report of a month, whole command", _fresh(scratch, folder / "month")
    return Case("report", what, argv, needs=("month",), before=before, share=3)


def query_names() -> list[str]:
    """The catalogue's names, asked of a child: importing it would make this process larger."""
    import subprocess

    code = "from audit_pipelines import sql; print(*sql.catalogue(), sep='\\n')"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
