"""Which records are stored already: the id index of one source, and the stored bytes that decide.

De-duplication compares (source, event_id) first and then bytes: equal bytes are a duplicate, other bytes
under the same id a conflict that gets a uid of its own. What does not belong here: the records of this
run that are not yet in a chunk (``chunks`` hands them over through ``Staged``).
"""

import bisect
import contextlib
import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.lake.evidence import ERASED, RECORD_AT, FrameCache
from audit_pipelines.lake.ids import Hashes, IdIndex, Locators, hash_ids, load_run, save_run

Numbers = npt.NDArray[np.int64]


class Staged(Protocol):
    """Lines that this run has written so far; their locators are negative."""

    def line(self, locator: int) -> bytes:
        """SALT RECORD of a negative locator."""
        ...

    def copy_number(self, locator: int) -> int:
        """Ordinal among identical records without an id."""
        ...

    def number(self, locator: int) -> int:
        """The n of a record whose uid ends in ``~n``, else 1."""
        ...


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    first: int
    bytes: int
    frames: Sequence[tuple[int, int]]
    copies: dict[int, int]
    conflicts: dict[int, int]


class StoredRecords:
    """Random access to every stored record of one source by leaf index (or negative locator)."""

    def __init__(self, home: Home, files: Sequence[EvidenceFile], staged: Staged) -> None:
        self._files = [
            _File(home.root / file.path, file.first, file.bytes, file.frames, dict(file.copies), dict(file.conflicts))
            for file in files
        ]
        self._firsts = [file.first for file in self._files]
        self._cache = FrameCache()
        self._staged = staged

    def line(self, locator: int) -> bytes:
        """SALT RECORD."""
        if locator < 0:
            return self._staged.line(locator)
        file = self._files[bisect.bisect_right(self._firsts, locator) - 1]
        return self._cache.line(file.path, file.frames, file.bytes, locator - file.first)

    def record(self, locator: int) -> bytes:
        """The record's bytes; none if it was erased (``IdIndex.hide`` keeps such lines from being asked for)."""
        line = self.line(locator)
        return b"" if line.startswith(ERASED) else line[RECORD_AT:]

    def copy_number(self, locator: int) -> int:
        """Ordinal among identical records without an id; 0 for all others."""
        if locator < 0:
            return self._staged.copy_number(locator)
        file = self._files[bisect.bisect_right(self._firsts, locator) - 1]
        return file.copies.get(locator - file.first, 0)

    def number(self, locator: int) -> int:
        """The n of a record whose uid ends in ``~n``; 1 for the first under its id."""
        if locator < 0:
            return self._staged.number(locator)
        file = self._files[bisect.bisect_right(self._firsts, locator) - 1]
        return file.conflicts.get(locator - file.first, 1)

    def equal(self, locators: Numbers, records: Sequence[bytes]) -> list[bool]:
        """Whether each stored record has exactly these bytes."""
        line = self.line
        return [
            stored.endswith(record) and len(stored) == len(record) + RECORD_AT
            for stored, record in zip(map(line, locators.tolist()), records, strict=True)
        ]


class IdCache:
    """The id index of one source on disk: ``state/ids/<source>/<first seq>-<last seq>-<mark>.npy``.

    The mark is made of the digests of the evidence whose ids the file has: a cache that came with another
    copy of the home, or stayed behind when the home was restored, is not believed. Ids of purged files and
    erased lines may still be in it: they are hidden, so that a removal does not cost making it again.
    """

    def __init__(self, home: Home, source: str) -> None:
        self._home, self._source = home, source
        self._folder = home.state / "ids" / source

    def load(self, batches: Sequence[Batch]) -> IdIndex:
        """The index of everything stored; runs that are missing are made again from the lake."""
        index = IdIndex()
        index.hide([span for batch in batches for file in self._files(batch) for span in _gone(file)])
        wanted = {batch.seq: self._files(batch) for batch in batches}
        wanted = {seq: files for seq, files in wanted.items() if files}
        for path, low, high, mark in self._saved():
            covered = [seq for seq in wanted if low <= seq <= high]
            files = [file for seq in covered for file in wanted[seq]]
            least, most = sum(file.rows for file in files), sum(file.count for file in files)
            run = load_run(path, least, most) if files and mark == _mark(files) else None
            if run is None:
                path.unlink()
                continue
            for seq in covered:
                del wanted[seq]
            index.adopt(*run)
        for batch in batches:
            if batch.seq not in wanted:
                continue
            hashes, locators = self._rebuild(wanted[batch.seq])
            self.save(batch, hashes, locators)
            index.add(hashes, locators)
        return index

    def save(self, batch: Batch, hashes: Hashes, locators: Locators) -> None:
        """Keep the run of ``batch``, merged with the newest runs so that few files remain.

        A crash here costs only the time to make the run again.
        """
        low, mark, superseded = batch.seq, _mark(self._files(batch)), []
        for path, first, last, older in sorted(self._saved(), key=lambda saved: -saved[1]):
            run = load_run(path, _count(path))
            if run is None or last >= low or len(run[0]) > 3 * len(hashes):  # one of no ids is always taken up
                break
            hashes, locators = np.concatenate([run[0], hashes]), np.concatenate([run[1], locators])
            low, mark = first, mark ^ older
            superseded.append(path)
        save_run(self._folder / f"{low}-{batch.seq}-{mark:016x}.npy", hashes, locators)
        for path in superseded:
            path.unlink()

    def _saved(self) -> list[tuple[Path, int, int, int]]:
        """Path, first and last batch, and mark of each run, by the first batch."""
        found = []
        if self._folder.is_dir():
            for path in sorted(self._folder.glob("*.npy")):
                with contextlib.suppress(ValueError):
                    low, high, mark = path.stem.split("-")
                    found.append((path, int(low), int(high), int(mark, 16)))
        return sorted(found, key=lambda saved: saved[1])

    def _files(self, batch: Batch) -> list[EvidenceFile]:
        return [file for file in batch.evidence if file.source == self._source]

    def _rebuild(self, files: Sequence[EvidenceFile]) -> tuple[Hashes, Locators]:
        hashes, locators = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        for file in files:
            if file.purged:
                continue
            path = self._home.root / file.events
            try:
                table = pq.read_table(path, columns=["event_id", "line"], partitioning=None)
            except (OSError, pa.ArrowException) as error:
                todo = "make it again with: audit-pipelines rederive"
                raise LakeError(f"cannot be read: {error}", where=str(path), todo=todo) from None
            ids = table.column("event_id").to_pylist()
            hashes.append(hash_ids(ids, len(ids)))
            locators.append(table.column("line").to_numpy().astype(np.int64) + file.first)
        return np.concatenate(hashes), np.concatenate(locators)


def _gone(file: EvidenceFile) -> list[tuple[int, int]]:
    """Spans of leaves whose record is no longer there."""
    if file.purged:
        return [(file.first, file.end)]
    return [(file.first + line, file.first + line + 1) for line in file.erased]


def _mark(files: Sequence[EvidenceFile]) -> int:
    """64 bits that tell these files, as they were sealed, from others; runs are merged in any order, hence XOR."""
    return functools.reduce(operator.xor, (int((file.sealed or file.sha256)[:16], 16) for file in files))


def _count(path: Path) -> int:
    """Number of ids in a saved run, by the file's own header; 0 if it cannot be read."""
    try:
        return int(np.load(path, mmap_mode="r", allow_pickle=False).shape[1])
    except (OSError, ValueError, EOFError, IndexError):
        return 0
