"""What the operator's page says beyond ``status``: the last runs with their durations, and the disk.

The disk is told without a long walk: evidence and log from what manifests say, other folders file by file up to a
limit, after which the page says that there is more. What does not belong here: how the pipeline stands
(``defs.standing``), and the page.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from audit_pipelines.defs.runs import RunEntry, book_of
from audit_pipelines.home import Home
from audit_pipelines.serve.catalog import Snapshot

RUNS: Final = 20
"""Runs that are shown."""
GROWTH: Final = timedelta(days=30)
WALKED: Final = 20_000
"""Files of one folder that are looked at."""
_WHAT: Final = {
    "evidence": "what the sources said",
    "events": "Parquet of the events",
    "log": "tiles and checkpoints",
    "drops": "files for the SIEM",
    "reports": "issued reports",
    "findings": "what the rules found",
    "rejects": "what could not be read",
    "batches": "manifests",
    "state": "indexes, Dagster, access log",
}
_LEAF: Final = 32 * 256 / 255
"""Bytes of a leaf in the tiles, with its share of the levels above."""


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run."""

    entry: RunEntry
    dagster: str
    """Its page in Dagster; empty where ``serve.dagster_url`` is not set."""

    @property
    def seconds(self) -> float:
        return (self.entry.finished - self.entry.started).total_seconds()


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of the home."""

    name: str
    what: str
    size: int
    """Bytes."""
    grown: int
    """Bytes of the last 30 days."""
    whole: bool
    """False: it has more files than were looked at, so that both are at least this."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The home's disk."""

    folders: tuple[Folder, ...]
    """Largest first."""
    total: int
    free: int

    @property
    def used(self) -> int:
        """Bytes of the home."""
        return sum(folder.size for folder in self.folders)

    @property
    def grown(self) -> int:
        """Bytes that the last 30 days have added."""
        return sum(folder.grown for folder in self.folders)

    @property
    def lasts(self) -> int | None:
        """Days until the disk is full, if it goes on like this; None = longer than ten years."""
        daily = self.grown / GROWTH.days
        days = int(self.free / daily) if daily > 0 else 3651
        return days if days <= 3650 else None


def runs(home: Home, dagster_url: str) -> list[Run]:
    """The last runs, newest first."""
    base = dagster_url.rstrip("/")
    return [Run(entry, f"{base}/runs/{entry.run_id}" if base else "") for entry in reversed(book_of(home)[-RUNS:])]


def disk(home: Home, log: Snapshot, now: datetime) -> Disk:
    """How much there is, and what the last 30 days have added."""
    since = now - GROWTH
    folders = [_evidence(log, since), _log(log, since)]
    folders += [_walked(home.root / name, since) for name in _WHAT if name not in ("evidence", "log")]
    there = sorted((folder for folder in folders if folder.size), key=lambda folder: -folder.size)
    usage = shutil.disk_usage(home.root)
    return Disk(tuple(there), usage.total, usage.free)


def _evidence(log: Snapshot, since: datetime) -> Folder:
    sizes = [(file.bytes, batch.extracted_at >= since) for batch in log.batches for file in batch.evidence if not file.purged]
    return Folder("evidence", _WHAT["evidence"], sum(size for size, _ in sizes), sum(size for size, new in sizes if new), True)


def _log(log: Snapshot, since: datetime) -> Folder:
    """Reckoned from the number of leaves: a year of a large home has more tiles than a page may count."""
    new = sum(batch.size - batch.first for batch in log.batches if batch.extracted_at >= since)
    return Folder("log", _WHAT["log"], int(log.size * _LEAF), int(new * _LEAF), True)


def _walked(folder: Path, since: datetime) -> Folder:
    size = grown = count = 0
    edge = since.timestamp()
    for status in _files(folder):
        count += 1
        if count > WALKED:
            break
        size += status.st_size
        grown += status.st_size if status.st_mtime >= edge else 0
    return Folder(folder.name, _WHAT[folder.name], size, grown, count <= WALKED)


def _files(folder: Path) -> Iterator[os.stat_result]:
    """The files below ``folder``; what vanishes meanwhile is left out, links are not followed."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        with contextlib.suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry.stat(follow_symlinks=False)
