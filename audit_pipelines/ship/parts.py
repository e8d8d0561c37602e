"""The lines of one format, cut into files: DuckDB makes and sorts them, this writes their bytes as they are.

A batch of lines comes as one Arrow column whose data buffer is already NDJSON, so no line ever becomes a
Python object; offsets say where to cut. What does not belong here: what a line says (``format``), and
names (``manifest``).
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit_pipelines.errors import DropError
from audit_pipelines.ship.codec import Codec, Stream

PART_ROWS: Final = 100_000
PART_BYTES: Final = 64 << 20
"""A part ends at this many rows, or before its lines would exceed this many bytes. A longer line is a part."""

RECORD_BYTES: Final = 3072
"""Size of line 1 with its line feed; also more than the 1,025 bytes without which filebeat never reads a file."""

_ROWS_A_BATCH: Final = 2048
"""One DuckDB vector: keeps memory low when lines are long."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Limits:
    """Where parts end. Tests use small ones."""

    rows: int = PART_ROWS
    bytes: int = PART_BYTES


@dataclass(frozen=True, slots=True)
class Body:
    """A staged file that is whole but for line 1, and what line 1 and the manifest say of it."""

    path: Path
    rows: int
    bytes: int
    """Of all lines after the first, uncompressed."""
    sha256: str
    """Of the same bytes."""
    truncated: int
    unmapped: int
    first_uid: str | None = None
    last_uid: str | None = None
    min_time: datetime | None = None
    max_time: datetime | None = None
    min_leaf: int | None = None
    max_leaf: int | None = None


@dataclass(frozen=True, slots=True)
class _Lines:
    """Some sorted lines: their bytes, and the columns that say what they are."""

    data: memoryview
    ends: npt.NDArray[np.int64]
    """ends[i] is where line i begins, ends[i + 1] where it ends."""
    uid: Any
    time: npt.NDArray[np.int64]
    """Microseconds since 1970."""
    leaf: npt.NDArray[np.int64]
    truncated: npt.NDArray[np.int64]
    unmapped: npt.NDArray[np.int64]


def ordered(connection: duckdb.DuckDBPyConnection, select: str, *, budget: int | None, where: str) -> Iterator[_Lines]:
    """The lines of ``select`` in (occurred_at, uid) order, a vector at a time.

    Raises:
        DropError: the SELECT fails, gives NULL, or gives a line longer than ``budget`` bytes.
    """
    flags = "CAST(truncated AS BIGINT) AS truncated, CAST(unmapped AS BIGINT) AS unmapped"
    columns = f"line || chr(10) AS line, uid, epoch_us(occurred_at) AS time, CAST(leaf_index AS BIGINT) AS leaf, {flags}"
    # Lines are made before the sort, by all threads; what follows a sort runs on one.
    query = f"SELECT {columns} FROM ({select}\n) ORDER BY occurred_at, uid"  # noqa: S608 - the template is the query
    try:
        # Offsets of 64 bits: a vector of 16 MiB lines has more than 2 GiB.
        connection.execute("SET arrow_large_buffer_size = true")
        for batch in connection.sql(query).to_arrow_reader(_ROWS_A_BATCH):
            yield _lines(batch, budget, where)
    except duckdb.Error as error:
        todo = "mend the template, or report it if it is a shipped one"
        raise DropError(f"the SELECT fails: {str(error).splitlines()[0]}", where=where, todo=todo) from None
    finally:
        connection.execute("RESET arrow_large_buffer_size")


def _lines(batch: pa.RecordBatch, budget: int | None, where: str) -> _Lines:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, column in columns.items():
        if column.null_count:
            raise DropError(
                f"column {name!r} is NULL", where=where, todo="mend the template: lines and their keys are never NULL"
            )
    text = columns.pop("line")
    ends = np.frombuffer(text.buffers()[1], np.int64)[text.offset : text.offset + len(text) + 1]
    longest = int(np.diff(ends).max(initial=0)) - 1
    if budget is not None and longest > budget:
        raise DropError(f"a line of {longest} bytes, the budget is {budget}", where=where, todo="mend the template")
    uid = columns.pop("uid")
    data = memoryview(text.buffers()[2] or b"")
    return _Lines(data=data, ends=ends, uid=uid, **{name: column.to_numpy() for name, column in columns.items()})


