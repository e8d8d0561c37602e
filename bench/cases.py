"""The programs that are measured, each in a process of its own: ``python -m bench.cases NAME ARGUMENT ...``.

Those called ``bare_...`` are the plain limits: one statement of stock DuckDB.
"""

import datetime as dt
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

DAY = dt.date(2025, 6, 2)
"""The day that all records are of: past on every machine's clock."""

COLUMNS = """{id: 'VARCHAR', occurred_at: 'TIMESTAMPTZ', org_id: 'VARCHAR', type: 'VARCHAR', outcome: 'VARCHAR',
    actor: 'STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR, email VARCHAR)',
    targets: 'STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR)[]',
    context: 'STRUCT(ip VARCHAR, user_agent VARCHAR, session_id VARCHAR, api_key_id VARCHAR, request_id VARCHAR)',
    before: 'JSON', after: 'JSON'}"""


def ingest(root: Path, records: Path) -> None:
    """Take one file of records into a home: what a night's extraction does, without Dagster."""
    from audit_pipelines import batch, extract
    from audit_pipelines.home import Home
    from audit_pipelines.lake import commit, run
    from audit_pipelines.record import load_dialect
    from audit_pipelines.settings import Source

    home = Home(root)
    dialect = load_dialect("terracotta", (extract.DIALECTS,))
    source = Source(name="terracotta", kind="files", dialect="terracotta", path=str(records.resolve()))
    batches = batch.history(home)
    commit.recover(home, batches)
    now = dt.datetime.combine(DAY + dt.timedelta(days=1 + len(batches)), dt.time(2), dt.UTC)
    circumstances = run.Circumstances("bench", now, os.urandom, "bench", run.versions())
    feed = run.Feed(
        "terracotta", "files", dialect, lambda: extract.open_source(source, home=home, dialect=dialect, seen={}, environ={})
    )
    outcome = run.take(home, batches, [feed], [DAY], circumstances)
    if outcome.errors:
        sys.exit(str(outcome.errors))
    counts = outcome.sources[0]
    print(f"{counts.records} records, {counts.events} events, {counts.duplicates} duplicates, {counts.rejects} rejects")


def bare_ingest(records: Path, to: Path) -> None:
    """The limit of an ingest; lines that are no JSON are skipped."""
    import duckdb

    duckdb.execute(
        f"COPY (SELECT * FROM read_json('{records}', format = 'newline_delimited', ignore_errors = true, columns = {COLUMNS})"
        f" ORDER BY occurred_at, id) TO '{to}' (FORMAT parquet, COMPRESSION zstd)"
    )


def drop(root: Path, form: str, compression: str, to: Path) -> None:
    """Publish the first batch's drop of the day in one format, into a folder beside the home."""
    from audit_pipelines import batch, settings
    from audit_pipelines.home import Home
    from audit_pipelines.lake.read import connect, relate
    from audit_pipelines.ship.format import load_format
    from audit_pipelines.ship.publish import publish_day
    from audit_pipelines.shipped import shipped

    home = Home(root)
    taken = batch.load(home, 1)
    wanted = settings.Drop(compression=compression)  # type: ignore[arg-type]
    connection = connect(memory="1GB", spill=to / "spill")
    relate(connection, home, taken.files(DAY))
    made = publish_day(
        connection,
        drops=to / "drops",
        staging=to / "staging",
        formats=[(load_format(form, (shipped("templates") / "siem",)), wanted)],
        organisation="bench",
        batch=taken,
        manifest_sha256=hashlib.sha256(home.batch(1).read_bytes()).hexdigest(),
        day=DAY,
        kind="b",
    )
    print(f"{made.formats[0].rows} rows")


def bare_drop(root: Path, to: Path) -> None:
    """The limit of a drop: the canonical fields of the same Parquet files, sorted, as JSON."""
    import duckdb

    duckdb.execute("SET TimeZone = 'UTC'")
    duckdb.execute(
        f"COPY (SELECT * EXCLUDE (line) FROM read_parquet('{root}/events/*/*/*.parquet', hive_partitioning = false)"
        f" ORDER BY occurred_at, uid) TO '{to}' (FORMAT json)"
    )


def query(root: Path, name: str) -> None:
    """One query over all days of a home."""
    from audit_pipelines import sql
    from audit_pipelines.defs import asking
    from audit_pipelines.home import open_home

    given = {"seed": "bench"} if any(parameter.name == "seed" for parameter in sql.find(name).parameters) else {}
    _, rows = asking.ask(open_home(root), name, given, dt.date(2025, 7, 1))
    print(f"{name}: {len(rows)} rows")


_PATHS = (ingest, bare_ingest, bare_drop)
CASES: dict[str, Callable[..., None]] = {
    **{case.__name__: lambda *given, case=case: case(*map(Path, given)) for case in _PATHS},
    "drop": lambda root, form, compression, to: drop(Path(root), form, compression, Path(to)),
    "query": lambda root, name: query(Path(root), name),
}

if __name__ == "__main__":
    CASES[sys.argv[1]](*sys.argv[2:])
