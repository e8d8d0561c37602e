"""Makes a home with a year of events: Parquet in the lake's layout, one manifest a day, no evidence files.

The log is sealed as if there were: its leaves are random, its statements and signatures are real.

The events are worked out of their number by DuckDB alone, so that tens of millions take two minutes: reviews and
sign-ins by 2,000 people and 400 services, few changes of settings, and every tenth day an attack on accounts.
Arguments: HOME LAST DAYS EVENTS-A-DAY.
"""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from audit_pipelines import __version__
from audit_pipelines.batch import Batch, DayCount, EvidenceFile, SourceResult, encode
from audit_pipelines.event import COLUMNS
from audit_pipelines.home import Home, open_home
from audit_pipelines.lake.run import versions
from audit_pipelines.seal import sealed
from bench import homes

STATEMENT = (Path(__file__).parent / "year.sql").read_text(encoding="utf-8")
_DAY = timedelta(days=1)


def write_day(connection: duckdb.DuckDBPyConnection, home: Home, day: date, first: int, count: int) -> None:
    """One day's Parquet."""
    path = home.events(homes.SOURCE, day, first, count)
    path.parent.mkdir(parents=True)
    columns = ", ".join(f'CAST("{column.name}" AS {column.type}) AS "{column.name}"' for column in COLUMNS)
    values = {"$day": f"DATE '{day}'", "$number": str(day.toordinal()), "$count": str(count)}
    select = STATEMENT
    for name, value in values.items():
        select = select.replace(name, value)
    connection.execute(
        f"COPY (SELECT {columns} FROM ({select}) ORDER BY occurred_at, event_id)"
        f" TO '{path}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )


def batch(seq: int, home: Home, day: date, first: int, count: int) -> Batch:
    """The manifest of one day."""
    midnight = datetime.combine(day, time.min, UTC)
    evidence = EvidenceFile(
        source=homes.SOURCE,
        day=day,
        path=home.relative(home.evidence(homes.SOURCE, day, first, count)),
        events=home.relative(home.events(homes.SOURCE, day, first, count)),
        dialect="terracotta",
        first=first,
        count=count,
        sha256="0" * 64,
        bytes=1,
        oldest=midnight,
        newest=midnight + _DAY - timedelta(microseconds=1),
        frames=((0, 0),),
    )
    result = SourceResult(
        name=homes.SOURCE,
        kind="files",
        dialect="terracotta",
        dialect_sha256="0" * 64,
        records=count,
        events=count,
        covers=((day, day),),
    )
    return Batch(
        seq=seq,
        run_id=f"bench-{seq}",
        extracted_at=midnight + _DAY + timedelta(hours=1),
        code=__version__,
        versions=versions(),
        asked=(day,),
        first=first,
        size=first + count,
        days=(DayCount(day=day, events=count),),
        sources=(result,),
        evidence=(evidence,),
    )


def write_days(home: Home, part: Sequence[tuple[int, date]], count: int) -> None:
    """Some of the days, on one thread."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    for number, day in part:
        write_day(connection, home, day, number * count, count)


def seal(home: Home, batches: Sequence[Batch]) -> None:
    """A log over leaves that nobody can check."""
    log = sealed.found_log(home, home.settings(), batches[0].extracted_at)
    for entry in batches:
        log.events.extend([os.urandom(32 * (entry.size - entry.first))])
        log.seal(entry)


def main(root: str, last: str, days: str, a_day: str) -> None:
    count, total = int(a_day), int(days)
    start = date.fromisoformat(last) - _DAY * (total - 1)
    home = open_home(homes.write(Path(root), Path(root) / "inbox", start=start))
    span = [(number, start + _DAY * number) for number in range(total)]
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(write_days, home, span[at::workers], count) for at in range(workers)]:
            done.result()
    home.batches.mkdir()
    for number, day in span:
        home.batch(number + 1).write_bytes(encode(batch(number + 1, home, day, number * count, count)))
    seal(home, [batch(number + 1, home, day, number * count, count) for number, day in span])


if __name__ == "__main__":
    main(*sys.argv[1:])
