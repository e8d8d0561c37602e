"""Committing a run or an erasure: final names, then the manifest; and clearing up after what did not get there.

Order and what a crash leaves: (1) ``state/intent.json`` names the files to come; (2) evidence, Parquet and
rejects are synced and renamed; (3) the manifest is renamed: the batch exists; (4) the intent is removed.
Before (3) the next run removes what the intent names, after it only the intent. Files that neither an
intent nor a manifest names are never touched: they may be evidence from a backup.
"""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Container, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit_pipelines import batch as manifest
from audit_pipelines.batch import Batch, DayCount, EvidenceFile, SourceResult
from audit_pipelines.durable import make_folder, publish_all, sync_folder, write_atomically
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.lake.chunks import Chunk
from audit_pipelines.lake.coverage import is_late
from audit_pipelines.lake.known import IdCache
from audit_pipelines.lake.rejects import RejectWriter

if TYPE_CHECKING:
    from audit_pipelines.lake.run import Circumstances, Feed

log = logging.getLogger(__name__)


def commit(
    home: Home,
    batches: Sequence[Batch],
    staged: "Sequence[tuple[Feed, Chunk]]",
    results: Sequence[SourceResult],
    asked: Sequence[date],
    rejects: RejectWriter,
    circumstances: "Circumstances",
    replayed: Sequence[str] = (),
) -> Batch:
    """Give the staged files their final names and write the manifest.

    Raises:
        LakeError: the batch does not reconcile; nothing was committed.
    """
    seq = len(batches) + 1
    first = batches[-1].size if batches else 0
    evidence, pairs = _place(home, staged, first)
    reject_file = rejects.close(home.rejects(seq))
    if reject_file is not None:
        pairs.append((home.staging / "run" / "rejects", home.root / reject_file.path))
    batch = Batch(
        seq=seq,
        run_id=circumstances.run_id,
        extracted_at=circumstances.now,
        code=circumstances.code,
        versions=circumstances.versions,
        asked=tuple(asked),
        first=first,
        size=evidence[-1].end if evidence else first,
        days=_days(batches, evidence, asked),
        sources=_late(batches, evidence, results),
        evidence=evidence,
        rejects=reject_file,
        replayed=tuple(replayed),
    )
    reconcile(batch)
    publish_batch(home, batch, pairs)
    return batch


def publish_batch(home: Home, batch: Batch, pairs: list[tuple[Path, Path]]) -> None:
    """Steps 1 to 4.

    Raises:
        LakeError: a final name is taken by a file that no manifest names; nothing was committed.
    """
    publish_named(home, pairs, home.batch(batch.seq), manifest.encode(batch), {file.events for file in batch.evidence})


def publish_named(home: Home, pairs: list[tuple[Path, Path]], last: Path, content: bytes, derived: Container[str]) -> None:
    """Give the staged files their names, then write ``content`` to ``last``: the commit point.

    A file left over under a name in ``derived`` is replaced; any other is in the way.
    """
    for _, final in pairs:
        if home.relative(final) not in derived and final.exists():
            todo = "no manifest names it: it may be from a newer backup; restore its manifest too, or move it away"
            raise LakeError("a file is in the way", where=str(final), todo=todo)
    intent = home.state / "intent.json"
    names = [home.relative(final) for _, final in pairs]
    write_atomically(intent, json.dumps(names).encode(), staging=home.staging)
    publish_all(pairs)
    write_atomically(last, content, staging=home.staging)
    clear(home)


def recover(home: Home, batches: Sequence[Batch]) -> list[str]:
    """Clear up after a run that was killed; the caller holds the lock. The names of removed files."""
    removed = []
    intent = home.state / "intent.json"
    try:
        named = [str(name) for name in _names_in(intent.read_bytes())]
    except FileNotFoundError:
        named = []
    except (OSError, ValueError):
        todo = "files it named may be left over; status lists them"
        log.warning("%s: cannot be read (%s)", intent, todo)
        named = []
    committed = {name for batch in batches for name in _names(batch)}
    for name in named:
        path = home.root / name
        if name not in committed and path.is_file():
            path.unlink()
            sync_folder(path.parent)
            removed.append(name)
    clear(home)
    if removed:
        log.warning("removed %d files of a run that was not committed", len(removed))
    return removed


