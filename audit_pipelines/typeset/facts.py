"""What a report is computed from: plain frozen data that the caller gathers, and the seam to the queries.

Counts come from batch manifests and findings files, query results through ``Ask``. All times are UTC.
What does not belong here: how any of it is printed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol

from audit_pipelines.typeset.integrity import Integrity


@dataclass(frozen=True, slots=True)
class Table:
    """A query's result. ``rows`` may be a stream; it is read once, in order."""

    columns: tuple[str, ...]
    rows: Iterable[tuple[object, ...]]


class Ask(Protocol):
    """Runs a named query over the events of one period, [since, until).

    The caller binds the period, the relation ``events`` and every parameter that is not in ``params``
    (settings such as the working hours). It raises ``QueryError`` for a name or parameter it does not know.
    """

    def __call__(self, name: str, params: Mapping[str, object]) -> Table: ...


@dataclass(frozen=True, slots=True)
class QueryText:
    """A query as the annex prints it."""

    name: str
    question: str
    text: str
    sha256: str
    """SHA-256 of the query's file, hexadecimal."""
    controls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Organisation:
    """Whose log it is; ``id`` is the short name used in file names."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class PopulationDay:
    """What the batch manifests say of one day of one source."""

    day: date
    source: str
    stored: int
    """Events of that day in the log below S."""
    late: int = 0
    """Of these, events that came after the day had been read in full once."""
    covered: bool = True
    """The source has given the day in full."""
    batches: tuple[int, ...] = ()
    """Sequence numbers of the batches that hold events of the day."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One hit of one rule; ``late`` = only late events showed it."""

    rule: str
    severity: str
    day: date
    subject: str
    window_start: datetime
    window_end: datetime
    score: float | None
    summary: str
    uids: tuple[str, ...]
    evidence_count: int
    late: bool = False


@dataclass(frozen=True, slots=True)
class RuleRun:
    """One rule over the month: on how many of the days it ran, and its hits (0 is printed)."""

    rule: str
    question: str
    severity: str
    query: str
    """Name of its query, e.g. ``anomalies/off_hours_admin``."""
    days_run: int
    days: int
    hits: int


@dataclass(frozen=True, slots=True)
class RejectCount:
    """Records that could not be read, by source and reason."""

    source: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """One month as the manifests and findings have it; ``month`` is its first day."""

    month: date
    population: tuple[PopulationDay, ...] = ()
    findings: tuple[Finding, ...] = ()
    rules: tuple[RuleRun, ...] = ()
    rejects: tuple[RejectCount, ...] = ()

    @property
    def until(self) -> date:
        """First day after the month."""
        return (self.month.replace(day=28) + timedelta(days=4)).replace(day=1)

    @property
    def days(self) -> tuple[date, ...]:
        """Every day of the month."""
        return tuple(self.month + timedelta(days=n) for n in range((self.until - self.month).days))


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A configured source and how much of the month it has given in full."""

    name: str
    kind: str
    dialect: str
    dialect_sha256: str
    days_covered: int
    days: int
    gaps: tuple[date, ...] = ()
    """Days of the month not read in full."""


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """One batch that touched the month. received = stored + duplicates + rejects + refused, over all its days."""

    seq: int
    extracted_at: datetime
    days: tuple[date, ...]
    """Its touched days that lie in the month."""
    received: int
    stored: int
    duplicates: int
    conflicts: int
    rejects: int
    late: int
    manifest: str
    """Path of the manifest, relative to the home."""
    manifest_sha256: str
    refused: int = 0
    """Offered again after they had been erased or purged."""
    statement: int | None = None
    """Number of its statement in the statements log."""


@dataclass(frozen=True, slots=True)
class DropFacts:
    """One drop manifest of the month: what was written for a SIEM."""

    format: str
    manifest: str
    sha256: str
    files: int
    records: int


@dataclass(frozen=True, slots=True)
class LateEvent:
    """An event that reached the log after the previous revision."""

    uid: str
    occurred_at: datetime
    batch: int
    lag: timedelta
    """Extracted at - occurred at."""
    actor: str
    action: str
    target: str


@dataclass(frozen=True, slots=True)
class Previous:
    """The revision before this one, for the page that says what changed."""

    revision: int
    size: int
    """Its log size S."""
    report_sha256: str
    """Digest of its ``report.json``."""
    figures: Mapping[str, int | float | None]
    """Its figures: id -> value (``figures[].value`` of its ``report.json``)."""
    late: tuple[LateEvent, ...] = ()
    statements: int | None = None
    """Its statements size T; None = it was made before there was a log."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything but query results that a report says."""

    organisation: Organisation
    this: MonthFacts
    last: MonthFacts | None
    """The month before at the same S; None if the log does not reach back so far."""
    revision: int
    size: int
    """S: only leaves below it count."""
    sources: tuple[SourceFacts, ...]
    batches: tuple[BatchFacts, ...]
    retention_months: int
    settings_sha256: str
    code: str
    versions: Mapping[str, str]
    """Versions of the libraries that the output depends on."""
    integrity: Integrity
    drops: tuple[DropFacts, ...] = ()
    previous: Previous | None = None
    prepared_by: str = ""
    classification: str = ""
    identity: Literal["full", "pseudonym"] = "full"
    """``pseudonym``: columns that a report's spec marks ``personal`` are withheld."""

    @property
    def pdf_name(self) -> str:
        """The PDF's file name, e.g. ``acme.audit-report.2026-05.r1.pdf``."""
        return f"{self.organisation.id}.audit-report.{self.this.month:%Y-%m}.r{self.revision}.pdf"
