"""Data and homes that cases start from, made once: ``python -m bench.prepare STEP FOLDER COUNT``.

Every step runs in a process of its own, outside what is measured, and is left out where its result is there.
"""

import datetime as dt
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench.cases import DAY, drop, ingest

BAD, OVERLAP = 1000, 50
"""In the second file every 1,000th line is bad and every 50th is one of the first file's."""
YEAR, MONTH = 365, 30


def _home(root: Path, records: Path, start: dt.date) -> None:
    from audit_pipelines.defs.founding import found

    path = json.dumps(str(records.resolve()))
    source = f'\n[[sources]]\nname = "terracotta"\nkind = "files"\ndialect = "terracotta"\npath = {path}\n'
    found(root, name="Bench", organisation_id="bench", start=start, sources=source)


def records(to: Path, _folder: Path, count: int) -> None:
    """The file of records."""
    from audit_pipelines.demo.bulk import bulk

    with open(to, "wb") as file:
        file.writelines(bulk(DAY, count, 1))


def overlap(to: Path, folder: Path, count: int) -> None:
    """A second file of the same day: mostly new, a few known and bad lines."""
    from audit_pipelines.demo.bulk import bulk

    with open(to, "wb") as file, open(folder / "records.ndjson", "rb") as first:
        for number, (new, known) in enumerate(zip(bulk(DAY, count, 2), first, strict=True)):
            if number % BAD == BAD // 2:
                new = new[: len(new) // 2] + b"\n"  # noqa: PLW2901
            file.write(known if number % OVERLAP == 0 else new)


def template(to: Path, folder: Path, _count: int) -> None:
    """A home that has only its settings."""
    _home(to, folder / "records.ndjson", DAY)


def stored(to: Path, folder: Path, _count: int) -> None:
    """A home with the file's records."""
    _home(to, folder / "records.ndjson", DAY)
    ingest(to, folder / "records.ndjson")


def done(to: Path, folder: Path, _count: int) -> None:
    """A home whose night is done: a second one brings nothing."""
    import subprocess

    _home(to, folder / "records.ndjson", DAY)
    command = [sys.executable, "-m", "audit_pipelines", "--home", str(to), "night", "--day", str(DAY)]
    subprocess.run(command, check=True)


def plain(to: Path, folder: Path, _count: int) -> None:
    """The lines of each format's drop as one plain file, for the ``zstd`` command."""
    for form in ("generic", "ecs"):
        drop(folder / "stored", form, "none", to / form)
        with open(to / f"{form}.ndjson", "wb") as file:
            file.writelines(part.read_bytes() for part in sorted((to / form).rglob("*.ndjson")))
        shutil.rmtree(to / form)


def year(to: Path, folder: Path, count: int) -> None:
    """A home with a year of ``count`` / 10 events a day."""
    _days(to, folder, YEAR, count // 10)


def month(to: Path, folder: Path, count: int) -> None:
    """A home with one month of ``count`` / 10 events a day."""
    _days(to, folder, MONTH, count // 10)


def _days(root: Path, folder: Path, number: int, daily: int) -> None:
    """Days up to the end of June 2025, copied from real derived Parquet: ids and times moved, one manifest a day."""
    import duckdb

    from audit_pipelines.event import COLUMNS

    first_day = dt.date(2025, 7, 1) - dt.timedelta(days=number)
    _home(root, root / "none", first_day)
    connection = duckdb.connect(config={"memory_limit": "2GB"})
    connection.execute("SET TimeZone = 'UTC'")
    # One guardrail change or drift scan in forty is kept: bulk records hold far more than an organisation makes.
    connection.execute(
        "CREATE TABLE pattern AS SELECT * EXCLUDE (busy) REPLACE ("
        " CASE WHEN busy THEN 'review.triggered' ELSE action END AS action,"
        " CASE WHEN busy THEN 'review' ELSE category END AS category,"
        " CASE WHEN busy THEN [] ELSE changes END AS changes)"
        " FROM (SELECT *, (action LIKE 'guardrail.%' OR action LIKE 'drift_scan.%') AND hash(event_id) % 40 <> 0 AS busy"
        f" FROM read_parquet('{folder}/stored/events/*/*/*.parquet', hive_partitioning = false))"
        f" USING SAMPLE reservoir({daily} ROWS) REPEATABLE (1)"
    )
    columns = ", ".join(f'"{column.name}"' for column in COLUMNS)
    for n in range(number):
        _one_day(connection, root, first_day + dt.timedelta(days=n), n, daily, columns)


def _one_day(connection: object, root: Path, day: dt.date, n: int, daily: int, columns: str) -> None:
    from audit_pipelines.batch import Batch, DayCount, EvidenceFile, SourceResult, encode
    from audit_pipelines.home import Home

    home, first = Home(root), n * daily
    path = home.events("terracotta", day, first, daily)
    path.parent.mkdir(parents=True)
    moved = (
        f"SELECT * REPLACE ('evt_' || printf('%04d', {n}) || event_id[5:] AS event_id,"
        f" 'terracotta/evt_' || printf('%04d', {n}) || event_id[5:] AS uid,"
        f" occurred_at + INTERVAL ({(day - DAY).days}) DAY AS occurred_at) FROM pattern"
    )
    connection.execute(  # type: ignore[attr-defined]
        f"COPY (SELECT {columns} FROM (SELECT * REPLACE (CAST(row_number() OVER (ORDER BY occurred_at, event_id) - 1 AS INTEGER)"
        f" AS line) FROM ({moved})) ORDER BY occurred_at, event_id)"
        f" TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )
    midnight = dt.datetime.combine(day, dt.time(0), dt.UTC)
    evidence = EvidenceFile(
        source="terracotta",
        day=day,
        path=home.relative(home.evidence("terracotta", day, first, daily)),
        events=home.relative(path),
        dialect="terracotta",
        first=first,
        count=daily,
        sha256="",
        bytes=0,
        oldest=midnight,
        newest=midnight + dt.timedelta(hours=24, microseconds=-1),
        frames=(),
    )
    result = SourceResult(
        name="terracotta",
        kind="files",
        dialect="terracotta",
        dialect_sha256="",
        records=daily,
        events=daily,
        covers=((day, day),),
    )
    made = Batch(
        seq=n + 1,
        run_id="bench",
        extracted_at=midnight + dt.timedelta(hours=26),
        code="bench",
        versions={},
        asked=(day,),
        first=first,
        size=first + daily,
        days=(DayCount(day=day, events=daily),),
        sources=(result,),
        evidence=(evidence,),
    )
    home.batch(made.seq).write_bytes(encode(made))


Step = Callable[[Path, Path, int], None]
STEPS: dict[str, Step] = {
    "records.ndjson": records,
    "overlap.ndjson": overlap,
    "template": template,
    "stored": stored,
    "done": done,
    "plain": plain,
    "month": month,
    "year": year,
}
"""The result in the folder -> what makes it; ``steps`` says what comes first."""


def main(step: str, folder: Path, count: int) -> None:
    """Make one step's result; half of one is never taken for a whole."""
    name = f"{step}.ndjson" if f"{step}.ndjson" in STEPS else step
    final, unfinished = folder / name, folder / f"{name}.part"
    if final.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.unlink(missing_ok=True)
    STEPS[name](unfinished, folder, count)
    unfinished.rename(final)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3]))
