"""Parquet files of one batch and day, one a class, for formats whose delivery is ``parquet``.

The template gives each event as JSON text with its ``class_uid``, and for every class the typed ``columns``; here
they become files sorted by (time, uid), in one pass and bounded memory. The batch records are events of a class of
their own. Layout: one class a file, sorted by time, as Amazon Security Lake asks of custom sources. What does not
belong here: what an event says (``templates/siem/ocsf_parquet.sql.j2``), names, the manifest and publication.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from audit_pipelines.errors import DropError
from audit_pipelines.ship.format import Rendered
from audit_pipelines.ship.parts import Body
from audit_pipelines.ship.slices import Slice, slices

RECORD_CLASS: Final = 1008
"""OCSF Event Log Activity: the class of batch records."""
ROW_GROUP: Final = 65_536
_GROUP_BYTES: Final = 32 << 20
"""A row group ends at this many rows, or after a batch that makes it this large in memory."""
_ROWS_A_BATCH: Final = 2048
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEYS: Final = ("_class", "_uid", "_time", "_leaf", "_truncated", "_unmapped")
"""Columns beside those of the event; no OCSF attribute begins with an underscore."""


@dataclass(frozen=True, slots=True)
class ClassFile:
    """One staged file, whole."""

    class_uid: int
    body: Body
    """``bytes`` and ``sha256`` are those of the file."""


@dataclass(slots=True)
class _Writer:
    """The file of one class while it is written."""

    path: Path
    names: Sequence[str]
    writer: Any = None
    file: Any = None
    waiting: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0
    unmapped: int = 0
    truncated: int = 0
    first: tuple[str, int] | None = None
    last: tuple[str, int] | None = None
    leaves: list[int] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take some rows that follow all before."""
        if not batch.num_rows:
            return
        keys = {name: batch.column(name) for name in _KEYS}
        self.first = self.first or (keys["_uid"][0].as_py(), keys["_time"][0].as_py())
        self.last = (keys["_uid"][-1].as_py(), keys["_time"][-1].as_py())
        ends = pc.min_max(keys["_leaf"]).as_py()
        self.leaves = [min([ends["min"], *self.leaves[:1]]), max([ends["max"], *self.leaves[1:]])]
        self.rows += batch.num_rows
        self.unmapped += pc.sum(keys["_unmapped"]).as_py()
        self.truncated += pc.sum(keys["_truncated"]).as_py()
        self.put(batch.select(self.names))

    def put(self, batch: pa.RecordBatch) -> None:
        self.waiting.append(batch)
        while sum(part.num_rows for part in self.waiting) >= ROW_GROUP:
            table = pa.Table.from_batches(self.waiting)
            self._group(table.slice(0, ROW_GROUP))
            self.waiting = table.slice(ROW_GROUP).to_batches()
        if sum(part.nbytes for part in self.waiting) > _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self.waiting:
            self._group(pa.Table.from_batches(self.waiting))
            self.waiting = []

    def _group(self, table: pa.Table) -> None:
        if self.writer is None:
            self.file = open(self.path, "xb", opener=lambda name, flags: os.open(name, flags, 0o640))  # noqa: SIM115 - closed in `close`
            # Arrow's own schema would only say how wide the offsets in memory were.
            self.writer = pq.ParquetWriter(self.file, table.schema, compression="zstd", store_schema=False)
        self.writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> Body:
        """The rest, the footer; what the file is."""
        self._flush()
        self.writer.close()
        self.file.close()
        with open(self.path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.seek(0, os.SEEK_END)
        return Body(
            path=self.path,
            rows=self.rows,
            bytes=size,
            sha256=sha256,
            truncated=self.truncated,
            unmapped=self.unmapped,
            first_uid=self.first and self.first[0],
            last_uid=self.last and self.last[0],
            min_time=self.first and _EPOCH + timedelta(microseconds=self.first[1]),
            max_time=self.last and _EPOCH + timedelta(microseconds=self.last[1]),
            min_leaf=self.leaves[0] if self.leaves else None,
            max_leaf=self.leaves[1] if self.leaves else None,
        )


def write_parquet(connection: duckdb.DuckDBPyConnection, rendered: Rendered, *, folder: Path, stem: str) -> list[ClassFile]:
    """Write the events of ``rendered`` to ``folder/<stem>.c<class_uid>``, in the order of the class numbers.

    Args:
        connection: has the relation ``events``; in a home's own time zone or not, times are UTC here.
        rendered: its SELECT gives class_uid besides the columns of every format, its module has ``columns``.
        folder: staging.
        stem: what the files' names begin with.

    Returns:
        One entry for each class that has events; none for an empty day.

    Raises:
        DropError: the SELECT fails, or gives NULL or a class that ``columns`` does not have.
    """
    columns = rendered.module.columns
    writers: dict[int, _Writer] = {}
    structure = {
        name: kind for number, attributes in columns.items() if number != RECORD_CLASS for name, kind in attributes.items()
    }
    try:
        for part in slices(connection, ROW_GROUP):
            for batch in _batches(connection, rendered.sql, structure, part):
                for number, rows in _by_class(batch):
                    if number not in columns or number == RECORD_CLASS:
                        raise DropError(f"class {number} has no columns", where=stem, todo="mend the template")
                    path = folder / f"{stem}.c{number}"
                    writers.setdefault(number, _Writer(path, list(columns[number]))).add(rows)
    except duckdb.Error as error:
        todo = "mend the template, or report it if it is a shipped one"
        raise DropError(f"the SELECT fails: {str(error).splitlines()[0]}", where=stem, todo=todo) from None
    return [ClassFile(number, writer.close()) for number, writer in sorted(writers.items())]


def write_records(
    connection: duckdb.DuckDBPyConnection, rendered: Rendered, records: Sequence[str], *, folder: Path, stem: str
) -> ClassFile:
    """Write the batch records, one row each, in the order given.

    Args:
        connection: any; only its JSON reader is used.
        rendered: its module has the ``columns`` of class 1008.
        records: JSON texts of ``batch_record``.
        folder: staging.
        stem: what the file's name begins with.

    Returns:
        The file; its ``rows`` are 0, as it has no events.
    """
    columns = rendered.module.columns[RECORD_CLASS]
    query = f"SELECT unnest(from_json(line, {_literal(columns)})) FROM (SELECT unnest($records) AS line)"  # noqa: S608 - the template's names
    writer = _Writer(folder / f"{stem}.c{RECORD_CLASS}", list(columns))
    for batch in connection.sql(query, params={"records": list(records)}).to_arrow_reader(_ROWS_A_BATCH):
        writer.put(batch)
    return ClassFile(RECORD_CLASS, writer.close())


def _literal(structure: object) -> str:
    """A template's words as SQL text: names and types of columns."""
    return "'" + json.dumps(structure).replace("'", "''") + "'"


def _batches(connection: duckdb.DuckDBPyConnection, select: str, structure: object, part: Slice) -> Iterator[pa.RecordBatch]:
    """The typed rows of one slice of time, sorted by class, time and uid."""
    keys = "class_uid AS _class, uid AS _uid, epoch_us(occurred_at) AS _time, CAST(leaf_index AS BIGINT) AS _leaf"
    flags = "CAST(truncated AS BIGINT) AS _truncated, CAST(unmapped AS BIGINT) AS _unmapped"
    query = f"""
SELECT {keys}, {flags}, unnest(from_json(line, {_literal(structure)})) FROM (
{select}
) WHERE occurred_at >= make_timestamptz({part[0]}) AND occurred_at < make_timestamptz({part[1]})
ORDER BY _class, _time, _uid"""  # noqa: S608 - the template is the query
    cursor = connection.cursor()
    try:
        # Offsets of 64 bits: a vector of 16 MiB texts has more than 2 GiB.
        cursor.execute("SET TimeZone = 'UTC'; SET arrow_large_buffer_size = true")
        yield from cursor.sql(query).to_arrow_reader(_ROWS_A_BATCH)
    finally:
        cursor.close()


def _by_class(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The runs of rows of one class.

    Raises:
        DropError: a key is NULL.
    """
    for name in _KEYS:
        if batch.column(name).null_count:
            raise DropError(f"column {name[1:]!r} is NULL", where="class_uid", todo="mend the template: keys are never NULL")
    start = 0
    for run in pc.run_end_encode(batch.column("_class")).run_ends.to_pylist() if batch.num_rows else ():
        yield batch.column("_class")[start].as_py(), batch.slice(start, run - start)
        start = run
