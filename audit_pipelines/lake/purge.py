"""Purge: what is past its source's retention, as a plan to be looked at and a removal to be committed.

Whole files only: an evidence file goes when its newest event is past the limit. With it go its Parquet, the
drop files that have any of its events, and the findings of days of which no evidence is left; reject files
go by the time of their batch. A legal hold keeps everything of its source and days. What does not belong
here: committing and deleting (``taking``), the policy (``retention``), holds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from audit_pipelines.batch import Batch, EvidenceFile, evidence_files
from audit_pipelines.home import Home
from audit_pipelines.lake.taking import commit_removal, delete, drop_files, findings_files, is_deleted
from audit_pipelines.removal import Removal, Taken, removals
from audit_pipelines.retention import Policy, is_past, limit

__all__ = ["Plan", "Share", "commit_removal", "delete", "is_deleted", "plan"]

Held = Callable[[str | None, date], bool]
"""Whether a hold keeps a source's day."""


@dataclass(frozen=True, slots=True)
class Share:
    """What goes of one source."""

    source: str
    months: int
    limit: date
    """First day that is kept."""
    files: int
    events: int
    bytes: int
    """Of the evidence files, as they lie on disk."""
    days: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A dry run: nothing has been changed."""

    removal: Removal | None
    """To be committed; None: nothing is past its limit."""
    shares: tuple[Share, ...]
    held: int
    """Evidence and reject files past their limit that a hold keeps."""

    @property
    def files(self) -> int:
        """Evidence files that go."""
        return sum(share.files for share in self.shares)

    @property
    def events(self) -> int:
        return sum(share.events for share in self.shares)

    @property
    def bytes(self) -> int:
        return sum(share.bytes for share in self.shares)

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(sorted({day for share in self.shares for day in share.days}))

    def count(self, what: str) -> int:
        """Files of one kind (``Taken.what``) that go."""
        return sum(entry.what == what for entry in self.removal.taken) if self.removal else 0


def plan(home: Home, batches: Sequence[Batch], policy: Policy, at: datetime, held: Held, *, approver: str = "policy") -> Plan:
    """What a purge at the moment ``at`` (aware) would take; reads manifests, drop manifests and findings files only.

    Raises:
        LakeError: a removal or a drop manifest is damaged.
    """
    past = [file for file in evidence_files(batches) if is_past(file.newest, at, policy.months_for(file.source))]
    going = [file for file in past if not held(file.source, file.day)]
    old = [batch for batch in batches if _rejects_past(batch, policy, at)]
    rejects = [batch for batch in old if not _rejects_held(batch, held)]
    taken = [
        *(_evidence(file, policy, at) for file in going),
        *(_rejects(batch, policy, at) for batch in rejects),
        *findings_files(home, batches, _emptied(batches, going)),
        *_drops(home, batches, going),
    ]
    number = len(removals(home)) + 1
    removal = Removal(number=number, kind="purge", at=at, approver=approver, ground="retention", taken=tuple(taken))
    return Plan(removal if taken else None, _shares(going, policy, at), len(past) - len(going) + len(old) - len(rejects))


def _evidence(file: EvidenceFile, policy: Policy, at: datetime) -> Taken:
    months = policy.months_for(file.source)
    return Taken(
        what="evidence",
        path=file.path,
        sha256=file.sha256,
        events=file.events,
        source=file.source,
        day=file.day,
        first=file.first,
        count=file.count,
        newest=file.newest,
        months=months,
        limit=limit(at, months),
    )


def _rejects(batch: Batch, policy: Policy, at: datetime) -> Taken:
    assert batch.rejects is not None
    months = _longest(batch, policy)
    return Taken(
        what="rejects",
        path=batch.rejects.path,
        sha256=batch.rejects.sha256,
        count=batch.rejects.count,
        newest=batch.extracted_at,
        months=months,
        limit=limit(at, months),
    )


def _longest(batch: Batch, policy: Policy) -> int:
    """A reject has no time of its own: it stays as long as anything that came with it may."""
    return max((policy.months_for(result.name) for result in batch.sources), default=policy.months)


def _rejects_past(batch: Batch, policy: Policy, at: datetime) -> bool:
    there = batch.rejects is not None and not batch.rejects.purged
    return there and is_past(batch.extracted_at, at, _longest(batch, policy))


def _rejects_held(batch: Batch, held: Held) -> bool:
    """A hold on any source and day of the batch keeps its rejects: it may be about them."""
    days = {batch.extracted_at.date(), *(day.day for day in batch.days)}
    return any(held(result.name, day) for result in batch.sources for day in days)


def _emptied(batches: Sequence[Batch], going: Iterable[EvidenceFile]) -> set[date]:
    """Days of which no evidence is left."""
    paths = {file.path for file in going}
    left = {file.day for file in evidence_files(batches) if file.path not in paths}
    return {file.day for file in going} - left


def _drops(home: Home, batches: Sequence[Batch], going: Iterable[EvidenceFile]) -> list[Taken]:
    firsts = {file.first: file.day for file in going}
    pairs = [(batch, file.day) for batch in batches for file in batch.evidence if file.first in firsts]
    once = {(batch.seq, day): (batch, day) for batch, day in pairs}
    return [entry for batch, day in once.values() for entry in drop_files(home, batches, batch, day)]


def _shares(going: Sequence[EvidenceFile], policy: Policy, at: datetime) -> tuple[Share, ...]:
    shares = []
    for source in sorted({file.source for file in going}):
        files, months = [file for file in going if file.source == source], policy.months_for(source)
        rows, size = sum(file.rows for file in files), sum(file.bytes for file in files)
        days = tuple(sorted({file.day for file in files}))
        shares.append(Share(source, months, limit(at, months), len(files), rows, size, days))
    return tuple(shares)
