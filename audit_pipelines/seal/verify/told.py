"""Statements logs by name: the present one, and those that a restore set aside.

A drop, a report's proof or a token was made when its log was the present one; it is compared with that one.
What does not belong here: verifying them (``verify``, ``old``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from audit_pipelines.seal import statements as st
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.seal.verify.heads import Heads


@dataclass(frozen=True, slots=True)
class Told:
    """One statements log that was read and verified; what is looked up often is worked out once."""

    origin: str
    """Its name."""
    ledger: Ledger
    entries: Sequence[bytes]
    heads: Heads
    size: int
    roots: Mapping[int, bytes]
    """As they were signed, by size."""
    batches: Mapping[int, tuple[int, st.Batch]]
    """Batch statements by number, each with its index."""
    reports: Mapping[tuple[str, int], tuple[int, st.Report]]
    """Report statements by month and revision, each with its index."""

    @classmethod
    def of(cls, ledger: Ledger, entries: Sequence[bytes], heads: Heads) -> Self:
        """The log that these were read from."""
        origin = f"{ledger.genesis.origin}/{heads.name}"
        return cls(origin, ledger, entries, heads, heads.size, heads.roots, ledger.batches(), ledger.reports())

    @property
    def anchors(self) -> Path:
        """Tokens and cosignatures of its checkpoints."""
        return self.heads.folder.parent / "anchors"


def named(told: Sequence[Told], origin: str) -> Told | None:
    """The log of that name."""
    return next((log for log in told if log.origin == origin), None)
