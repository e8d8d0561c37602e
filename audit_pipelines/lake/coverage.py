"""Which days a source has given in full, by the manifests: the difference between a quiet day and a gap."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from audit_pipelines.batch import Batch, EvidenceFile
from audit_pipelines.settings import ACCESS

Span = tuple[date, date]
"""First and last day, both included."""
_DAY = timedelta(days=1)


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same days in the fewest spans."""
    merged: list[Span] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + _DAY:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def covered(batches: Iterable[Batch], source: str) -> tuple[Span, ...]:
    """Days that ``source`` has given in full."""
    return merge(span for batch in batches for result in batch.sources if result.name == source for span in result.covers)


def has(spans: Sequence[Span], day: date) -> bool:
    """Whether ``day`` is in one of ``spans``."""
    return any(low <= day <= high for low, high in spans)


def missing(spans: Sequence[Span], first: date, last: date) -> tuple[Span, ...]:
    """The spans of days from ``first`` to ``last`` that no span has."""
    gaps, at = [], first
    for low, high in spans:
        if high < at:
            continue
        if low > last:
            break
        if low > at:
            gaps.append((at, low - _DAY))
        at = high + _DAY
    if at <= last:
        gaps.append((at, last))
    return tuple(gaps)


def is_late(earlier: Sequence[Batch], file: EvidenceFile) -> bool:
    """Whether one of the batches before had events of the file's source and day, or had the day in full.

    The access log is read while its day goes on: of it only the latter counts.
    """
    if has(covered(earlier, file.source), file.day):
        return True
    before = (other for batch in earlier for other in batch.evidence if other.source == file.source != ACCESS)
    return any(other.day == file.day for other in before)
