"""The findings as they are known by now: of each day the newest file, filtered and in an order.

Of a link only those are shown that lie wholly inside its period, with every day that their rule looked back to: a
finding says something of all events that its rule read. What does not belong here: the rules (``sql``), and the page.
"""

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from audit_pipelines import sql
from audit_pipelines.home import Home
from audit_pipelines.serve.catalog import Snapshot
from audit_pipelines.serve.filters import Filter, where
from audit_pipelines.serve.principal import Principal
from audit_pipelines.serve.reader import Reader, visible
from audit_pipelines.serve.sql import over, statement
from audit_pipelines.sql import findings
from audit_pipelines.sql.findings import Finding
from audit_pipelines.sql.query import SEVERITIES, Query

Order = Literal["time", "severity", "rule", "subject"]
ORDERS: Final[tuple[Order, ...]] = ("time", "severity", "rule", "subject")
EVIDENCE_ROWS: Final = 100
"""Events of one finding that are shown; a finding keeps no more."""
_ID: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})-([0-9a-f]{16})")
"""Of a finding: its day and what tells it from others."""
_COLUMNS: Final = (
    "uid", "leaf_index", "occurred_at", "source", "category", "action", "outcome", "actor_type", "actor_id", "actor_name",
    "actor_email", "target_type", "target_id", "target_name", "source_ip", "user_agent",
)  # fmt: skip
"""Of rows_uid.sql, in order."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which findings: alternatives within a list, and everything together."""

    severity: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    subject: str = ""
    """Part of the subject, in any case."""
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that is too late, of a window's end."""

    def fits(self, finding: Finding) -> bool:
        """Whether ``finding`` is one of them."""
        return (
            (not self.severity or finding.severity in self.severity)
            and (not self.rule or finding.rule in self.rule)
            and self.subject.casefold() in finding.subject.casefold()
            and (self.since is None or finding.window_end >= self.since)
            and (self.until is None or finding.window_end < self.until)
        )


@dataclass(frozen=True, slots=True)
class Found:
    """An answer."""

    findings: tuple[Finding, ...]
    """In the order that was asked for."""
    severities: Mapping[str, int]
    """How many there are of each severity, whatever severities were asked for."""
    rules: Mapping[str, int]
    """The same of each rule."""


class Findings:
    """The findings of one home. Safe to use from several threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._kept: dict[date, tuple[tuple[Path, int, int], tuple[Finding, ...]]] = {}

    def find(self, log: Snapshot, principal: Principal, wanted: Wanted, order: Order = "time") -> Found:
        """Everything that fits, of what ``principal`` may see."""
        seen = [hit for hit in self._all(log, wanted) if _open_to(principal, hit)]
        any_severity, any_rule = replace(wanted, severity=()), replace(wanted, rule=())
        severities = Counter(hit.severity for hit in seen if any_severity.fits(hit))
        named = Counter(hit.rule for hit in seen if any_rule.fits(hit))
        return Found(tuple(_sorted(filter(wanted.fits, seen), order)), severities, dict(sorted(named.items())))

    def one(self, log: Snapshot, principal: Principal, id_: str) -> Finding | None:
        """The finding with that id; None if there is none that ``principal`` may see."""
        match = _ID.fullmatch(id_)
        try:
            day = date.fromisoformat(match[1]) if match else None
        except ValueError:
            day = None
        hits = self._of(day, _batches(log).get(day, ())) if day else ()
        return next((hit for hit in hits if identity(hit) == id_ and _open_to(principal, hit)), None)

    def _all(self, log: Snapshot, wanted: Wanted) -> Iterator[Finding]:
        """Those of the days that may have wanted ones."""
        since, until = wanted.since, wanted.until
        for day, seqs in _batches(log).items():
            if (since is None or day >= since.date()) and (until is None or day <= until.date()):
                yield from self._of(day, seqs)

    def _of(self, day: date, seqs: Sequence[int]) -> tuple[Finding, ...]:
        """Those of the newest file that is there: while a night runs, that may be the one before."""
        for seq in reversed(seqs):
            path = self._home.findings(day, seq)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            key = (path, status.st_ino, status.st_mtime_ns)  # an erasure writes the file anew
            kept = self._kept.get(day)
            if kept is not None and kept[0] == key:
                return kept[1]
            found = tuple(findings.read([path]))
            self._kept[day] = key, found
            return found
        return ()


def identity(finding: Finding) -> str:
    """What a finding is called in addresses: the same as long as rule, subject, window and words are the same."""
    parts = (finding.rule, finding.subject, finding.window_start.isoformat(), finding.window_end.isoformat(), finding.summary)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{finding.day}-{digest[:16]}"


@functools.cache
def rules() -> dict[str, Query]:
    """The rules that come with the program, by name without the folder."""
    return {query.name.partition("/")[2]: query for query in sql.catalogue().values() if query.is_rule}


def evidence(reader: Reader, log: Snapshot, principal: Principal, finding: Finding) -> list[dict[str, Any]]:
    """The events that a finding names, oldest first, as far as they are still there and ``principal`` may see them.

    Raises:
        QueryTimeout: it took too long.
        FilesChanged: a file is gone since the manifests were read.
    """
    window = Filter(since=finding.window_start, until=finding.window_end + timedelta(microseconds=1))
    condition, params = where(visible(principal, window))
    files = log.within(window.since, window.until)
    bound = {**params, "uids": list(finding.uids[:EVIDENCE_ROWS])}
    rows = reader.engine.ask(over(condition, statement("rows_uid")), files, bound)
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def _batches(log: Snapshot) -> dict[date, list[int]]:
    """The batches that touched each day, oldest first."""
    found: dict[date, list[int]] = {}
    for batch in log.batches:
        for day in batch.days:
            found.setdefault(day.day, []).append(batch.seq)
    return found


def _open_to(principal: Principal, finding: Finding) -> bool:
    limit = principal.restriction
    if limit is None:
        return True
    if limit.since is None or limit.until is None or limit.actor is not None:
        return False
    rule = rules().get(finding.rule)
    inside = limit.since <= finding.window_start and finding.window_end < limit.until
    first = datetime.combine(finding.day, time.min, UTC)
    return inside and rule is not None and first - limit.since >= timedelta(days=rule.lookback)


_KEYS: Final[Mapping[Order, Callable[[Finding], Any]]] = {
    "severity": lambda hit: -SEVERITIES.index(hit.severity) if hit.severity in SEVERITIES else 1,
    "rule": lambda hit: hit.rule,
    "subject": lambda hit: hit.subject.casefold(),
}


def _sorted(hits: Iterable[Finding], order: Order) -> list[Finding]:
    """Newest first; by severity the worst first; by rule and subject from A to Z, newest first within."""
    newest = sorted(hits, key=lambda hit: (hit.window_end, hit.rule, hit.subject, hit.summary), reverse=True)
    return sorted(newest, key=_KEYS[order]) if order in _KEYS else newest
