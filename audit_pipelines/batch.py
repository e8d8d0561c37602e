"""The batch manifest: what one run added. A batch exists when its manifest does.

``batches/<seq>.json`` is written last, after every file it names, and never changed. It is the only list
of files that readers trust, together with the removals that came later: ``history`` gives the batches as
they are now, ``manifests`` as they were sealed. What does not belong here: making batches (``lake``).
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final, Literal

import msgspec

from audit_pipelines.errors import LakeError
from audit_pipelines.home import Home
from audit_pipelines.removal import Removal, evidence_after, rejects_after, removals

FORMAT = 1
"""The manifest's layout that this version writes and reads."""


class _Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the manifest's parts; unknown members of a newer minor version are ignored."""


class EvidenceFile(_Frozen, frozen=True, kw_only=True):
    """One pair of evidence file and Parquet: a contiguous range of leaves of one source and day."""

    source: str
    day: date
    path: str
    """The evidence file, relative to the home."""
    events: str
    """The Parquet derived from it, relative to the home."""
    dialect: str
    first: int
    """Leaf index of line 0."""
    count: int
    """Lines; leaf ``first + i`` is line ``i``."""
    sha256: str
    """Digest of the evidence file as it lies on disk."""
    bytes: int
    oldest: datetime
    newest: datetime
    frames: tuple[tuple[int, int], ...]
    """Byte offset and first line of each zstd frame: one record costs one frame."""
    conflicts: tuple[tuple[int, int], ...] = ()
    """(line, n): the record's uid is ``<source>/<event_id>~n``."""
    copies: tuple[tuple[int, int], ...] = ()
    """(line, n): the n-th further copy of a record without an id (content digest + ordinal n)."""
    purged: bool = False
    """Never in the manifest: the file is gone, only its leaves remain."""
    erased: tuple[int, ...] = ()
    """Never in the manifest: lines whose record is gone, in order; path, digest, bytes and frames are the new file's."""
    sealed: str = ""
    """Never in the manifest: the digest that stands there, where an erasure has replaced the file."""

    @property
    def end(self) -> int:
        """First leaf after this file."""
        return self.first + self.count

    @property
    def rows(self) -> int:
        """Events that are still there."""
        return 0 if self.purged else self.count - len(self.erased)


class Reading(_Frozen, frozen=True, kw_only=True):
    """One response or file as it was received: its digest proves what the records were cut from."""

    origin: str
    """File path or request, without secrets."""
    sha256: str
    bytes: int
    records: int


class SourceResult(_Frozen, frozen=True, kw_only=True):
    """What one source gave in this run.

    records = events + duplicates + rejects + known_rejects + erased + expired.
    """

    name: str
    kind: str
    dialect: str
    dialect_sha256: str
    records: int = 0
    events: int = 0
    """Stored now, conflicts and late ones included."""
    duplicates: int = 0
    """Same id and same bytes as a stored record: dropped."""
    conflicts: int = 0
    """Same id, other bytes: stored under a uid of its own."""
    rejects: int = 0
    """Kept in the batch's reject file."""
    known_rejects: int = 0
    """Kept by an earlier batch already."""
    erased: int = 0
    """Refused: an erasure has taken this event out of the home."""
    expired: int = 0
    """Refused: a purge has taken this day of the source out of the home."""
    late: int = 0
    """Events of a day that an earlier batch had covered."""
    mistyped: int = 0
    """Events with a member of an unexpected type; that column is NULL, the record is whole."""
    covers: tuple[tuple[date, date], ...] = ()
    """Ranges of days (both ends included) that the source has now given in full."""
    error: str | None = None
    """Why the source could not be read to its end, if so; the run is then partial."""
    readings: tuple[Reading, ...] = ()


class DayCount(_Frozen, frozen=True, kw_only=True):
    """One day that the batch touches: because it has events of it, or because it was asked for."""

    day: date
    events: int
    late: int = 0


class RejectFile(_Frozen, frozen=True, kw_only=True):
    """The batch's reject file."""

    path: str
    sha256: str
    bytes: int
    count: int
    purged: bool = False
    """Never in the manifest: the file is gone."""


_ADDED: Final = {"evidence": ("purged", "erased", "sealed"), "rejects": ("purged",)}
"""Members that readers see and the manifest never has."""


class Batch(_Frozen, frozen=True, kw_only=True):
    """One run's addition to the home."""

    format: int = FORMAT
    seq: int
    run_id: str
    extracted_at: datetime
    code: str
    """Version of audit-pipelines."""
    versions: dict[str, str]
    """Versions of the libraries that the bytes depend on."""
    asked: tuple[date, ...]
    """Days that this run was the first to cover."""
    first: int
    """Size of the events log before."""
    size: int
    """Size of the events log after."""
    days: tuple[DayCount, ...]
    """Days touched or first covered, in order; each gets findings and one drop a format."""
    sources: tuple[SourceResult, ...]
    evidence: tuple[EvidenceFile, ...]
    """In leaf order: the ranges tile [first, size)."""
    rejects: RejectFile | None = None
    replayed: tuple[str, ...] = ()
    """Identities of rejects that this batch turned into events."""

    def files(self, day: date) -> tuple[EvidenceFile, ...]:
        """The batch's files of one event day that are still there, in leaf order."""
        return tuple(file for file in self.evidence if file.day == day and not file.purged)

    def is_purged(self, day: date) -> bool:
        """Whether the batch had events of ``day`` and a purge has taken all of them."""
        files = [file for file in self.evidence if file.day == day]
        return bool(files) and all(file.purged for file in files)


