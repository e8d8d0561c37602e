"""Which files hold the log: the batch manifests as they are now, read again when a night has changed them.

A ``Snapshot`` is the log at one size. Batches are never rewritten, so that a walk over pages that keeps its size
sees each event once, however many batches arrive meanwhile. What does not belong here: reading the files.
"""

import bisect
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from audit_pipelines.batch import Batch, EvidenceFile, evidence_files, history
from audit_pipelines.home import Home

Key = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Snapshot:
    """The log after some batch, less what removals have taken since."""

    key: Key
    """What tells two readings of the manifests apart."""
    batches: tuple[Batch, ...]

    @cached_property
    def size(self) -> int:
        """Leaves of the events log."""
        return self.batches[-1].size if self.batches else 0

    @cached_property
    def files(self) -> tuple[EvidenceFile, ...]:
        """Every file that is still there, in leaf order."""
        return evidence_files(self.batches)

    @cached_property
    def rows(self) -> int:
        """Events that are still there."""
        return sum(file.rows for file in self.files)

    @cached_property
    def oldest(self) -> datetime | None:
        """The first event's time."""
        return min((file.oldest for file in self.files), default=None)

    @cached_property
    def newest(self) -> datetime | None:
        """The last event's time."""
        return max((file.newest for file in self.files), default=None)

    @cached_property
    def _days(self) -> dict[date, list[EvidenceFile]]:
        found: dict[date, list[EvidenceFile]] = {}
        for file in sorted(self.files, key=lambda file: file.day, reverse=True):
            found.setdefault(file.day, []).append(file)
        return found

    def at(self, size: int) -> "Snapshot":
        """The log as it was at ``size``, a batch's end.

        Raises:
            LookupError: it never ended there.
        """
        if size == self.size:
            return self
        batches = tuple(batch for batch in self.batches if batch.size <= size)
        if (batches[-1].size if batches else 0) != size:
            raise LookupError(size)
        return Snapshot(self.key, batches)

    def days(self, since: datetime | None, until: datetime | None, *, newest_first: bool) -> Iterator[list[EvidenceFile]]:
        """The files of each day that may have events of since <= time < until, a list a day, in order of the days."""
        found = self._days.items()
        for day, files in found if newest_first else reversed(found):
            if (since is None or day >= since.date()) and (until is None or day <= until.date()):
                near = [f for f in files if (since is None or f.newest >= since) and (until is None or f.oldest < until)]
                if near:
                    yield near

    def within(self, since: datetime | None, until: datetime | None) -> list[EvidenceFile]:
        """The files of ``days`` in one list."""
        return [file for files in self.days(since, until, newest_first=True) for file in files]

    def file_of(self, leaf: int) -> EvidenceFile | None:
        """The file that leaf ``leaf`` is in; None if there is none, or a purge has taken it."""
        at = bisect.bisect_right(self.files, leaf, key=lambda file: file.first) - 1
        file = self.files[at] if at >= 0 else None
        return file if file is not None and leaf < file.end else None

    def batch_of(self, leaf: int) -> Batch | None:
        """The batch that brought leaf ``leaf``."""
        at = bisect.bisect_right(self.batches, leaf, key=lambda batch: batch.size)
        return self.batches[at] if leaf >= 0 and at < len(self.batches) else None


class Catalog:
    """The home's manifests, kept in memory. Safe to use from several threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._kept: Snapshot | None = None

    def now(self) -> Snapshot:
        """The log as it is now: a few ms after a night, nothing otherwise.

        Raises:
            LakeError: a manifest is missing or damaged.
        """
        key = _key((self._home.batches, self._home.removals))
        kept = self._kept
        if kept is not None and kept.key == key:
            return kept
        with self._lock:
            kept = self._kept
            if kept is None or kept.key != key:
                kept = Snapshot(key, history(self._home))
                self._kept = kept
            return kept


def _key(folders: Sequence[Path]) -> Key:
    """Manifests are renamed into place, which changes their folder's mtime; the inode in case a folder is replaced."""
    found = []
    for folder in folders:
        try:
            status = folder.stat()
            found.append((status.st_ino, status.st_mtime_ns))
        except FileNotFoundError:
            found.append((0, 0))
    return tuple(found)
