"""Inspection of a committed batch: what the core promised, looked at again from the files.

Four checks, each naming the days at fault: counts reconcile, schema, order, uniqueness of ``uid``. They
show what ``intake`` and ``commit`` have enforced, and find what was changed on disk since. What does not
belong here: drops (``ship``), and the proof that nothing was changed (the sealed log).
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb
import pyarrow.parquet as pq

from audit_pipelines.batch import Batch, EvidenceFile, RejectFile
from audit_pipelines.errors import AuditError, LakeError
from audit_pipelines.home import Home
from audit_pipelines.lake.commit import reconcile
from audit_pipelines.lake.read import connect, relate

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it should be."""

    check: str
    day: date | None
    """None: the whole batch."""
    text: str


CHECKS = ("counts_reconcile", "schema", "row_order", "uid_unique")


def inspect(home: Home, batch: Batch, earlier: Sequence[Batch] = ()) -> list[Problem]:
    """Everything that is wrong with the batch's files; empty = sound.

    With the batches ``earlier`` than it, a uid that one of them has on the same day is found too.
    """
    problems = []
    try:
        reconcile(batch)
    except LakeError as error:
        problems.append(Problem("counts_reconcile", None, error.what))
    if batch.rejects is not None and not batch.rejects.purged and (text := _size(home, batch.rejects)):
        problems.append(Problem("counts_reconcile", None, text))
    connection = connect(memory="1GB", spill=home.staging / "spill")
    try:
        for day in batch.days:
            others = [file for other in earlier for file in other.files(day.day)] if batch.files(day.day) else []
            problems += _day(connection, home, batch.files(day.day), others, day.day)
    finally:
        connection.close()
    return problems


def _day(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    files: Sequence[EvidenceFile],
    others: Sequence[EvidenceFile],
    day: date,
) -> list[Problem]:
    problems = []
    steps: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("counts_reconcile", lambda: _counts(home, files)),
        ("schema", lambda: _schema(connection, home, files)),
        ("row_order", lambda: _order(connection, home, files, day)),
        ("uid_unique", lambda: _unique(connection, home, [*others, *files])),
    )
    for check, step in steps:
        try:
            text = step()
        except (AuditError, duckdb.Error, OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
            text = f"cannot be checked: {error}"
        if text:
            problems.append(Problem(check, day, text))
    return problems


def _counts(home: Home, files: Sequence[EvidenceFile]) -> str | None:
    for file in files:
        if text := _size(home, file):
            return text
        if (rows := pq.read_metadata(home.root / file.events).num_rows) != file.rows:
            return f"{file.events} has {rows} rows, the manifest says {file.rows}"
    return None


def _size(home: Home, file: EvidenceFile | RejectFile) -> str | None:
    path = home.root / file.path
    if not path.is_file():
        return f"{file.path} is missing"
    if (size := path.stat().st_size) != file.bytes:
        return f"{file.path} has {size} bytes, the manifest says {file.bytes}"
    return None


def _schema(connection: duckdb.DuckDBPyConnection, home: Home, files: Sequence[EvidenceFile]) -> str | None:
    """DESCRIBE of each file against DESCRIBE of the empty relation: both spelled by the same DuckDB."""
    relate(connection, home, [])
    expected = connection.execute("DESCRIBE SELECT * EXCLUDE leaf_index FROM events").fetchall()
    for file in files:
        path = {"path": str(home.root / file.events)}
        found = connection.execute("DESCRIBE SELECT * FROM read_parquet($path, hive_partitioning = false)", path).fetchall()
        if found != expected:
            odd = sorted({row[0] for row in {*map(tuple, found)} ^ {*map(tuple, expected)}})
            return f"{file.events}: columns {', '.join(odd)} are not as they should be"
    return None


def _order(connection: duckdb.DuckDBPyConnection, home: Home, files: Sequence[EvidenceFile], day: date) -> str | None:
    for file in files:
        (outside, unsorted) = connection.execute(
            """
            SELECT count(*) FILTER (occurred_at < $low OR occurred_at >= $low + INTERVAL 1 DAY),
                   count(*) FILTER ((occurred_at, event_id) < previous)
            FROM (SELECT occurred_at, event_id, lag((occurred_at, event_id)) OVER (ORDER BY file_row_number) AS previous
                  FROM read_parquet($path, file_row_number = true, hive_partitioning = false))
            """,
            {"low": datetime(day.year, day.month, day.day, tzinfo=UTC), "path": str(home.root / file.events)},
        ).fetchall()[0]
        if outside or unsorted:
            return f"{file.events}: {outside} events of another day, {unsorted} out of order"
    return None


def _unique(connection: duckdb.DuckDBPyConnection, home: Home, files: Sequence[EvidenceFile]) -> str | None:
    relate(connection, home, files)
    (rows, uids) = connection.execute("SELECT count(*), count(DISTINCT uid) FROM events").fetchall()[0]
    return f"{rows - uids} events share a uid with another" if rows != uids else None
