"""Which files a ``path`` of audit.toml names: a folder with all below it, a glob, or one file.

What does not belong here: reading them (``files``).
"""

import glob
import os
from pathlib import Path

from audit_pipelines.errors import SourceError

ENDINGS = (".json", ".ndjson", ".jsonl", ".log", ".gz", ".zst")
_NOT_DATA = ("license", "licence", "readme", "copying", "notice")


def find(root: Path, path: str) -> tuple[list[Path], list[str]]:
    """Regular files in the order of their paths, and folders that could not be looked into.

    A folder gives the files below it with one of ``ENDINGS``, a glob (``**`` goes down) all it names.
    Hidden files and folders, licences and read-me files are left out of both.

    Args:
        root: what a relative ``path`` is relative to.
        path: the setting ``path`` of a source.

    Raises:
        SourceError: ``missing``: no such folder or file, or the glob names none.
    """
    start = root / path
    unreadable: list[str] = []
    if start.is_dir():
        found = [file for file in _below(start, unreadable) if file.name.lower().endswith(ENDINGS)]
    else:
        found = [start] if start.is_file() else [Path(name) for name in glob.glob(str(start), recursive=True)]  # noqa: PTH207  # pathlib's has no hidden-file rule
        if not found:
            todo = "correct path, or create the folder; an empty folder is no error"
            raise SourceError(
                "no such folder or file, and no file matches it as a glob", where=str(start), todo=todo, kind="missing"
            )
    return sorted(file for file in found if file.is_file() and not file.name.lower().startswith(_NOT_DATA)), unreadable


def _below(folder: Path, unreadable: list[str]) -> list[Path]:
    """All files below ``folder`` but hidden ones; links to folders are not followed."""

    def note(error: OSError) -> None:
        unreadable.append(f"{error.filename} ({error.strerror})")

    files = []
    for place, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(place, name) for name in names if not name.startswith(".")]
    return files
