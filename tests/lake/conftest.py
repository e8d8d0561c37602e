"""A small lake over records held in memory: a source is a list of pieces, chance and clock are arguments."""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from audit_pipelines import batch as manifest
from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.errors import SourceError
from audit_pipelines.home import Home
from audit_pipelines.lake.evidence import RECORD_AT, read_lines
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.lake.run import Circumstances, Feed, Outcome, take
from audit_pipelines.record import Block, Dialect, Piece, parse_dialect

NOW = datetime(2026, 1, 20, 2, tzinfo=UTC)
HEADER = "-- id: id\n-- time: t\n-- unit: ms\n-- objects: o\n-- arrays: a\n"
SELECT = """SELECT line, event_id, occurred_at, NULL AS org_id, record ->> '$.c' AS category,
  record ->> '$.action' AS action, record ->> '$.outcome' AS outcome, record ->> '$.kind' AS actor_type, NULL AS actor_id,
  NULL AS actor_name, NULL AS actor_email, CAST([] AS STRUCT("type" VARCHAR, id VARCHAR, "name" VARCHAR)[]) AS targets,
  record ->> '$.ip' AS source_ip, NULL AS user_agent,
  CAST([] AS STRUCT(field VARCHAR, "before" VARCHAR, "after" VARCHAR)[]) AS changes,
  NULL AS api_key_id, NULL AS session_id, NULL AS request_id FROM records"""

CALLS = ("rename", "fsync", "unlink", "rmdir")
"""What makes a file durable or removes it: every step of publication is one of these system calls."""


@dataclass
class Pieces:
    """A source of what it was given; fails at the end if told to."""

    pieces: Sequence[Piece]
    spans: tuple[tuple[date, date], ...] = ()
    failure: SourceError | None = None

    def read(self, days: Sequence[date]) -> Iterator[Piece]:
        yield from self.pieces
        if self.failure is not None:
            raise self.failure

    def covers(self, days: Sequence[date], today: date) -> tuple[tuple[date, date], ...]:
        return self.spans


def counted_salts() -> Callable[[int], bytes]:
    """Salts of a run that can be had again: the bytes of a hash chain."""
    numbers = itertools.count()
    return lambda size: b"".join(hashlib.sha256(b"%d" % next(numbers)).digest() for _ in range(size // 32 + 1))[:size]


@dataclass
class Lake:
    """A home under test, with what a test asks of it again and again."""

    home: Home
    dialect: Dialect = field(default_factory=lambda: parse_dialect("plain", HEADER + SELECT, where="test"))
    source: str = "src"

    def record(self, event_id: object = None, day: int = 5, second: int = 0, **members: object) -> bytes:
        """One record of January 2026; without ``event_id`` it has none."""
        made = {"t": f"2026-01-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z", **members}
        return json.dumps(made if event_id is None else {"id": event_id, **made}, separators=(",", ":")).encode()

    def block(self, records: Sequence[bytes], origin: str = "memory") -> Block:
        return Block(b"\n".join(records), list(records), range(1, len(records) + 1), origin)

    def run(
        self,
        *blocks: Sequence[bytes] | Piece,
        asked: Sequence[int] = (),
        covers: Sequence[int] | None = None,
        failure: SourceError | None = None,
        source: str | None = None,
        now: datetime = NOW,
        replayed: Sequence[str] = (),
        salts: Callable[[int], bytes] | None = None,
    ) -> Outcome:
        """One run over one source that gives ``blocks`` (lists of records, or pieces)."""
        pieces = [self.block(piece) if isinstance(piece, list | tuple) else piece for piece in blocks]
        days = [date(2026, 1, day) for day in asked]
        spans = tuple((date(2026, 1, day), date(2026, 1, day)) for day in (asked if covers is None else covers))
        feed = Feed(source or self.source, "files", self.dialect, lambda: Pieces(pieces, spans, failure))
        return self.run_feeds([feed], days, now=now, replayed=replayed, salts=salts)

    def run_feeds(
        self,
        feeds: Sequence[Feed],
        days: Sequence[date] = (),
        *,
        now: datetime = NOW,
        replayed: Sequence[str] = (),
        salts: Callable[[int], bytes] | None = None,
    ) -> Outcome:
        circumstances = Circumstances("run", now, salts or counted_salts(), "0.0", {"library": "1"})
        return take(self.home, self.batches(), feeds, days, circumstances, replayed=replayed)

    def batches(self) -> tuple[Batch, ...]:
        return manifest.history(self.home)

    def files(self) -> tuple[EvidenceFile, ...]:
        return manifest.evidence_files(self.batches())

    def stored(self) -> list[bytes]:
        """Every stored record in leaf order."""
        return [line[RECORD_AT:] for file in self.files() for lines in read_lines(self.home.root / file.path) for line in lines]

    def rows(self, columns: str = "uid") -> list[tuple[object, ...]]:
        """Rows of the relation ``events`` in leaf order."""
        connection = connect(memory="200MB", threads=1)
        try:
            relate(connection, self.home, self.files())
            return connection.execute(f"SELECT {columns} FROM events ORDER BY leaf_index").fetchall()
        finally:
            connection.close()

    def uids(self) -> list[str]:
        return [str(uid) for (uid,) in self.rows()]

    def tree(self) -> dict[str, str]:
        """Digest of every file outside ``state/``, by name."""
        return {
            self.home.relative(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.home.root.rglob("*"))
            if path.is_file() and not self.home.relative(path).startswith("state/")
        }


def sums(outcome: Outcome) -> tuple[int, int, int, int, int, int]:
    """(records, events, duplicates, conflicts, rejects, known rejects) of the first source."""
    result = outcome.sources[0]
    return (result.records, result.events, result.duplicates, result.conflicts, result.rejects, result.known_rejects)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    root = tmp_path / "home"
    root.mkdir()
    return Lake(Home(root))


@pytest.fixture(scope="session")
def new_lake(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Lake]:
    """A fresh lake for each call (hypothesis examples)."""
    return lambda: Lake(Home(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session", name="sums")
def _sums() -> Callable[[Outcome], tuple[int, int, int, int, int, int]]:
    return sums


class Died(BaseException):
    """Stands for SIGKILL: nothing in the program may catch it (``tests/defs`` has the signal itself)."""


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], int]:
    """``dying(n, act)`` runs ``act`` and dies before its n-th call; gives the number of calls made."""

    def run(number, act):
        made = 0

        def counted(name):
            real = getattr(os, name)

            def call(*arguments, **options):
                nonlocal made
                made += 1
                if made >= number:  # at the n-th and, should someone go on, at all later ones
                    raise Died(name)
                return real(*arguments, **options)

            return call

        with monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, counted(name))
            try:
                act()
            except Died:
                return made
        return made

    return run
