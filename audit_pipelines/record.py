"""The seam between ``extract`` and ``lake``: records as they come, and the dialect that can read them.

A source yields ``Block``s of records, ``Refusal``s for bytes that are not even records, and one
``Finished`` for each file or response that it read to its end. What does not belong here: fetching
(``extract``), and deciding what is an event (``lake``).
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, Protocol

from audit_pipelines.batch import Reading
from audit_pipelines.errors import SettingsError

BLOCK_BYTES = 2 << 20
"""Records are handed on in blocks of about this size: large enough to be vectorised, small enough for
the caches (16 MiB blocks measured 24 % slower)."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some records in the order of their source."""

    data: bytes
    """Bytes that contain every record of the block: one UTF-8 check over them checks all."""
    records: list[bytes]
    """One JSON text each, without line ends at its edges, never empty."""
    positions: Sequence[int]
    """Position of each record in its origin: line number in NDJSON, ordinal in a list; from 1."""
    origin: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Bytes of a source that cannot be cut into records; they are kept as a reject."""

    raw: bytes
    origin: str
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """An origin was read to its end. ``mark`` lets the next run skip it while it is unchanged."""

    reading: Reading
    mark: tuple[str, int, int] | None = None
    """(path, size in bytes, mtime in ns) of a file."""


Piece = Block | Refusal | Finished


class Source(Protocol):
    """A configured origin of records.

    ``read`` may raise ``SourceError`` at any point: what it yielded before is kept, the run is partial.
    """

    def read(self, days: Sequence[date]) -> Iterator[Piece]:
        """The records of ``days`` (sources asked by day), or everything not yet read (files)."""
        ...

    def covers(self, days: Sequence[date], today: date) -> tuple[tuple[date, date], ...]:
        """Ranges of days, both ends included, that a ``read(days)`` which ended well has given in full."""
        ...


TimeUnit = Literal["s", "ms", "us"]
_HEADER = re.compile(r"^--[ \t]*(\w+):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read one kind of record: where its id and time are, and SQL for the other columns.

    The SQL selects from the relation ``records`` (line INTEGER, event_id VARCHAR, occurred_at TIMESTAMPTZ,
    record VARCHAR) and gives line, event_id, occurred_at, org_id, category, action, outcome, actor_type,
    actor_id, actor_name, actor_email, targets, source_ip, user_agent, changes, api_key_id, session_id,
    request_id. The lake adds uid, source, dialect, the first target's columns, extracted_at, canonical
    address texts, and the order.
    """

    name: str
    sql: str
    id_keys: tuple[str, ...]
    """Top-level members that may hold the id; the first that is present counts."""
    time_keys: tuple[str, ...]
    """Top-level members that may hold the time: RFC 3339 text, or a number in ``time_unit``s."""
    time_unit: TimeUnit
    objects: tuple[str, ...]
    """Top-level members that must be JSON objects or null, where present."""
    arrays: tuple[str, ...]
    """Top-level members that must be JSON arrays of objects or null, where present."""

    @property
    def sha256(self) -> str:
        """Digest of the dialect's file: which mapping made a column."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_dialect(name: str, folders: Sequence[Path]) -> Dialect:
    """Find ``<name>.sql`` in the first of ``folders`` that has it, and read its header.

    Raises:
        SettingsError: there is no such dialect, it cannot be read, or its header is incomplete.
    """
    for folder in folders:
        path = folder / f"{name}.sql"
        if path.is_file():
            return parse_dialect(name, _text(path), where=str(path))
    known = sorted({path.stem for folder in folders for path in folder.glob("*.sql")})
    raise SettingsError(f"no dialect {name!r}", where="audit.toml: sources.dialect", todo=f"there are: {', '.join(known)}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot be read: {error}", where=str(path), todo="make it readable UTF-8") from None


def parse_dialect(name: str, sql: str, *, where: str) -> Dialect:
    """Read a dialect from its text; header lines are ``-- key: value``."""
    header = dict(_HEADER.findall(sql))

    def names(key: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in header.get(key, "").split(",") if part.strip())

    unit = header.get("unit", "ms")
    if not names("time") or unit not in ("s", "ms", "us"):
        todo = "a dialect begins with: -- id: KEY / -- time: KEY / -- unit: s, ms or us / -- objects: / -- arrays:"
        raise SettingsError("incomplete header", where=where, todo=todo)
    keys = [key for line in ("id", "time", "objects", "arrays") for key in names(line)]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise SettingsError(f"{', '.join(twice)} stands twice in the header", where=where, todo="a member is one of the four")
    return Dialect(
        name=name,
        sql=sql,
        id_keys=names("id"),
        time_keys=names("time"),
        time_unit=unit,
        objects=names("objects"),
        arrays=names("arrays"),
    )
