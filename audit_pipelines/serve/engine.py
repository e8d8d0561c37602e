"""A DuckDB that can read the events of one home and nothing else, with limits of time, rows and memory.

Statements are this program's own; what comes from a request is a bound parameter, file lists included. Only the
home's ``events`` folder can be opened, extensions cannot be loaded, and the configuration is locked, so that not
even a slip in a statement reaches another file. What does not belong here: which files and statements.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import duckdb

from audit_pipelines.batch import EvidenceFile
from audit_pipelines.home import Home
from audit_pipelines.lake.read import connect

AT_ONCE: Final = 4
"""Statements that run at the same time; others wait their turn."""


Params = Mapping[str, Any]
Row = tuple[Any, ...]


class QueryTimeout(Exception):  # noqa: N818 - an answer to the request, not a fault of the program
    """The statement took longer than a request may, or did not get its turn."""


class FilesChanged(Exception):  # noqa: N818 - a removal came between; the same request works again
    """A file that the manifests named is gone."""


class Engine:
    """The connection of one process; statements run on cursors of their own.

    Args:
        home: whose events.
        memory: DuckDB's limit, e.g. ``"1GB"``; a statement that needs more fails.
        seconds: how long one statement may run, and how long it may wait before.
        threads: worker threads; by default all cores.
    """

    def __init__(self, home: Home, *, memory: str, seconds: float, threads: int | None = None) -> None:
        self._home, self._seconds = home, seconds
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._connection = connect(memory=memory, threads=threads)
        events = str(home.root.resolve() / "events")
        self._connection.execute("SET parquet_metadata_cache = true")  # footers of immutable files
        self._connection.execute("SET temp_directory = ''")  # nothing is spilled: the home is only read
        self._connection.execute(f"SET allowed_directories = ['{events.replace(chr(39), chr(39) * 2)}']")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    @property
    def limit(self) -> float:
        """Seconds that one statement may run."""
        return self._seconds

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()

    def paths(self, files: Sequence[EvidenceFile]) -> list[str]:
        """The Parquet of ``files``, for ``$files``."""
        root = self._home.root.resolve()
        return [str(root / file.events) for file in files]

    def ask(self, statement: str, files: Sequence[EvidenceFile], params: Params) -> list[Row]:
        """All rows of a statement (``sql.over``); none if there are no files.

        Raises:
            QueryTimeout: it took too long.
            FilesChanged: a file is gone since the manifests were read; read them again.
        """
        if not files:
            return []
        with self._running() as cursor:
            return cursor.execute(statement, {**params, "files": self.paths(files)}).fetchall()

    @contextlib.contextmanager
    def _running(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor while its turn lasts."""
        if not self._turns.acquire(timeout=self._seconds):
            raise QueryTimeout("did not get its turn, for too many run at once")
        timer = None
        try:
            cursor = self._connection.cursor()
            timer = threading.Timer(self._seconds, cursor.interrupt)
            timer.daemon = True
            timer.start()
            try:
                yield cursor
            finally:
                timer.cancel()
                cursor.close()
        except duckdb.InterruptException:
            raise QueryTimeout(f"took longer than {self._seconds:g} s") from None
        except duckdb.OutOfMemoryException:
            raise QueryTimeout("needs more memory than one request may have") from None
        except duckdb.IOException as error:
            raise FilesChanged(str(error).splitlines()[0]) from None
        finally:
            self._turns.release()
