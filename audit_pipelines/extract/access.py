"""The source kind ``access``: what was read through ``serve``, one NDJSON file a day and process in ``state/access``.

A running ``serve`` appends to the file of today while it is read, so that file counts only up to its last
line feed; the line that is being written waits for the next run. A file of an earlier day is not written any
more: a line torn by a kill is given as it is, and becomes a reject. What does not belong here: writing
the files (``serve``), and removing them once they are sealed (``defs``).
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import BinaryIO

from audit_pipelines.batch import Reading
from audit_pipelines.errors import SourceError
from audit_pipelines.extract.compressed import CHUNK
from audit_pipelines.extract.ndjson import Lines
from audit_pipelines.home import Home
from audit_pipelines.record import Block, Finished, Piece
from audit_pipelines.settings import ACCESS

_BACK = 64 << 10
"""Bytes that are looked at at once for the last line feed."""


class AccessSource:
    """The access log of a home.

    Args:
        home: whose.
        seen: (size, mtime in ns) of finished readings by path; unchanged files are skipped.
        today: the UTC date of the run; files of it, or of a later day, are still written to.
    """

    def __init__(self, home: Home, seen: Mapping[str, tuple[int, int]], today: date) -> None:
        self._home, self._seen, self._today = home, seen, today

    def covers(self, days: Sequence[date], today: date) -> tuple[tuple[date, date], ...]:
        """All days before today: what was read through ``serve`` is here or was stored before."""
        del days
        return ((date(1970, 1, 1), today - timedelta(days=1)),)

    def read(self, days: Sequence[date]) -> Iterator[Piece]:
        """Every line of every file that is new or has changed.

        Raises:
            SourceError: ``unreadable``: after all others were read, with the names of those that could not be.
        """
        del days
        unreadable = []
        for path in files(self._home):
            try:
                yield from self._file(path)
            except OSError as error:
                unreadable.append(f"{self._home.relative(path)} ({error.strerror or type(error).__name__})")
        if unreadable:
            what = f"{len(unreadable)} of its files could not be read: {'; '.join(unreadable[:10])}"
            todo = "make them readable for this account; the next run reads them"
            raise SourceError(what, where=f"source {ACCESS!r}", todo=todo, kind="unreadable")

    def _file(self, path: Path) -> Iterator[Piece]:
        origin = self._home.relative(path)
        day = day_of(path)
        with open(path, "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            state = (status.st_size, status.st_mtime_ns)
            if self._seen.get(origin) == state:
                return
            growing = day is not None and day >= self._today
            end = _last_line_end(file, state[0]) if growing else state[0]
            digest, records = hashlib.sha256(), 0
            for piece in Lines(origin).cut(_chunks(file, end, digest)):
                records += len(piece.records) if isinstance(piece, Block) else 1
                yield piece
            reading = Reading(origin=origin, sha256=digest.hexdigest(), bytes=end, records=records)
            # Only a whole reading is remembered: a torn line that nobody finishes is looked at again tomorrow.
            yield Finished(reading=reading, mark=(origin, *state) if end == state[0] else None)


def files(home: Home) -> list[Path]:
    """The files of the access log that are there, in the order of their names."""
    return sorted(path for path in home.access.glob("*.ndjson") if path.is_file()) if home.access.is_dir() else []


def day_of(path: Path) -> date | None:
    """The day that a file is named after; None: ``serve`` has not named it."""
    try:
        return date.fromisoformat(path.name.partition(".")[0])
    except ValueError:
        return None


def _last_line_end(file: BinaryIO, size: int) -> int:
    """How many of the first ``size`` bytes are whole lines."""
    at = size
    while at:
        start = max(0, at - _BACK)
        found = os.pread(file.fileno(), at - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def _chunks(file: BinaryIO, end: int, digest: "hashlib._Hash") -> Iterator[bytes]:
    """The first ``end`` bytes; what is appended meanwhile is left."""
    while end > 0 and (data := file.read(min(CHUNK, end))):
        end -= len(data)
        digest.update(data)
        yield data