@dataclass(slots=True)
class _Part:
    """A file that is being written."""

    path: Path
    stream: Stream
    file: Any
    rows: int = 0
    bytes: int = 0
    sums: dict[str, Any] = field(default_factory=dict)
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, lines: _Lines, start: int, end: int) -> None:
        data = lines.data[lines.ends[start] : lines.ends[end]]
        self.digest.update(data)
        for piece in self.stream.write(data):
            self.file.write(piece)
        self.rows += end - start
        self.bytes += len(data)
        sums = self.sums
        leaf = lines.leaf[start:end]
        sums.setdefault("first_uid", lines.uid[start].as_py())
        sums.setdefault("min_time", _moment(lines.time[start]))
        sums["last_uid"] = lines.uid[end - 1].as_py()
        sums["max_time"] = _moment(lines.time[end - 1])
        sums["min_leaf"] = min(int(leaf.min()), sums.get("min_leaf", int(leaf[0])))
        sums["max_leaf"] = max(int(leaf.max()), sums.get("max_leaf", int(leaf[0])))
        for flag in ("truncated", "unmapped"):
            sums[flag] = sums.get(flag, 0) + int(getattr(lines, flag)[start:end].sum())

    def close(self) -> Body:
        for piece in self.stream.finish():
            self.file.write(piece)
        self.file.close()
        sums = {"truncated": 0, "unmapped": 0, **self.sums}
        return Body(path=self.path, rows=self.rows, bytes=self.bytes, sha256=self.digest.hexdigest(), **sums)


def _moment(microseconds: np.int64) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))


def write_bodies(batches: Iterable[_Lines], *, folder: Path, stem: str, codec: Codec, limits: Limits) -> list[Body]:
    """Write the lines to ``folder/<stem>.<part>``, room for line 1 in front; at least one file.

    Raises:
        DropError: the lines are not in time order.
    """
    bodies: list[Body] = []
    part = _open(folder / f"{stem}.0", codec)
    last = None
    for lines in batches:
        start, count = 0, len(lines.time)
        if count and ((last is not None and lines.time[0] < last) or bool((np.diff(lines.time) < 0).any())):
            raise DropError("lines are not in time order", where=stem, todo="report this: DuckDB broke its promise of order")
        last = lines.time[-1] if count else last
        while start < count:
            end = _cut(lines, start, part, limits)
            if end == start:
                bodies.append(part.close())
                part = _open(folder / f"{stem}.{len(bodies)}", codec)
                continue
            part.add(lines, start, end)
            start = end
    bodies.append(part.close())
    return bodies


def _cut(lines: _Lines, start: int, part: _Part, limits: Limits) -> int:
    """How far the lines from ``start`` fit into ``part``: ``start`` itself when it is full."""
    rows = min(len(lines.time), start + limits.rows - part.rows)
    room = lines.ends[start] + limits.bytes - part.bytes
    fit = int(np.searchsorted(lines.ends, room, side="right")) - 1
    if fit <= start and part.rows == 0:
        return start + 1
    return max(start, min(rows, fit))


def _open(path: Path, codec: Codec) -> _Part:
    file = open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o640))  # noqa: SIM115 - closed by its part
    part = _Part(path=path, stream=codec.stream(), file=file)
    file.write(codec.frame(b" " * RECORD_BYTES))
    return part


def write_record(body: Body, record: str, codec: Codec) -> tuple[str, int]:
    """Fill in line 1, padded with spaces to its fixed size.

    Returns:
        SHA-256 and size of the whole file.

    Raises:
        DropError: the record is too long.
    """
    raw = record.encode()
    if len(raw) >= RECORD_BYTES or b"\n" in raw:
        todo = f"batch_record may give one line of up to {RECORD_BYTES - 1} bytes"
        raise DropError(f"a batch record of {len(raw)} bytes", where=body.path.name, todo=todo)
    with open(body.path, "r+b") as file:
        file.write(codec.frame(raw.ljust(RECORD_BYTES - 1) + b"\n"))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.seek(0, os.SEEK_END)
