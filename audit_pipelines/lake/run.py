"""One run over all sources: from records to a committed batch.

The manifest is the commit point. What a crash leaves: before the manifest, staged files and at most files
that ``state/intent.json`` names (``recover`` removes both); after it, a whole batch. What does not belong
here: one source's records (``intake``), the order of the stages (``defs``).
"""

import itertools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from audit_pipelines import batch as manifest
from audit_pipelines.batch import Batch, SourceResult
from audit_pipelines.durable import make_folder
from audit_pipelines.errors import SourceError
from audit_pipelines.home import Home
from audit_pipelines.lake import commit
from audit_pipelines.lake.chunks import Chunks, Deriver
from audit_pipelines.lake.coverage import covered, has
from audit_pipelines.lake.derive import Origin
from audit_pipelines.lake.erased import ErasedIds
from audit_pipelines.lake.evidence import Salts
from audit_pipelines.lake.intake import Intake, Progress, Removed
from audit_pipelines.lake.known import IdCache, StoredRecords
from audit_pipelines.lake.read import connect
from audit_pipelines.lake.rejects import RejectWriter
from audit_pipelines.lake.sieve import Sieve
from audit_pipelines.record import Dialect, Source
from audit_pipelines.removal import removals

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Feed:
    """One source, ready to be read."""

    name: str
    kind: str
    dialect: Dialect
    open: Callable[[], Source]
    """May raise SourceError, e.g. for a missing token."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything that chance and the clock decide, as arguments: the same ones give the same bytes."""

    run_id: str
    now: datetime
    """Becomes ``extracted_at``; UTC."""
    salts: Salts
    code: str
    versions: dict[str, str]

    @property
    def today(self) -> date:
        return self.now.date()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    batch: Batch | None
    """None: nothing new, no file was changed."""
    sources: tuple[SourceResult, ...]
    marks: dict[str, tuple[tuple[str, int, int], ...]]
    """Finished files by source, to be skipped by the next run."""

    @property
    def errors(self) -> dict[str, str]:
        return {result.name: result.error for result in self.sources if result.error}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What all sources of one run share."""

    home: Home
    batches: Sequence[Batch]
    circumstances: Circumstances
    rejects: RejectWriter
    days: Sequence[date]
    progress: Progress
    memory: str
    erased: ErasedIds


_Part = tuple[Intake, Chunks, SourceResult, Feed]


def take(
    home: Home,
    batches: Sequence[Batch],
    feeds: Sequence[Feed],
    days: Sequence[date],
    circumstances: Circumstances,
    *,
    progress: Progress = lambda _source, _records, _bytes: None,
    memory: str = "600MB",
    replayed: Sequence[str] = (),
) -> Outcome:
    """Read ``feeds`` for ``days`` and commit what is new. The caller holds the lock and has recovered.

    Args:
        home: where the batch goes.
        batches: all committed batches.
        feeds: the sources.
        days: days asked for.
        circumstances: clock, chance and versions.
        progress: told (source, records, bytes) after each block.
        memory: DuckDB's limit for the derivation.
        replayed: identities of rejects that this run turns into events.

    Raises:
        LakeError: a file of the lake is damaged, or the counts do not add up; nothing was committed.
    """
    erased = ErasedIds(home, removals(home))
    make_folder(home.staging / "run")
    rejects = RejectWriter(home.staging / "run" / "rejects", home, batches)
    parts = _read_all(_Plan(home, batches, circumstances, rejects, days, progress, memory, erased), feeds)
    results = tuple(_result(intake, result) for intake, _, result, _ in parts)
    marks = {intake.source: tuple(intake.marks) for intake, _, _, _ in parts}
    asked = _newly_covered(batches, results, days)
    if not asked and not replayed and rejects.count == 0 and not any(result.events for result in results):
        commit.clear(home)
        return Outcome(None, results, marks)
    staged = [(feed, chunk) for _, chunks, _, feed in parts for chunk in chunks]
    batch = commit.commit(home, batches, staged, results, asked, rejects, circumstances, replayed)
    _remember(home, batch, parts)
    return Outcome(batch, results, marks)


def _read_all(plan: _Plan, feeds: Sequence[Feed]) -> list[_Part]:
    """Every source into staged chunks; after a failure all threads have ended and all files are closed."""
    parts: list[_Part] = []
    begun: list[Chunks] = []
    numbers = itertools.count().__next__
    connection = connect(memory=plan.memory, spill=plan.home.staging / "spill")
    with ThreadPoolExecutor(1, thread_name_prefix="zstd") as pool:
        deriver = Deriver(connection)
        try:
            for feed in feeds:
                intake, chunks = _begin(plan, feed, numbers, pool, deriver)
                begun.append(chunks)
                parts.append((intake, chunks, _read(plan, feed, intake, chunks), feed))
            deriver.finish()
        except BaseException:
            deriver.stop()
            for chunks in begun:
                chunks.abandon()
            plan.rejects.abandon()
            raise
        finally:
            connection.close()
    return parts


def _begin(
    plan: _Plan, feed: Feed, numbers: Callable[[], int], pool: ThreadPoolExecutor, deriver: Deriver
) -> tuple[Intake, Chunks]:
    given, home = plan.circumstances, plan.home
    origin = Origin(feed.name, feed.dialect, given.now, "", given.code)
    chunks = Chunks(home.staging / "run", numbers, origin, salts=given.salts, pool=pool, deriver=deriver)
    files = [file for file in manifest.evidence_files(plan.batches) if file.source == feed.name]
    stored = StoredRecords(home, files, chunks)
    index = IdCache(home, feed.name).load(plan.batches)
    removed = Removed(plan.erased, manifest.purged_days(plan.batches, feed.name))
    return Intake(feed.name, Sieve(feed.dialect), index, stored, chunks, plan.rejects, removed), chunks


def _read(plan: _Plan, feed: Feed, intake: Intake, chunks: Chunks) -> SourceResult:
    """Read one source to its end or its error; what came before an error is kept."""
    error: str | None = None
    covers: tuple[tuple[date, date], ...] = ()
    try:
        source = feed.open()
        for piece in source.read(plan.days):
            intake.take(piece)
            plan.progress(feed.name, intake.counts["records"], len(getattr(piece, "data", b"")))
        covers = source.covers(plan.days, plan.circumstances.today)
    except SourceError as failure:
        error = str(failure)
        log.warning("source %s: %s", feed.name, error)  # the run ends with it, in its own words
    chunks.finish()
    intake.check()
    return SourceResult(
        name=feed.name, kind=feed.kind, dialect=feed.dialect.name, dialect_sha256=feed.dialect.sha256, covers=covers, error=error
    )


def _result(intake: Intake, result: SourceResult) -> SourceResult:
    counts = intake.counts
    return SourceResult(
        name=result.name,
        kind=result.kind,
        dialect=result.dialect,
        dialect_sha256=result.dialect_sha256,
        records=counts["records"],
        events=counts["events"],
        duplicates=counts["duplicates"],
        conflicts=counts["conflicts"],
        rejects=counts["rejects"],
        known_rejects=counts["known_rejects"],
        erased=counts["erased"],
        expired=counts["expired"],
        mistyped=counts["mistyped"],
        covers=result.covers,
        error=result.error,
        readings=tuple(intake.readings),
    )


def _newly_covered(batches: Sequence[Batch], results: Sequence[SourceResult], days: Sequence[date]) -> tuple[date, ...]:
    """The asked days that some source has now given for the first time."""
    new: set[date] = set()
    for result in results:
        before = covered(batches, result.name)
        new |= {day for day in days if has(result.covers, day) and not has(before, day)}
    return tuple(sorted(new))


def _remember(home: Home, batch: Batch, parts: Sequence[_Part]) -> None:
    """Extend the id caches. A crash here costs only the time to make them again."""
    for intake, chunks, _, _ in parts:
        commit.remember_ids(home, batch, intake.source, list(chunks))


def versions() -> dict[str, str]:
    """Versions of the libraries that the bytes of evidence and Parquet depend on."""
    import platform

    import msgspec
    import pyarrow as pa
    import zstandard

    return {
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "pyarrow": pa.__version__,
        "msgspec": msgspec.__version__,
        "zstandard": zstandard.__version__,
    }