def _names_in(content: bytes) -> list[object]:
    named = json.loads(content)
    if not isinstance(named, list):
        raise ValueError("no list of names")
    return [name for name in named if str(name).startswith(("evidence/", "events/", "rejects/")) and ".." not in str(name)]


def clear(home: Home) -> None:
    """Empty the staging folder and forget the intent."""
    shutil.rmtree(home.staging, ignore_errors=True)
    make_folder(home.staging)
    (home.state / "intent.json").unlink(missing_ok=True)


def _names(batch: Batch) -> list[str]:
    names = [name for file in batch.evidence for name in (file.path, file.events)]
    return [*names, batch.rejects.path] if batch.rejects else names


def _place(
    home: Home, staged: "Sequence[tuple[Feed, Chunk]]", first: int
) -> tuple[tuple[EvidenceFile, ...], list[tuple[Path, Path]]]:
    """Leaf ranges and final names, in leaf order: by source, day and chunk."""
    files, pairs = [], []
    for feed, chunk in staged:
        evidence = home.evidence(feed.name, chunk.day, first, chunk.lines)
        events = home.events(feed.name, chunk.day, first, chunk.lines)
        pairs += [(chunk.evidence, evidence), (chunk.parquet, events)]
        files.append(
            EvidenceFile(
                source=feed.name,
                day=chunk.day,
                path=home.relative(evidence),
                events=home.relative(events),
                dialect=feed.dialect.name,
                first=first,
                count=chunk.lines,
                sha256=chunk.sha256,
                bytes=chunk.bytes,
                oldest=chunk.oldest,
                newest=chunk.newest,
                frames=chunk.frames,
                conflicts=tuple(chunk.conflicts),
                copies=tuple(chunk.copies),
            )
        )
        first += chunk.lines
    return tuple(files), pairs


def _days(batches: Sequence[Batch], evidence: Sequence[EvidenceFile], asked: Sequence[date]) -> tuple[DayCount, ...]:
    events: Counter[date] = Counter()
    late: Counter[date] = Counter()
    for file in evidence:
        events[file.day] += file.count
        late[file.day] += file.count if is_late(batches, file) else 0
    return tuple(DayCount(day=day, events=events[day], late=late[day]) for day in sorted({*events, *asked}))


def _late(
    batches: Sequence[Batch], evidence: Sequence[EvidenceFile], results: Sequence[SourceResult]
) -> tuple[SourceResult, ...]:
    import msgspec

    late: Counter[str] = Counter()
    for file in evidence:
        late[file.source] += file.count if is_late(batches, file) else 0
    return tuple(msgspec.structs.replace(result, late=late[result.name]) for result in results)


def reconcile(batch: Batch) -> None:
    """The sums that must hold before a batch may exist.

    Raises:
        LakeError: they do not.
    """
    faults = []
    stored = sum(file.count for file in batch.evidence)
    if sum(result.events for result in batch.sources) != stored or batch.size - batch.first != stored:
        faults.append(f"{sum(result.events for result in batch.sources)} events, {stored} lines of evidence")
    if sum(day.events for day in batch.days) != stored:
        faults.append(f"{sum(day.events for day in batch.days)} events by day, {stored} lines of evidence")
    if sum(result.rejects for result in batch.sources) != (batch.rejects.count if batch.rejects else 0):
        faults.append("rejects counted and rejects kept differ")
    starts = [batch.first, *(file.end for file in batch.evidence)]
    if any(before != file.first for before, file in zip(starts, batch.evidence, strict=False)):
        faults.append("the leaf ranges leave a gap")
    if any(later <= earlier for earlier, later in pairwise(day.day for day in batch.days)):
        faults.append("days are not in order")
    if faults:
        todo = "this is a fault of the program: nothing was committed, please report it"
        raise LakeError("; ".join(faults), where=f"batch {batch.seq}", todo=todo)


def remember_ids(home: Home, batch: Batch, source: str, chunks: Sequence[Chunk]) -> None:
    """Add the batch's ids of one source to its cache."""
    files = [file for file in batch.evidence if file.source == source]
    if not files:
        return
    hashes = np.concatenate([part for chunk in chunks for part in chunk.hashes])
    locators = np.concatenate([np.arange(file.first, file.end, dtype=np.int64) for file in files])
    IdCache(home, source).save(batch, hashes, locators)
