"""Making Parquet again from evidence: after a crash, a loss, or a change of a dialect.

Byte for byte the same with the same dialect and versions. The evidence's digest is checked first: a
damaged file is never turned into rows. What does not belong here: the mapping itself (``derive``).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.digest import sha256
from audit_pipelines.durable import make_folder, publish
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.lake.derive import Origin, prepare, record_batch, write_parquet
from audit_pipelines.lake.duplicates import content_id
from audit_pipelines.lake.evidence import ERASED, RECORD_AT, read_lines
from audit_pipelines.lake.read import connect
from audit_pipelines.lake.sieve import Sieve
from audit_pipelines.record import Dialect

log = logging.getLogger(__name__)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_HEADER: Final = "the dialect's header changed in a way that old records do not fit"


@dataclass(frozen=True, slots=True)
class Rederived:
    """What came of it."""

    files: int
    changed: int
    """Files whose bytes differ from what was there, or that were missing."""
    remapped: tuple["Remapped", ...] = ()


@dataclass(frozen=True, slots=True)
class Remapped:
    """A file that another dialect had made before."""

    source: str
    day: date
    old: str
    new: str
    """SHA-256 of the two dialects."""
    rows: int
    """Rows of which any column differs."""


def rederive(
    home: Home,
    wanted: Sequence[tuple[Batch, EvidenceFile]],
    dialects: Callable[[str], Dialect],
    *,
    progress: Callable[[int], None] = lambda _files: None,
) -> Rederived:
    """Make the Parquet of ``wanted`` again; files that come out the same are not touched.

    Raises:
        LakeError: evidence is missing or damaged, or the dialect now reads other ids or times: those are fixed
            when a record is stored.
    """
    make_folder(home.staging)
    connection = connect(memory="1GB", spill=home.staging / "spill")
    prepare(connection)
    changed = 0
    remapped: list[Remapped] = []
    try:
        for number, (batch, file) in enumerate(wanted, start=1):
            changed += _one(connection, home, batch, file, dialects(file.dialect), remapped)
            progress(number)
    finally:
        connection.close()
    return Rederived(len(wanted), changed, tuple(remapped))


def missing(home: Home, batches: Sequence[Batch]) -> list[tuple[Batch, EvidenceFile]]:
    """Pairs whose Parquet should be there and is not."""
    return [
        (batch, file)
        for batch in batches
        for file in batch.evidence
        if not file.purged and not (home.root / file.events).is_file()
    ]


def _one(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    batch: Batch,
    file: EvidenceFile,
    dialect: Dialect,
    remapped: list[Remapped],
) -> bool:
    final = home.root / file.events
    staged = home.staging / f"rederive-{file.first}.parquet"
    check_digest(home.root / file.path, file.sha256)
    derive_file(connection, batch, file, dialect, evidence=home.root / file.path, staged=staged)
    if final.is_file() and sha256(final) == sha256(staged):
        staged.unlink()
        return False
    check_identity(connection, final, staged, dialect)
    if (old := _made_by(final)) not in (None, dialect.sha256):
        rows = _differing(connection, final, staged)
        remapped.append(Remapped(file.source, file.day, str(old), dialect.sha256, rows))
    publish(staged, final)
    log.info("made again: %s", file.events)
    return True


def _made_by(path: Path) -> str | None:
    """Digest of the dialect that made a Parquet file; None if that cannot be read."""
    try:
        found = (pq.read_metadata(path).metadata or {}).get(b"dialect_sha256")
    except (OSError, pa.ArrowException):
        return None
    return found.decode() if found is not None else None


def _differing(connection: duckdb.DuckDBPyConnection, old: Path, new: Path) -> int:
    sql = """
        SELECT count(*) FROM (
            FROM read_parquet($new, hive_partitioning = false) EXCEPT FROM read_parquet($old, hive_partitioning = false)
        )"""
    return int(connection.execute(sql, {"old": str(old), "new": str(new)}).fetchall()[0][0])


def derive_file(
    connection: duckdb.DuckDBPyConnection, batch: Batch, file: EvidenceFile, dialect: Dialect, *, evidence: Path, staged: Path
) -> None:
    """Write the Parquet of ``file``, whose bytes lie at ``evidence``, to ``staged``; erased lines have no row.

    The connection has been through ``derive.prepare``.

    Raises:
        LakeError: the evidence is damaged, or the dialect cannot read it.
    """
    origin = Origin(file.source, dialect, batch.extracted_at, file.sha256, batch.code)
    write_parquet(connection, list(_rows(evidence, file, Sieve(dialect))), staged, origin, conflicts=file.conflicts)


def check_identity(
    connection: duckdb.DuckDBPyConnection, old: Path, new: Path, dialect: Dialect, *, erased: Sequence[int] = ()
) -> None:
    """Another dialect may change columns but no uid and no time; rows of the same dialect were damaged, and are mended.

    Lines in ``erased`` may be missing from ``new``.
    """
    try:
        if _made_by(old) in (None, dialect.sha256):
            return
        sql = """
            SELECT count(*) FROM read_parquet($old, hive_partitioning = false) AS a
            FULL JOIN read_parquet($new, hive_partitioning = false) AS b USING (line)
            WHERE (a.uid, a.occurred_at) IS DISTINCT FROM (b.uid, b.occurred_at) AND NOT list_contains($erased, line)"""
        values = {"old": str(old), "new": str(new), "erased": list(erased)}
        ((changed,),) = connection.execute(sql, values).fetchall()
    except (OSError, pa.ArrowException, duckdb.Error):
        return  # the old file is missing or torn: there is nothing to compare
    if changed:
        raise LakeError(f"{changed} events would get another uid or time", where=str(old), todo=_HEADER)


def _rows(path: Path, file: EvidenceFile, sieve: Sieve) -> Iterator[pa.RecordBatch]:
    line, copies = 0, dict(file.copies)
    times: list[int] = []
    erased: list[int] = []
    for lines in read_lines(path):
        gone = {at for at, text in enumerate(lines) if text.startswith(ERASED)}
        erased += sorted(line + at for at in gone)
        kept = [at for at in range(len(lines)) if at not in gone]
        if kept:
            batch, span = _some_rows(path, [lines[at] for at in kept], [line + at for at in kept], copies, sieve)
            times += span
            yield batch
        line += len(lines)
    if line != file.count:
        raise LakeError(f"{line} lines, the manifest says {file.count}", where=str(path), todo="restore it from a backup")
    if tuple(erased) != file.erased:
        what = f"{len(erased)} lines are erased, by the removals {len(file.erased)} should be"
        raise LakeError(what, where=str(path), todo="restore it from a backup")
    oldest, newest = (file.oldest - _EPOCH) // _MICRO, (file.newest - _EPOCH) // _MICRO
    inside = all(oldest <= time <= newest for time in times)
    if not inside or (not erased and (min(times), max(times)) != (oldest, newest)):
        raise LakeError("the dialect reads other times than the manifest says", where=str(path), todo=_HEADER)


def _some_rows(
    path: Path, lines: Sequence[bytes], numbers: Sequence[int], copies: Mapping[int, int], sieve: Sieve
) -> tuple[pa.RecordBatch, tuple[int, int]]:
    """Lines of one file and their numbers as rows; their smallest and largest time."""
    records = [text[RECORD_AT:] for text in lines]
    sifted = sieve.sift(b"\n".join(records), records)
    if sifted.faults:
        at, reason = sifted.faults[0]
        raise LakeError(f"line {numbers[at]} is no event: {reason}", where=str(path), todo=_HEADER)
    ids = [
        event_id if event_id is not None else content_id(record, copies.get(number, 0))
        for number, event_id, record in zip(numbers, sifted.ids, records, strict=True)
    ]
    batch = record_batch(0, ids, sifted.micros, records, lines=numbers)
    return batch, (int(sifted.micros.min()), int(sifted.micros.max()))


def check_digest(path: Path, expected: str) -> None:
    """Compare a file with the digest its manifest gives.

    Raises:
        LakeError: it is missing or differs.
    """
    if not path.is_file():
        raise LakeError("an evidence file is missing", where=str(path), todo="restore it from a backup")
    if (found := sha256(path)) != expected:
        raise LakeError(f"SHA-256 is {found}, the manifest says {expected}", where=str(path), todo="restore it from a backup")
