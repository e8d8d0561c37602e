"""Replaying rejects: what today's dialects can read becomes events of a new batch; the reject is kept.

What does not belong here: deciding that a dialect has been mended (the operator's).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from audit_pipelines.batch import Batch
from audit_pipelines.home import Home
from audit_pipelines.lake.rejects import Reject, read_all
from audit_pipelines.lake.sieve import Fault, Sieve
from audit_pipelines.record import Block, Dialect, Piece


@dataclass(frozen=True, slots=True)
class RejectSource:
    """The rejects of one source that can now be read, as a source of their own (``record.Source``)."""

    rejects: Sequence[Reject] = field(default_factory=tuple)

    def read(self, days: Sequence[date]) -> Iterator[Piece]:  # noqa: ARG002 - the protocol's
        for reject in self.rejects:
            raw = reject.raw
            yield Block(raw, [raw], [reject.position], reject.origin)

    def covers(self, days: Sequence[date], today: date) -> tuple[tuple[date, date], ...]:  # noqa: ARG002
        """None: a reject says nothing of whole days."""
        return ()


def unresolved(home: Home, batches: Sequence[Batch]) -> list[Reject]:
    """Rejects that are still there and that no replay has turned into events."""
    done = {identity for batch in batches for identity in batch.replayed}
    return [reject for reject in read_all(home, batches) if reject.identity not in done and not reject.is_erased]


def readable(rejects: Sequence[Reject], dialect: Dialect) -> list[Reject]:
    """Those that ``dialect`` can read today."""
    sieve = Sieve(dialect)
    return [reject for reject in rejects if _reads(sieve, reject.raw)]


def _reads(sieve: Sieve, raw: bytes) -> bool:
    try:
        sieve.examine(raw)
    except Fault:
        return False
    return b"\n" not in raw
