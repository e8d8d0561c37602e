"""The access log's files: one line an access, on the disk before anybody sees the answer.

``state/access/<day>.<instance>.ndjson``: the day is that of the record (UTC), the instance a random name, so that
each file has one writer, which only appends. Concurrent requests share one write and one fsync (group commit). A
line that could not be made durable is cut off again where that is possible, and the next one goes into a new file.
What does not belong here: what a record says (``access``).
"""

import asyncio
import contextlib
import os
import secrets
from pathlib import Path

from audit_pipelines.durable import make_folder, sync_folder

_Waiting = tuple[str, bytes, "asyncio.Future[None]"]


class Journal:
    """The one writer of this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._instance = secrets.token_hex(4)
        self._day = ""
        self._descriptor: int | None = None
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def append(self, day: str, line: bytes) -> None:
        """Add ``line`` to the file of ``day`` (ISO date); returns once it is durable.

        Raises:
            OSError: it is not, and the answer must not be given.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((day, line + b"\n", done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        """Write what waits until nothing does; whoever comes during a write is in the next one."""
        while self._waiting:
            day = self._waiting[0][0]
            batch = [one for one in self._waiting if one[0] == day]
            self._waiting = [one for one in self._waiting if one[0] != day]
            failure: OSError | None = None
            try:
                await asyncio.to_thread(self._write, day, b"".join(line for _, line, _ in batch))
            except OSError as error:
                failure = error
            for _, _, done in batch:
                if done.done():  # its request was given up
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    def _write(self, day: str, lines: bytes) -> None:
        if self._descriptor is None or day != self._day:
            self._begin(day)
        descriptor = self._descriptor
        assert descriptor is not None
        before = os.fstat(descriptor).st_size
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)
            self.close()
            self._instance = secrets.token_hex(4)
            raise

    def _begin(self, day: str) -> None:
        """Open the file of ``day``, and make its name durable."""
        self.close()
        make_folder(self._folder)
        path = self._folder / f"{day}.{self._instance}.ndjson"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._day = day
        try:
            sync_folder(self._folder)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; the next line opens one again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
