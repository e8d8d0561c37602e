"""Making Parquet again from evidence: after a crash, a loss, or a change of a dialect.

Byte for byte the same with the same dialect and versions. The evidence's digest is checked first: a
damaged file is never turned into rows. What does not belong here: the mapping itself (``derive``).
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.durable import make_folder, publish
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.lake.derive import Origin, prepare, record_batch, write_parquet
from audit_pipelines.lake.duplicates import content_id
from audit_pipelines.lake.evidence import RECORD_AT, read_lines
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
    try:
        for number, (batch, file) in enumerate(wanted, start=1):
            changed += _one(connection, home, batch, file, dialects(file.dialect))
            progress(number)
    finally:
        connection.close()
    return Rederived(len(wanted), changed)


def missing(home: Home, batches: Sequence[Batch]) -> list[tuple[Batch, EvidenceFile]]:
    """Pairs whose Parquet is not there."""
    return [(batch, file) for batch in batches for file in batch.evidence if not (home.root / file.events).is_file()]


def _one(connection: duckdb.DuckDBPyConnection, home: Home, batch: Batch, file: EvidenceFile, dialect: Dialect) -> bool:
    final = home.root / file.events
    staged = home.staging / f"rederive-{file.first}.parquet"
    check_digest(home.root / file.path, file.sha256)
    origin = Origin(file.source, dialect, batch.extracted_at, file.sha256, batch.code)
    rows = list(_rows(home.root / file.path, file, Sieve(dialect)))
    write_parquet(connection, rows, staged, origin, conflicts=file.conflicts)
    if final.is_file() and _digest(final) == _digest(staged):
        staged.unlink()
        return False
    _check_identity(connection, final, staged, dialect)
    publish(staged, final)
    log.info("made again: %s", file.events)
    return True


def _check_identity(connection: duckdb.DuckDBPyConnection, old: Path, new: Path, dialect: Dialect) -> None:
    """Another dialect may change columns but no uid and no time; rows of the same dialect were damaged, and are mended."""
    try:
        made_by = (pq.read_metadata(old).metadata or {}).get(b"dialect_sha256")
        if made_by in (None, dialect.sha256.encode()):
            return
        sql = """
            SELECT count(*) FROM read_parquet($old, hive_partitioning = false) AS a
            FULL JOIN read_parquet($new, hive_partitioning = false) AS b USING (line)
            WHERE (a.uid, a.occurred_at) IS DISTINCT FROM (b.uid, b.occurred_at)"""
        ((changed,),) = connection.execute(sql, {"old": str(old), "new": str(new)}).fetchall()
    except (OSError, pa.ArrowException, duckdb.Error):
        return  # the old file is missing or torn: there is nothing to compare
    if changed:
        raise LakeError(f"{changed} events would get another uid or time", where=str(old), todo=_HEADER)


def _rows(path: Path, file: EvidenceFile, sieve: Sieve) -> Iterator[pa.RecordBatch]:
    line, copies = 0, dict(file.copies)
    times: list[int] = []
    for lines in read_lines(path):
        records = [text[RECORD_AT:] for text in lines]
        sifted = sieve.sift(b"\n".join(records), records)
        if sifted.faults:
            at, reason = sifted.faults[0]
            raise LakeError(f"line {line + at} is no event: {reason}", where=str(path), todo=_HEADER)
        ids = [
            event_id if event_id is not None else content_id(record, copies.get(line + at, 0))
            for at, (event_id, record) in enumerate(zip(sifted.ids, records, strict=True))
        ]
        yield record_batch(line, ids, sifted.micros, records)
        line += len(records)
        times += [int(sifted.micros.min()), int(sifted.micros.max())]
    if line != file.count:
        raise LakeError(f"{line} lines, the manifest says {file.count}", where=str(path), todo="restore it from a backup")
    if (min(times), max(times)) != ((file.oldest - _EPOCH) // _MICRO, (file.newest - _EPOCH) // _MICRO):
        raise LakeError("the dialect reads other times than the manifest says", where=str(path), todo=_HEADER)


def check_digest(path: Path, expected: str) -> None:
    """Compare a file with the digest its manifest gives.

    Raises:
        LakeError: it is missing or differs.
    """
    if not path.is_file():
        raise LakeError("an evidence file is missing", where=str(path), todo="restore it from a backup")
    if (found := _digest(path)) != expected:
        raise LakeError(f"SHA-256 is {found}, the manifest says {expected}", where=str(path), todo="restore it from a backup")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
