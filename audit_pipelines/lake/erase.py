"""Erasure: single records are taken out of the home, and the proof of all others stays whole.

In a new evidence file the line of an erased record is ``!`` and its leaf's hash; the other lines are the same
bytes. The Parquet is made again from it. Findings of the touched days and drop files that have the rows go
too. What does not belong here: committing and deleting (``taking``), and refusing the event when a source
offers it again (``erased``).
"""

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb
import msgspec
import zstandard

from audit_pipelines.batch import Batch, EvidenceFile, RejectFile, evidence_files
from audit_pipelines.durable import make_folder
from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.lake import rejects as rejects_module
from audit_pipelines.lake.derive import prepare
from audit_pipelines.lake.erased import Digest
from audit_pipelines.lake.evidence import RECORD_AT, EvidenceWriter, erased_line, read_lines
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.lake.rederive import check_digest, check_identity, derive_file
from audit_pipelines.lake.taking import commit_removal, delete, drop_files, findings_file, is_deleted
from audit_pipelines.record import Dialect
from audit_pipelines.removal import Removal, Taken, removals

__all__ = ["commit_removal", "delete", "erase", "is_deleted"]


@dataclass(frozen=True, slots=True)
class _Row:
    """An event to be erased."""

    uid: str
    identity: str
    """``<source>/<event_id>``."""
    leaf: int


@dataclass(slots=True)
class _Work:
    """What one erasure shares."""

    home: Home
    batches: Sequence[Batch]
    connection: duckdb.DuckDBPyConnection
    number: int
    dialect_of: Callable[[str], Dialect]
    folder: Path
    pairs: list[tuple[Path, Path]]
    records: defaultdict[str, set[bytes]]
    """Source -> erased records."""


def erase(
    home: Home,
    batches: Sequence[Batch],
    uids: Sequence[str],
    *,
    at: datetime,
    ground: str,
    approver: str,
    digest: Digest,
    dialect_of: Callable[[str], Dialect],
    with_rejects: Sequence[str] = (),
    announce: Callable[[Removal], None] = lambda _removal: None,
) -> Removal:
    """Erase the events ``uids`` and the rejects ``with_rejects`` and commit the removal; nothing is deleted yet.

    Rejects of the same source with the bytes of an erased record go with it. The caller holds the lock and has recovered.

    Args:
        home: the home.
        batches: all committed batches, as ``batch.history`` gives them.
        uids: uids of events.
        at: the moment.
        ground: why, for the statement.
        approver: who said so.
        digest: the keyed digest (``erased.digester``).
        dialect_of: gives the dialect of a name.
        with_rejects: identities of rejects.
        announce: told the removal just before it is committed.

    Raises:
        LakeError: there is no such event or reject, or a file is damaged; nothing was committed.
    """
    if not uids and not with_rejects:
        raise LakeError("nothing is named that could be erased", where="erase", todo="name uids or rejects")
    number = len(removals(home)) + 1
    folder = make_folder(home.staging / "erase")
    connection = connect(memory="1GB", spill=home.staging / "spill")
    try:
        prepare(connection)
        work = _Work(home, batches, connection, number, dialect_of, folder, [], defaultdict(set))
        rows = _find(work, uids)
        removal = Removal(
            number=number,
            kind="erasure",
            at=at,
            approver=approver,
            ground=ground,
            taken=tuple(_taken(work, rows, with_rejects)),
            erased=tuple(sorted({digest(row.identity) for row in rows})),
            check=digest("") if rows else None,
        )
        announce(removal)
        commit_removal(home, removal, work.pairs)
    finally:
        connection.close()
        shutil.rmtree(folder, ignore_errors=True)
    return removal


def _taken(work: _Work, rows: Sequence[_Row], identities: Sequence[str]) -> list[Taken]:
    """Every file that the erasure replaces or deletes; the new ones are staged."""
    taken = [_evidence(work, batch, file, leaves) for batch, file, leaves in _touched(work.batches, rows)]
    taken += _rejects(work, identities)
    return [*taken, *_findings(work, rows), *_drops(work, rows)]


def _find(work: _Work, uids: Sequence[str]) -> list[_Row]:
    if not uids:
        return []
    relate(work.connection, work.home, evidence_files(work.batches))
    sql = "SELECT uid, source || '/' || event_id, leaf_index FROM events WHERE list_contains($uids, uid) ORDER BY leaf_index"
    rows = [_Row(*row) for row in work.connection.execute(sql, {"uids": list(uids)}).fetchall()]
    unknown = sorted(set(uids) - {row.uid for row in rows})
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        todo = "uids stand in the column uid; erased and purged events have none"
        raise LakeError(f"there is no event {unknown[0]!r}{more}", where="erase", todo=todo)
    return rows


def _touched(batches: Sequence[Batch], rows: Sequence[_Row]) -> Iterator[tuple[Batch, EvidenceFile, list[int]]]:
    """Each file with erased leaves, in leaf order."""
    for batch in batches:
        for file in batch.evidence:
            leaves = [row.leaf for row in rows if file.first <= row.leaf < file.end]
            if leaves:
                yield batch, file, leaves


