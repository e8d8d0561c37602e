"""The lines of one format, cut into files: this writes their bytes as they come (``slices``).

What does not belong here: what a line says (``format``), their order, and names (``manifest``).
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from audit_pipelines.errors import DropError
from audit_pipelines.ship.codec import Codec, Stream
from audit_pipelines.ship.slices import Lines

PART_ROWS: Final = 100_000
PART_BYTES: Final = 64 << 20
"""A part ends at this many rows, or before its lines would exceed this many bytes. A longer line is a part."""

RECORD_BYTES: Final = 3072
"""Size of line 1 with its line feed; also more than the 1,025 bytes without which filebeat never reads a file."""

_HEAD: Final = 256
"""Bytes of a file that Splunk knows it by; other readers look at more."""
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

    def add(self, lines: Lines, start: int, end: int) -> None:
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


def write_bodies(batches: Iterable[Lines], *, folder: Path, stem: str, codec: Codec, limits: Limits) -> list[Body]:
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


def _cut(lines: Lines, start: int, part: _Part, limits: Limits) -> int:
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


def write_record(body: Body, record: str, codec: Codec, *, lines: int = 1, mark: bytes = b"") -> tuple[str, int]:
    """Fill in line 1, padded with spaces to its fixed size; for a format of more ``lines`` an event, as many.

    Args:
        body: the file.
        record: the line or lines, without the last line feed.
        codec: as the file was written.
        lines: text lines an event.
        mark: what must stand in the first 256 bytes, so that readers tell the file from every other.

    Returns:
        SHA-256 and size of the whole file.

    Raises:
        DropError: the record is too long, has another number of lines, or its mark comes late.
    """
    raw = record.encode()
    if len(raw) >= RECORD_BYTES or raw.count(b"\n") != lines - 1:
        todo = f"batch_record gives {lines} line(s) of together up to {RECORD_BYTES - 1} bytes"
        raise DropError(f"a batch record of {len(raw)} bytes", where=body.path.name, todo=todo)
    if mark not in raw[:_HEAD]:
        todo = f"let batch_record put the batch's id into the first {_HEAD} bytes: readers know a file by its head"
        raise DropError("a batch record without its id in front", where=body.path.name, todo=todo)
    with open(body.path, "r+b") as file:
        file.write(codec.frame(raw.ljust(RECORD_BYTES - 1) + b"\n"))
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.seek(0, os.SEEK_END)
