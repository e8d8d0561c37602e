"""The source kind ``files``: a folder or a glob of JSON files, plain or compressed.

A run reads every file that has changed since its last finished reading, whatever days it holds. Formats:
NDJSON, a JSON list, an object that holds a list, a lone object. What does not belong here: how each is
cut (``ndjson``, ``documents``) and what a record means (``lake``, dialects).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from audit_pipelines import settings
from audit_pipelines.batch import Reading
from audit_pipelines.errors import SourceError
from audit_pipelines.extract import documents, ndjson, paths
from audit_pipelines.extract.beginning import Beginning
from audit_pipelines.extract.compressed import DamagedError, Disk, open_stream
from audit_pipelines.record import Block, Dialect, Finished, Piece, Refusal


class FilesSource:
    """Files of one folder or glob.

    Args:
        source: settings; ``path`` and ``records_key`` are used.
        root: the home, which relative paths are relative to.
        dialect: an object with one of its time keys is a record itself.
        seen: (size, mtime in ns) of finished readings by path; unchanged files are skipped.
        limit: longest line and document in bytes.
    """

    def __init__(
        self,
        source: settings.Source,
        root: Path,
        dialect: Dialect,
        seen: Mapping[str, tuple[int, int]],
        *,
        limit: int = ndjson.LIMIT,
    ) -> None:
        self._source, self._root, self._dialect, self._seen = source, root, dialect, seen
        self._limit = limit

    def covers(self, days: Sequence[date], today: date) -> tuple[tuple[date, date], ...]:
        """All days before today: files give all they have."""
        del days
        return ((date(1970, 1, 1), today - timedelta(days=1)),)

    def read(self, days: Sequence[date]) -> Iterator[Piece]:
        """Every record of every file that is new or has changed.

        Raises:
            SourceError: ``missing``: nothing to read at ``path``; ``unreadable``: after all others were
                read, with the names of those that could not be.
        """
        del days
        assert self._source.path is not None  # settings check it
        found, unreadable = paths.find(self._root, self._source.path)
        for path in found:
            try:
                yield from self._file(path)
            except OSError as error:
                unreadable.append(f"{self._origin(path)} ({error.strerror or type(error).__name__})")
        if unreadable:
            names = "; ".join(unreadable[:10]) + ("; ..." if len(unreadable) > 10 else "")
            what = f"{len(unreadable)} of its files could not be read: {names}"
            todo = "make them readable for this account; the next run reads them"
            raise SourceError(what, where=f"source {self._source.name!r}", todo=todo, kind="unreadable")

    def _origin(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix() if path.is_relative_to(self._root) else path.as_posix()

    def _file(self, path: Path) -> Iterator[Piece]:
        origin = self._origin(path)
        with open(path, "rb", buffering=0) as file, Disk(file) as disk:
            before = _state(file.fileno())
            if self._seen.get(origin) == before:
                return
            records, whole = 0, True
            try:
                for piece in self._pieces(open_stream(disk, path.name), origin):
                    records += len(piece.records) if isinstance(piece, Block) else 1
                    yield piece
            except DamagedError as error:
                whole, records = False, records + 1
                reason = f"damaged file {origin} of {before[0]} bytes: {error}; replace it, the next run reads it again"
                yield Refusal(raw=error.rest, origin=origin, position=error.position, reason=reason)
            disk.drain()
            unchanged = whole and before == _state(file.fileno()) and disk.size == before[0]
            reading = Reading(origin=origin, sha256=disk.sha256(), bytes=disk.size, records=records)
            yield Finished(reading=reading, mark=(origin, *before) if unchanged else None)

    def _pieces(self, chunks: Iterator[bytes], origin: str) -> Iterator[Block | Refusal]:
        """Tell documents from NDJSON by the beginning, then cut."""
        beginning = Beginning(chunks, limit=self._limit)
        if not beginning.is_document():
            yield from ndjson.Lines(origin, limit=self._limit).cut(beginning.chunks())
            return
        data = beginning.document(self._limit)
        if len(data) > self._limit:
            reason = f"a document of more than {self._limit} bytes; split it or write it as NDJSON; only its beginning is kept"
            yield Refusal(raw=data[: ndjson.KEPT], origin=origin, position=1, reason=reason)
        else:
            key = self._source.records_key
            yield from documents.cut(data, origin, time_keys=self._dialect.time_keys, records_key=key)


def _state(descriptor: int) -> tuple[int, int]:
    """Size and mtime in ns: what tells that a file has changed."""
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
