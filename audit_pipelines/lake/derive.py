"""From records to the typed Parquet: the dialect's SQL, wrapped into the canonical columns.

Everything in the Parquet is a function of the evidence, the dialect and the versions: it can be made
again, byte for byte with the same DuckDB. What does not belong here: where records come from (the hot
path hands them over in memory, ``rederive`` from the evidence file).
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from audit_pipelines.errors import LakeError
from audit_pipelines.event import ACTOR_TYPES, CATEGORIES, COLUMNS, OUTCOMES
from audit_pipelines.record import Dialect

ROW_GROUP: Final = 122_880
RECORDS: Final = pa.schema(
    [
        pa.field("line", pa.int32()),
        pa.field("event_id", pa.string()),
        pa.field("occurred_at", pa.timestamp("us", "UTC")),
        pa.field("record", pa.string()),
    ]
)
"""The relation ``records`` that a dialect reads."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What all rows of one Parquet share."""

    source: str
    dialect: Dialect
    extracted_at: datetime
    evidence_sha256: str
    code: str


def record_batch(
    first_line: int, ids: Sequence[str], micros: object, records: Sequence[bytes], *, lines: Sequence[int] | None = None
) -> pa.RecordBatch:
    """Some records as Arrow; the texts were checked to be UTF-8 before and are not copied twice.

    Their lines count from ``first_line``, unless ``lines`` names each.
    """
    count = len(ids)
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(np.fromiter(map(len, records), np.int32, count), out=offsets[1:])
    text = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(b"".join(records)))
    times = pa.array(micros, pa.int64()).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    numbers = pa.array(np.arange(first_line, first_line + count, dtype=np.int32) if lines is None else lines, pa.int32())
    return pa.RecordBatch.from_arrays([numbers, pa.array(ids, pa.string()), times, text], schema=RECORDS)


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the connection what the wrapper needs: ``canonical_ip``."""
    connection.create_function("canonical_ip", canonical_ip, ["VARCHAR"], "VARCHAR")


def canonical_ip(text: str) -> str:
    """RFC 5952 text of an IPv6 address (IPv4-mapped ones as IPv4); the source's own word if it is none."""
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return text
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def write_parquet(
    connection: duckdb.DuckDBPyConnection,
    batches: Sequence[pa.RecordBatch],
    path: Path,
    origin: Origin,
    *,
    conflicts: Sequence[tuple[int, int]] = (),
) -> None:
    """Map ``batches`` and write them sorted to ``path`` (not yet synced or renamed).

    ``conflicts`` are (line, n) of records whose uid ends in ``~n``.

    Raises:
        LakeError: the dialect's SQL does not give one row a record, or fails.
    """
    connection.register("received", pa.Table.from_batches(batches, RECORDS))
    connection.register("conflicts", _conflicts_table(conflicts))
    try:
        _copy(connection, path, origin)
        counted = "SELECT count(*), count(DISTINCT line) FROM read_parquet($path)"
        ((rows, lines),) = connection.execute(counted, {"path": str(path)}).fetchall()
    finally:
        connection.unregister("received")
        connection.unregister("conflicts")
    expected = sum(batch.num_rows for batch in batches)
    if rows != expected or lines != expected:
        todo = "a dialect must give exactly one row for each record"
        raise LakeError(f"{rows} rows of {lines} lines for {expected} records", where=f"dialect {origin.dialect.name}", todo=todo)


def _conflicts_table(conflicts: Sequence[tuple[int, int]]) -> pa.Table:
    lines, numbers = [line for line, _ in conflicts], [number for _, number in conflicts]
    return pa.table({"line": pa.array(lines, pa.int32()), "nth": pa.array(numbers, pa.int32())})


def _copy(connection: duckdb.DuckDBPyConnection, path: Path, origin: Origin) -> None:
    """COPY, and once more with DuckDB's own idea of JSON if a record offends it.

    msgspec and DuckDB agree on JSON but for corners (found by fuzzing, if at all); a record that only
    DuckDB refuses keeps its row, with the dialect's columns NULL.
    """
    try:
        try:
            connection.execute(copy_statement(origin, path, "record")).fetchall()
        except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException):
            guarded = "CASE WHEN json_valid(record) THEN record ELSE '{}' END AS record"
            connection.execute(copy_statement(origin, path, guarded)).fetchall()
    except duckdb.Error as error:
        raise LakeError(f"its SQL failed: {error}", where=f"dialect {origin.dialect.name}", todo="mend the dialect") from None


def copy_statement(origin: Origin, path: Path, record: str) -> str:
    """The whole statement; every text in it is a name that settings or manifests have checked."""
    metadata = {
        "evidence_sha256": origin.evidence_sha256,
        "dialect": origin.dialect.name,
        "dialect_sha256": origin.dialect.sha256,
        "duckdb": duckdb.__version__,
        "audit_pipelines": origin.code,
    }
    pairs = ", ".join(f"{key}: {_quote(value)}" for key, value in metadata.items())
    return f"""
COPY (
    WITH records AS (SELECT line, event_id, occurred_at, {record} FROM received),
    mapped AS (
{origin.dialect.sql.strip().rstrip(";")}
    )
    SELECT {_columns(origin)}
    FROM mapped LEFT JOIN conflicts USING (line)
    ORDER BY occurred_at, event_id, line
) TO {_quote(str(path))} (
    FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP}, KV_METADATA {{{pairs}}}
)"""  # noqa: S608 - names and texts are quoted, the dialect is the operator's own SQL


def _columns(origin: Origin) -> str:
    source = _quote(origin.source)
    special = {
        "uid": f"{source} || '/' || event_id || {_SUFFIX}",
        "source": source,
        "dialect": _quote(origin.dialect.name),
        "category": _one_of("category", CATEGORIES, "other"),
        "outcome": _one_of("outcome", OUTCOMES, "unknown"),
        "actor_type": _one_of("actor_type", ACTOR_TYPES, "unknown"),
        "action": "coalesce(action, 'unknown')",
        "target_type": 'targets[1]."type"',
        "target_id": "targets[1].id",
        "target_name": 'targets[1]."name"',
        "source_ip": "CASE WHEN contains(source_ip, ':') THEN canonical_ip(source_ip) ELSE source_ip END",
        "extracted_at": f"TIMESTAMPTZ {_quote(origin.extracted_at.isoformat())}",
    }
    return ",\n        ".join(
        f'CAST({special.get(column.name, chr(34) + column.name + chr(34))} AS {column.type}) AS "{column.name}"'
        for column in COLUMNS
    )


_SUFFIX: Final = r"""CASE
            WHEN nth IS NOT NULL THEN '~' || nth
            WHEN contains(event_id, '~') AND regexp_matches(event_id, '~[0-9]+$') THEN '~1'
            ELSE '' END"""
"""An id that itself ends in ``~2`` gets ``~1``, so that no two events share a uid."""


def _one_of(column: str, words: Sequence[str], otherwise: str) -> str:
    return f"CASE WHEN {column} IN ({', '.join(map(_quote, words))}) THEN {column} ELSE {_quote(otherwise)} END"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