def encode(batch: Batch) -> bytes:
    """The manifest's bytes: JSON, indented by one space for human readers, one final newline."""
    content = msgspec.to_builtins(batch)
    for member, added in _ADDED.items():
        part = content[member] or ()
        for entry in part if isinstance(part, list | tuple) else [part]:
            for name in added:
                del entry[name]
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def load(home: Home, seq: int) -> Batch:
    """Read one manifest.

    Raises:
        LakeError: it is missing or damaged.
    """
    path = home.batch(seq)
    try:
        batch = msgspec.json.decode(path.read_bytes(), type=Batch)
    except FileNotFoundError:
        raise LakeError("no such batch", where=str(path), todo="restore it from a backup") from None
    except (msgspec.MsgspecError, OSError, ValueError) as error:
        raise LakeError(f"damaged manifest: {error}", where=str(path), todo="restore it from a backup") from None
    if batch.format != FORMAT:
        todo = "use the version of audit-pipelines that wrote it"
        raise LakeError(f"manifest format {batch.format}, this version knows {FORMAT}", where=str(path), todo=todo)
    if batch.seq != seq:
        raise LakeError(f"is the manifest of batch {batch.seq}", where=str(path), todo="restore it from a backup")
    return _bare(batch)


def _bare(batch: Batch) -> Batch:
    """The manifest without members that only removals may give it."""
    bare = msgspec.structs.replace
    evidence = tuple(bare(file, purged=False, erased=(), sealed="") for file in batch.evidence)
    return bare(batch, evidence=evidence, rejects=bare(batch.rejects, purged=False) if batch.rejects else None)


def manifests(home: Home) -> tuple[Batch, ...]:
    """Every batch in order, as it was sealed: with files that a removal has taken since.

    Raises:
        LakeError: a manifest is missing or damaged, or the leaf ranges leave a gap.
    """
    found = sorted(int(path.stem) for path in home.batches.glob("*.json") if path.stem.isdecimal())
    batches = []
    for expected, seq in enumerate(found, start=1):
        if seq != expected:
            raise LakeError("a batch manifest is missing", where=str(home.batch(expected)), todo="restore it from a backup")
        batches.append(load(home, seq))
    size = 0
    for batch in batches:
        if batch.first != size:
            raise LakeError(f"starts at leaf {batch.first}, the log ends at {size}", where=str(home.batch(batch.seq)))
        size = batch.size
    return tuple(batches)


def history(home: Home) -> tuple[Batch, ...]:
    """Every batch in order, as it is now: less what removals have taken.

    Raises:
        LakeError: a manifest or a removal is missing or damaged, or they contradict one another.
    """
    return overlay(home, manifests(home), removals(home))


def overlay(home: Home, batches: Sequence[Batch], later: Sequence[Removal]) -> tuple[Batch, ...]:
    """``batches`` after the removals ``later``, in their order.

    Raises:
        LakeError: a removal names a file that is not there, or not as the manifests have it.
    """
    if not later:
        return tuple(batches)
    files = {file.path: file for batch in batches for file in batch.evidence}
    rejects = {batch.rejects.path: batch.rejects for batch in batches if batch.rejects}
    origins: dict[str, str] = {}
    for removal in later:
        for entry in removal.taken:
            origin = origins.get(entry.path, entry.path)
            if entry.what == "evidence":
                changes = evidence_after(home, removal, entry, files.get(origin))
                files[origin] = msgspec.structs.replace(files[origin], **changes)
            elif entry.what == "rejects":
                changes = rejects_after(home, removal, entry, rejects.get(origin))
                rejects[origin] = msgspec.structs.replace(rejects[origin], **changes)
            if entry.new_path:
                origins[entry.new_path] = origin
    return tuple(
        msgspec.structs.replace(
            batch,
            evidence=tuple(files[file.path] for file in batch.evidence),
            rejects=rejects[batch.rejects.path] if batch.rejects else None,
        )
        for batch in batches
    )


def purged_days(batches: Sequence[Batch], source: str | None = None) -> frozenset[date]:
    """Days that a purge has taken: of ``source``, or whole, with the events of every source."""
    gone = {file.day for batch in batches for file in batch.evidence if file.purged and source in (None, file.source)}
    if source is not None or not gone:
        return frozenset(gone)
    return frozenset(gone - {file.day for file in evidence_files(batches)})


def evidence_files(
    batches: Iterable[Batch], *, since: date | None = None, until: date | None = None, below: int | None = None
) -> tuple[EvidenceFile, ...]:
    """Files still there of the days since <= day < until, of leaves below ``below`` (a batch boundary), in leaf order."""
    return tuple(
        file
        for batch in batches
        for file in batch.evidence
        if not file.purged
        and (since is None or file.day >= since)
        and (until is None or file.day < until)
        and (below is None or file.end <= below)
    )


def kind_of(batches: Sequence[Batch], seq: int, day: date) -> Literal["b", "d"]:
    """``b`` if batch ``seq`` is the first that has ``day``, else ``d`` (a delta)."""
    earlier = (batch for batch in batches if batch.seq < seq)
    return "d" if any(entry.day == day for batch in earlier for entry in batch.days) else "b"
