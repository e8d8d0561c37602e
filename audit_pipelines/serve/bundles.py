"""Evidence bundles made on request, in a temporary folder outside the home, and gone when they are sent.

What does not belong here: what a bundle holds (``seal.bundle``), and for whom (``months``).
"""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from audit_pipelines.defs import bundling
from audit_pipelines.defs.monthfacts import Month
from audit_pipelines.errors import AuditError, SealError
from audit_pipelines.home import Home
from audit_pipelines.seal.bundle import Bundled, Scope

AT_ONCE: Final = 2
"""Bundles and verifications that are made at the same time: each reads a month's evidence."""
PIECE: Final = 1 << 18


class Busy(Exception):  # noqa: N818 - an answer to the request
    """As many bundles as may be are being made; the same request works later."""


class Bundles:
    """The bundles of one home. Safe to use from several threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    @contextlib.contextmanager
    def made(self, month: Month) -> Iterator[Bundled]:
        """The bundle of ``month`` while the block lasts.

        Raises:
            Busy: too many at once.
            SealError: nothing of the month is in the log, or there is no room for it.
            EvidenceError, LakeError: something is damaged.
        """
        if not self._turns.acquire(blocking=False):
            raise Busy
        try:
            with _scratch() as folder:
                yield self._make(month, Path(folder))
        finally:
            self._turns.release()

    def _make(self, month: Month, folder: Path) -> Bundled:
        scope = Scope("month", month.first, month.until)
        try:
            return bundling.bundle_read_only(self._home, scope, folder)
        except (AuditError, OSError):  # a removal that came between, perhaps: what is there now is then whole
            pass
        try:
            return bundling.bundle_read_only(self._home, scope, folder)
        except OSError as error:
            raise _no_room(error, folder) from None

    def opened(self, month: Month) -> tuple[Bundled, BinaryIO]:
        """The bundle as an open file without a name: however the answer ends, nothing is left behind; raises as ``made``."""
        with self.made(month) as bundled:
            return bundled, bundled.path.open("rb")


def _scratch() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="audit-bundle-", ignore_cleanup_errors=True)
    except OSError as error:
        raise _no_room(error, tempfile.gettempdir()) from None


def _no_room(error: OSError, where: str | Path) -> SealError:
    todo = "make room where temporary files go, or set TMPDIR to another folder"
    return SealError(f"the bundle cannot be packed: {error.strerror}", where=str(where), todo=todo)


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The content of ``file``, which is closed in the end."""
    with file:
        while piece := file.read(PIECE):
            yield piece
