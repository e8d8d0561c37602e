"""Chunks of one run: evidence lines on their way to disk and rows on their way into Parquet.

One chunk a source and day at a time, cut at ``CHUNK_LINES``.
Memory is bounded whatever the input's order: when the open chunks hold more than ``OPEN_BYTES``, the one
that has rested longest is closed. What does not belong here: which records are stored (``intake``), final
names and the manifest (``commit``).
"""

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from audit_pipelines.lake.derive import Origin, prepare, record_batch, write_parquet
from audit_pipelines.lake.evidence import CHUNK_LINES, EvidenceWriter, FrameCache, Salts

OPEN_BYTES: Final = 192 << 20
CHUNK_BYTES: Final = 2 * OPEN_BYTES
"""A lone chunk of large records is closed too, before it has CHUNK_LINES."""
OPEN_FILES: Final = 200
LINE_BITS: Final = 18
"""Bits for the line in a locator: CHUNK_LINES fits in."""
Numbers = npt.NDArray[np.int64]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Chunk:
    """One pair of evidence file and Parquet in the making."""

    number: int
    day: date
    evidence: Path
    parquet: Path
    writer: EvidenceWriter
    rows: list[pa.RecordBatch] = field(default_factory=list)
    held: int = 0
    """Bytes of ``rows``."""
    touched: int = 0
    low: int = 2**63 - 1
    high: int = -(2**63)
    conflicts: list[tuple[int, int]] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    hashes: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    sha256: str = ""
    bytes: int = 0
    frames: tuple[tuple[int, int], ...] = ()
    lines: int = 0

    @property
    def oldest(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.low)

    @property
    def newest(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.high)


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of one day to append, column by column."""

    records: Sequence[bytes]
    ids: Sequence[str]
    micros: Numbers
    hashes: npt.NDArray[np.uint64]
    conflicts: Sequence[tuple[int, int]]
    """(position, n)."""
    copies: Sequence[tuple[int, int]]
    """(position, n)."""

    def part(self, start: int, end: int) -> "Rows":
        """Rows start <= position < end."""
        if start == 0 and end >= len(self.records):
            return self

        def cut(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
            return [(position - start, n) for position, n in pairs if start <= position < end]

        span = slice(start, end)
        return Rows(
            self.records[span], self.ids[span], self.micros[span], self.hashes[span], cut(self.conflicts), cut(self.copies)
        )


class Deriver:
    """Turns closed chunks into Parquet in a thread of its own; the next chunk grows meanwhile."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        prepare(connection)
        self._connection = connection
        self._queue: queue.Queue[tuple[Chunk, Origin] | None] = queue.Queue(maxsize=1)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="derive", daemon=True)
        self._thread.start()

    def submit(self, chunk: Chunk, origin: Origin) -> None:
        """Queue a chunk; waits while one is queued already. Raises what an earlier one raised."""
        self._raise()
        self._queue.put((chunk, origin))

    def finish(self) -> None:
        """Wait for all; raises what failed."""
        self.stop()
        self._raise()

    def stop(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        """After a failure the queue is still emptied: the intake must never wait for a dead thread."""
        while (job := self._queue.get()) is not None:
            if self._failure is not None:
                continue
            chunk, origin = job
            try:
                write_parquet(self._connection, chunk.rows, chunk.parquet, origin, conflicts=chunk.conflicts)
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
                self._failure = error
            chunk.rows = []


class Chunks:
    """All chunks of one source in one run."""

    def __init__(
        self,
        folder: Path,
        numbers: Callable[[], int],
        origin: Origin,
        *,
        salts: Salts,
        pool: ThreadPoolExecutor,
        deriver: Deriver,
    ) -> None:
        self._folder, self._numbers, self._origin = folder, numbers, origin
        self._salts, self._pool, self._deriver = salts, pool, deriver
        self._open: dict[date, Chunk] = {}
        self._all: dict[int, Chunk] = {}
        self._clock = itertools.count()
        self._cache = FrameCache(4)

    def __iter__(self) -> Iterator[Chunk]:
        """Every chunk by day, then in the order it was begun: the leaf order."""
        yield from sorted(self._all.values(), key=lambda chunk: (chunk.day, chunk.number))

    def add(self, day: date, rows: Rows) -> Numbers:
        """Append rows of one day; their locators."""
        locators, at = [], 0
        while at < len(rows.records):
            chunk = self._open.get(day) or self._begin(day)
            room = CHUNK_LINES - chunk.writer.lines
            part = rows.part(at, at + room)
            locators.append(self._append(chunk, part))
            at += len(part.records)
            if chunk.writer.lines == CHUNK_LINES:
                self._close(chunk)
        self._bound()
        return np.concatenate(locators)

    def _begin(self, day: date) -> Chunk:
        number = self._numbers()
        evidence = self._folder / f"{number}.zst"
        writer = EvidenceWriter(evidence, self._salts, self._pool)
        chunk = Chunk(number, day, evidence, self._folder / f"{number}.parquet", writer)
        self._open[day] = self._all[number] = chunk
        return chunk

    def _append(self, chunk: Chunk, rows: Rows) -> Numbers:
        first = chunk.writer.lines
        chunk.writer.write(rows.records)
        batch = record_batch(first, rows.ids, rows.micros, rows.records)
        chunk.rows.append(batch)
        chunk.held += batch.nbytes
        chunk.touched = next(self._clock)
        chunk.low = min(chunk.low, int(rows.micros.min()))
        chunk.high = max(chunk.high, int(rows.micros.max()))
        chunk.hashes.append(rows.hashes)
        chunk.conflicts += [(first + position, n) for position, n in rows.conflicts]
        chunk.copies += [(first + position, n) for position, n in rows.copies]
        return -1 - (np.arange(first, chunk.writer.lines, dtype=np.int64) | (chunk.number << LINE_BITS))

    def _bound(self) -> None:
        """Keep what is open within its budget."""
        while len(self._open) > 1 and (
            len(self._open) > OPEN_FILES or sum(chunk.held for chunk in self._open.values()) > OPEN_BYTES
        ):
            self._close(min(self._open.values(), key=lambda chunk: chunk.touched))
        for chunk in [chunk for chunk in self._open.values() if chunk.held > CHUNK_BYTES]:
            self._close(chunk)

    def _close(self, chunk: Chunk) -> None:
        chunk.lines = chunk.writer.lines
        chunk.sha256, chunk.bytes, chunk.frames = chunk.writer.close()
        del self._open[chunk.day]
        self._deriver.submit(chunk, replace(self._origin, evidence_sha256=chunk.sha256))
        chunk.held = 0

    def finish(self) -> None:
        """Close every open chunk."""
        for chunk in sorted(self._open.values(), key=lambda chunk: (chunk.day, chunk.number)):
            self._close(chunk)

    def abandon(self) -> None:
        """Let go of open files after a failure."""
        for chunk in self._open.values():
            chunk.writer.abandon()

    def line(self, locator: int) -> bytes:
        """SALT RECORD of a line that this run wrote (``known.Staged``)."""
        number, line = _place(locator)
        chunk = self._all[number]
        if chunk.lines == 0:
            return chunk.writer.line(line)
        return self._cache.line(chunk.evidence, chunk.frames, chunk.bytes, line)

    def copy_number(self, locator: int) -> int:
        """Ordinal among identical records without an id (``known.Staged``)."""
        number, line = _place(locator)
        return dict(self._all[number].copies).get(line, 0)

    def number(self, locator: int) -> int:
        """The n of a record whose uid ends in ``~n``, else 1 (``known.Staged``)."""
        number, line = _place(locator)
        return dict(self._all[number].conflicts).get(line, 1)


def _place(locator: int) -> tuple[int, int]:
    place = -1 - locator
    return place >> LINE_BITS, place & ((1 << LINE_BITS) - 1)
