"""The issued reports as they lie in the home: months, revisions, and every file of a revision with its digest.

A revision lists whatever its folder holds, so that what is added to reports later appears by itself. Files are
handed out by looking a requested name up in that list: no name from a request ever becomes a path. Digests are of
the bytes on disk and are compared with those that the log states. What does not belong here: making reports
(``defs.monthly``), and who may see them (``months``).
"""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from audit_pipelines.defs import monthly
from audit_pipelines.digest import sha256
from audit_pipelines.home import Home
from audit_pipelines.serve import months
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.statements import Inclusion, Statements

_FOLDER: Final = re.compile(r"r([1-9][0-9]{0,5})")
_MADE: Final = "report.json"
_HEAVY: Final = ("sections", "queries", "integrity")
"""Members of ``report.json`` that are large and stand in the PDF and in the file itself; they are not kept in memory."""


_TOLD: Final[dict[str, Any]] = {
    "file_name": "",
    "log_size": None,
    "period": {},
    "prepared_by": "",
    "classification": "",
    "identity": "",
    "figures": [],
    "change": None,
    "attachments": [],
}
"""Members that pages read, and what stands for them where a ``report.json`` has none."""
_Key = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class File:
    """One file of a revision."""

    name: str
    """Relative to the revision's folder, with ``/``."""
    path: Path
    size: int
    """Bytes."""
    sha256: str
    stated: str | None
    """The digest that the log states of it; None = the statement does not name it."""

    @property
    def altered(self) -> bool:
        """Whether it is another file than the log states."""
        return self.stated is not None and self.stated != self.sha256


@dataclass(frozen=True, slots=True)
class Revision:
    """One issued report."""

    month: str
    name: str
    """``r1`` and so on."""
    number: int
    issued: datetime
    """When its files were written, as the file system has it."""
    made: dict[str, Any]
    """``report.json`` without its chapters; every member of ``_TOLD`` is there. Of an altered one nothing is told."""
    files: tuple[File, ...]
    """Everything that the folder holds, in order of the names."""
    statement: Inclusion | None
    """Where the log states it; None = not yet."""
    missing: tuple[str, ...]
    """Files that the statement names and the folder has not."""

    def file(self, name: str) -> File | None:
        """The file of that name; None if the folder has none."""
        return next((file for file in self.files if file.name == name), None)

    @property
    def document(self) -> File | None:
        """The PDF of the report."""
        named = self.file(str(self.made["file_name"]))
        return named or next((file for file in self.files if file.name.endswith(".pdf")), None)

    @property
    def data(self) -> File | None:
        """``report.json``."""
        return self.file(_MADE)

    @property
    def sound(self) -> bool:
        """Whether the log states it, and every stated file is here unaltered."""
        good = self.statement is not None and not self.statement.fault and not self.missing
        return good and not any(file.altered for file in self.files)


class Revisions:
    """The reports of one home. Safe to use from several threads."""

    def __init__(self, home: Home, statements: Statements) -> None:
        self._home, self._statements = home, statements
        self._lock = threading.Lock()
        self._digests: dict[_Key, str] = {}
        self._parsed: dict[_Key, dict[str, Any]] = {}
        self._outdated: tuple[object, frozenset[str]] | None = None

    def months(self) -> list[str]:
        """Months with at least one issued revision, newest first."""
        folder = self._home.reports
        found = [path.name for path in folder.iterdir() if months.named(path.name)] if folder.is_dir() else []
        return sorted((name for name in found if self._folders(name)), reverse=True)

    def of(self, month: str) -> list[Revision]:
        """The revisions of ``month`` (a name that ``months.named`` knows), newest first.

        Raises:
            EvidenceError: the log of statements is damaged.
            OSError: a file cannot be read.
        """
        return [self._revision(month, number, path) for number, path in reversed(self._folders(month))]

    def newest(self, month: str) -> Revision | None:
        """The newest of ``of``; None where no report was issued."""
        folders = self._folders(month)
        return self._revision(month, *folders[-1]) if folders else None

    def file(self, month: str, revision: str, name: str) -> File | None:
        """One file of a revision by their names; None where there is none: the names are compared, never joined."""
        found = next(((number, path) for number, path in self._folders(month) if path.name == revision), None)
        return self._revision(month, *found).file(name) if found else None

    def outdated(self, log: Snapshot, today: date) -> frozenset[str]:
        """Months whose newest revision says something else than the log by now.

        Raises:
            EvidenceError: the log of statements is damaged.
        """
        key = (log.key, self._statements.head(), today, tuple(self.months()))
        with self._lock:
            if self._outdated is None or self._outdated[0] != key:
                self._outdated = key, _outdated(self._home, log, today)
            return self._outdated[1]

    def _folders(self, month: str) -> list[tuple[int, Path]]:
        """Revisions' folders by number; what ends in a link to elsewhere is none."""
        folder = self._home.reports / month
        if folder.is_symlink() or not folder.is_dir():
            return []
        named = [(match, path) for path in folder.iterdir() if (match := _FOLDER.fullmatch(path.name))]
        return sorted((int(match[1]), path) for match, path in named if not path.is_symlink() and (path / _MADE).is_file())

    def _revision(self, month: str, number: int, folder: Path) -> Revision:
        known = self._statements.ledger()
        index, statement = known.reports().get((month, number), (None, None)) if known else (None, None)
        prefix = f"{self._home.relative(folder)}/"
        stated = {item.path.removeprefix(prefix): item.sha256 for item in statement.files} if statement else {}
        files = tuple(File(name, path, size, self._sha256(path), stated.get(name)) for name, path, size in _listed(folder))
        altered = any(file.altered for file in files if file.name == _MADE)
        return Revision(
            month=month,
            name=folder.name,
            number=number,
            issued=datetime.fromtimestamp((folder / _MADE).stat().st_mtime, UTC),
            made=_TOLD if altered else self._made(folder / _MADE),
            files=files,
            statement=self._statements.inclusion(index) if index is not None else None,
            missing=tuple(sorted(stated.keys() - {file.name for file in files})),
        )

    def _sha256(self, path: Path) -> str:
        """The digest of a file; read once for as long as it is the same file."""
        key = _key(path)
        found = self._digests.get(key)
        if found is None:
            found = self._digests[key] = sha256(path)
        return found

    def _made(self, path: Path) -> dict[str, Any]:
        """``report.json``, as far as it is one: what is damaged is shown as such by its digest, not hidden by an error."""
        key = _key(path)
        if key not in self._parsed:
            try:
                made = json.loads(path.read_bytes())
            except ValueError:
                made = None
            kept = made if isinstance(made, dict) else {}
            self._parsed[key] = _TOLD | {name: value for name, value in kept.items() if name not in _HEAVY}
        return self._parsed[key]


def _key(path: Path) -> _Key:
    """What tells a file from any that was there before."""
    status = path.stat()
    return str(path), status.st_ino, status.st_size, status.st_mtime_ns


def _outdated(home: Home, log: Snapshot, today: date) -> frozenset[str]:
    try:
        return frozenset(f"{month:%Y-%m}" for month in monthly.outdated(home, log.batches, today))
    except (ValueError, KeyError, TypeError):  # a report.json is damaged: its digest says so on the month's page
        return frozenset()


def _listed(folder: Path) -> Iterator[tuple[str, Path, int]]:
    """Plain files below ``folder`` with their sizes; symbolic links and what they lead to are left out."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
    for path in paths:
        name = path.relative_to(folder).as_posix()
        if name.isprintable():  # any other name would be none in a header or an address
            yield name, path, path.stat().st_size