def _evidence(work: _Work, batch: Batch, file: EvidenceFile, leaves: Sequence[int]) -> Taken:
    """Stage the new evidence file and its Parquet."""
    home, old = work.home, work.home.root / file.path
    check_digest(old, file.sha256)
    staged, parquet = work.folder / f"{file.first}.zst", work.folder / f"{file.first}.parquet"
    lines = frozenset(leaf - file.first for leaf in leaves)
    sha256, size, frames = _rewrite(work, file, old, staged, lines)
    path = home.evidence(file.source, file.day, file.first, file.count, erasure=work.number)
    events = home.events(file.source, file.day, file.first, file.count, erasure=work.number)
    new = msgspec.structs.replace(file, sha256=sha256, bytes=size, frames=frames, erased=tuple(sorted({*file.erased, *lines})))
    dialect = work.dialect_of(file.dialect)
    derive_file(work.connection, batch, new, dialect, evidence=staged, staged=parquet)
    check_identity(work.connection, home.root / file.events, parquet, dialect, erased=new.erased)
    work.pairs += [(staged, path), (parquet, events)]
    return Taken(
        what="evidence",
        path=file.path,
        sha256=file.sha256,
        events=file.events,
        source=file.source,
        day=file.day,
        first=file.first,
        count=file.count,
        new_path=home.relative(path),
        new_events=home.relative(events),
        new_sha256=sha256,
        new_bytes=size,
        frames=frames,
        leaves=tuple(leaves),
    )


def _rewrite(
    work: _Work, file: EvidenceFile, old: Path, staged: Path, erased: frozenset[int]
) -> tuple[str, int, tuple[tuple[int, int], ...]]:
    """The file without the records of ``erased`` lines: (SHA-256, bytes, frames)."""
    with ThreadPoolExecutor(1, thread_name_prefix="zstd") as pool:
        writer = EvidenceWriter(staged, bytes, pool)  # no line gets a new salt
        try:
            for lines in read_lines(old):
                at = writer.lines
                for number in sorted(line - at for line in erased if at <= line < at + len(lines)):
                    work.records[file.source].add(lines[number][RECORD_AT:])
                    lines[number] = erased_line(lines[number])
                writer.write_lines(lines)
        except BaseException:
            writer.abandon()
            raise
        return writer.close()


def _rejects(work: _Work, identities: Sequence[str]) -> list[Taken]:
    """Stage the reject files anew in which a reject is named, or has the bytes of an erased record."""
    wanted, taken = set(identities), []
    for batch in work.batches:
        if batch.rejects is None or batch.rejects.purged:
            continue
        kept = list(rejects_module.read(work.home, batch.rejects))
        going = {entry.identity for entry in kept if not entry.is_erased and _goes(work, entry, identities)}
        wanted -= going
        if going:
            new = [entry.erased() if entry.identity in going else entry for entry in kept]
            taken.append(_new_rejects(work, batch.seq, batch.rejects, new))
    if wanted:
        raise LakeError(f"there is no reject {min(wanted)!r}", where="erase", todo="see: audit-pipelines rejects")
    return taken


def _goes(work: _Work, entry: rejects_module.Reject, identities: Sequence[str]) -> bool:
    """What is read as an event today may have been a reject once."""
    return entry.identity in identities or entry.raw.replace(b"\r", b" ") in work.records[entry.source]


def _new_rejects(work: _Work, seq: int, file: RejectFile, entries: Sequence[rejects_module.Reject]) -> Taken:
    content = zstandard.ZstdCompressor(level=rejects_module.LEVEL, write_checksum=True).compress(
        b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
    )
    staged, path = work.folder / f"rejects-{seq}", work.home.rejects(seq, erasure=work.number)
    staged.write_bytes(content)
    work.pairs.append((staged, path))
    return Taken(
        what="rejects",
        path=file.path,
        sha256=file.sha256,
        count=file.count,
        new_path=work.home.relative(path),
        new_sha256=hashlib.sha256(content).hexdigest(),
        new_bytes=len(content),
    )


def _findings(work: _Work, rows: Sequence[_Row]) -> list[Taken]:
    """Findings of the touched days, and those of later days whose lookback names an erased event."""
    days = {file.day for _, file, _ in _touched(work.batches, rows)}
    uids, found = [row.uid for row in rows], []
    for batch in work.batches if days else ():
        for day in batch.days:
            path = work.home.findings(day.day, batch.seq)
            if path.is_file() and (day.day in days or _names(work, path, uids)):
                found.append(findings_file(work.home, path, day.day))
    return found


def _names(work: _Work, path: Path, uids: Sequence[str]) -> bool:
    sql = "SELECT count(*) FROM read_parquet($path, hive_partitioning = false) WHERE list_has_any(uids, $uids)"
    try:
        ((hits,),) = work.connection.execute(sql, {"path": str(path), "uids": list(uids)}).fetchall()
    except duckdb.Error:
        return True  # it cannot be read: it is made again
    return bool(hits)


def _drops(work: _Work, rows: Sequence[_Row]) -> list[Taken]:
    leaves: defaultdict[tuple[int, date], list[int]] = defaultdict(list)
    for batch, file, some in _touched(work.batches, rows):
        leaves[batch.seq, file.day] += some
    return [
        entry
        for batch in work.batches
        for day in batch.days
        if (batch.seq, day.day) in leaves
        for entry in drop_files(work.home, work.batches, batch, day.day, leaves[batch.seq, day.day])
    ]
