"""Writing files so that a crash leaves the old state or the new one, never half of one.

Every file of a home goes through here: written under another name on the same file system, fsynced,
renamed, its folder fsynced (POSIX rename(2) is atomic; the name survives a power cut only after the
folder's fsync). What does not belong here: what the files mean.
"""

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, cast

_FEW: Final = 32


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> Path:
    """Create ``folder`` and its parents, mode 0750, each name made durable."""
    missing = []
    current = folder
    while not current.exists():
        missing.append(current)
        current = current.parent
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o750)
        sync_folder(path.parent)
    return folder


def sync_file(path: Path) -> None:
    """Make the bytes of a finished file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_many(paths: Sequence[Path]) -> None:
    """``sync_file`` for many files of one file system: beyond a few, one syncfs(2) costs less than an fsync each."""
    syncfs = _syncfs() if len(paths) > _FEW else None
    if syncfs is None:
        for path in paths:
            sync_file(path)
        return
    descriptor = os.open(paths[0], os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(paths[0].parent))
    finally:
        os.close(descriptor)


@functools.cache
def _syncfs() -> "Callable[[int], int] | None":
    """syncfs(2), where the system has it (Linux); it reports write errors since Linux 5.8."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return cast("Callable[[int], int] | None", call)


def publish(staged: Path, final: Path, *, mode: int = 0o640) -> None:
    """Give a finished, staged file its final name, durably.

    A crash before the rename leaves ``staged`` (removed by the next run), after it the whole file.
    """
    os.chmod(staged, mode)
    sync_file(staged)
    make_folder(final.parent)
    os.rename(staged, final)
    sync_folder(final.parent)


def publish_all(pairs: list[tuple[Path, Path]], *, mode: int = 0o640) -> None:
    """``publish`` for many files: all bytes are synced before the first rename, folders once."""
    for staged, _ in pairs:
        os.chmod(staged, mode)
        sync_file(staged)
    for staged, final in pairs:
        make_folder(final.parent)
        os.rename(staged, final)
    for folder in sorted({final.parent for _, final in pairs}):
        sync_folder(folder)


def write_atomically(final: Path, content: bytes, *, staging: Path, mode: int = 0o640) -> None:
    """Write ``content`` to ``final`` by way of ``staging`` (a folder on the same file system)."""
    make_folder(staging)
    staged = staging / f"{final.name}.{os.getpid()}.part"
    with open(staged, "wb") as file:
        file.write(content)
    publish(staged, final, mode=mode)


@contextlib.contextmanager
def exclusive_umask(mask: int = 0o027) -> Iterator[None]:
    """Files made inside are unreadable for others (audit data is personal data)."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
