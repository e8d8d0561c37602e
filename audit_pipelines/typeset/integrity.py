"""What the chapter on the log's integrity is computed from: heads, keys, and what the statements say of a month.

Plain frozen data that the caller gathers from statements below T (``Integrity.statements.size``). What does
not belong here: how it is printed (``chapter``) and where it is from (``defs``).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint whose signature the caller has verified."""

    size: int
    root: bytes
    text: str
    """The signed note, as it stands in the log."""

    @property
    def root_base64(self) -> str:
        """As the checkpoint has it."""
        return base64.b64encode(self.root).decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of the log, with a vkey for each of the two logs that it signs."""

    fingerprint: str
    """SHA-256 of type and key, 64 hex digits."""
    events: str
    statements: str
    since: int
    """The statement by which it began to sign."""
    until: int | None = None
    """The statement by which it ended; None = it signs at T."""


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """One batch that touched the month, as its statement has it; counts are of the whole batch."""

    seq: int
    statement: int
    first: int
    size: int
    late: int
    rejects: int
    conflicts: int
    """Records that came again under an id of earlier ones, with other bytes."""
    conflict_statements: tuple[int, ...]
    names_token: bool
    """Its statement holds the digest of a time-stamp token: it is younger than that token."""
    followed: bool
    """A later batch's statement holds the digest of another token: it is older than that one."""


@dataclass(frozen=True, slots=True)
class DrillCount:
    """One kind of alteration that the month's drills tried on a copy of a batch."""

    alteration: str
    times: int
    noticed: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided or happened beside the nights: policy, hold, purge, erasure, key, incident."""

    kind: str
    at: datetime
    statements: tuple[int, ...]
    text: str
    by: str = ""
    changes: bool = False
    """It takes or changes events of the month: an erasure, a new mapping."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of the log that goes with the report."""

    name: str
    description: str
    content: bytes
    lines: int | None = None
    """Where its lines are entries."""


@dataclass(frozen=True, slots=True)
class Integrity:
    """Everything the chapter says."""

    origin: str
    """The logs are ``<origin>/events`` and ``<origin>/statements``."""
    keys: tuple[SigningKey, ...]
    events_before: Head
    """After the last batch extracted before the month began; size 0 where there is none."""
    events: Head
    """At S."""
    statements_before: Head
    """At the statements of that batch, or at the genesis statement."""
    statements: Head
    """At T."""
    batches: tuple[SealedBatch, ...]
    drills: tuple[DrillCount, ...]
    policy_months: int
    policy_sources: Mapping[str, int]
    """Policy in force when the month ended; sources that differ."""
    holds: tuple[str, ...]
    """Names of the legal holds in force when the month ended."""
    decisions: tuple[Decision, ...]
    """Of the month, or touching its events, in the order of their statements."""
    erasures: tuple[int, ...]
    """Statements that took events or rejects of the month out."""
    erased: int
    """Events of the month that they took."""
    files: tuple[LogFile, ...]


def days(first: date | None, last: date | None) -> str:
    """Days of a hold in words."""
    if first is None and last is None:
        return "all days"
    if last is None:
        return f"from {first} on"
    return f"up to {last}" if first is None else f"{first} to {last}"
