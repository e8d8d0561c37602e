"""One month as manifests and findings have it: population, findings, rules that ran, rejects.

What does not belong here: query results, and everything else a report says (``reportfacts``).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from audit_pipelines.batch import Batch
from audit_pipelines.defs import judge
from audit_pipelines.home import Home
from audit_pipelines.lake import rejects
from audit_pipelines.lake.coverage import covered, has, is_late
from audit_pipelines.settings import Settings
from audit_pipelines.sql import findings as sql_findings
from audit_pipelines.typeset.facts import Finding, MonthFacts, PopulationDay, RejectCount, RuleRun

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month by its first day."""

    first: date

    @property
    def until(self) -> date:
        """The first day after it."""
        return (self.first.replace(day=28) + timedelta(days=4)).replace(day=1)

    @property
    def before(self) -> "Month":
        """The month before."""
        return Month((self.first - _DAY).replace(day=1))

    def has(self, day: date) -> bool:
        return self.first <= day < self.until

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(self.first + _DAY * n for n in range((self.until - self.first).days))


def touches(batch: Batch, month: Month) -> bool:
    """Whether the batch has events of the month, or was the first that asked for a day of it."""
    return any(month.has(day.day) for day in batch.days)


def is_purged(batches: Sequence[Batch], month: Month) -> bool:
    """Whether a purge has taken events of the month."""
    return any(file.purged and month.has(file.day) for batch in batches for file in batch.evidence)


def month_facts(home: Home, batches: Sequence[Batch], settings: Settings, month: Month) -> MonthFacts:
    """What ``batches`` hold of ``month``; every rule is evaluated anew over the whole of it."""
    hits = judge.evaluate(home, batches, month.first, month.until, below=batches[-1].size if batches else 0, settings=settings)
    base = _first_seen(home, batches, month)
    found = tuple(
        Finding(
            rule=hit.rule,
            severity=hit.severity,
            day=hit.day,
            subject=hit.subject,
            window_start=hit.window_start,
            window_end=hit.window_end,
            score=hit.score,
            summary=hit.summary,
            uids=hit.uids,
            evidence_count=hit.evidence_count,
            late=hit.day in base and (hit.rule, hit.subject) not in base[hit.day],
        )
        for hit in hits
    )
    return MonthFacts(
        month.first, _population(batches, settings, month), found, _rules(found, base, month), _rejects(home, batches, month)
    )


def _first_seen(home: Home, batches: Sequence[Batch], month: Month) -> dict[date, set[tuple[str, str]]]:
    """(rule, subject) of the findings that each day's first batch showed; a later one is due to late events."""
    seen: dict[date, set[tuple[str, str]]] = {}
    for batch in batches:
        for day in batch.days:
            path = home.findings(day.day, batch.seq)
            if month.has(day.day) and day.day not in seen and path.is_file():
                seen[day.day] = {(hit.rule, hit.subject) for hit in sql_findings.read([path])}
    return seen


def _rules(found: Sequence[Finding], base: Mapping[date, object], month: Month) -> tuple[RuleRun, ...]:
    hits = Counter(finding.rule for finding in found)
    return tuple(
        RuleRun(
            rule=rule.name.partition("/")[2],
            question=rule.question,
            severity=rule.severity or "low",
            query=rule.name,
            days_run=len(base),
            days=len(month.days),
            hits=hits[rule.name.partition("/")[2]],
        )
        for rule in judge.rules()
    )


def _population(batches: Sequence[Batch], settings: Settings, month: Month) -> tuple[PopulationDay, ...]:
    stored: Counter[tuple[date, str]] = Counter()
    late: Counter[tuple[date, str]] = Counter()
    seqs: defaultdict[tuple[date, str], list[int]] = defaultdict(list)
    for number, batch in enumerate(batches):
        for file in batch.evidence:
            if month.has(file.day):
                key = (file.day, file.source)
                stored[key] += file.rows
                late[key] += file.rows if is_late(batches[:number], file) else 0
                seqs[key] = sorted({*seqs[key], batch.seq})
    names = sorted({source.name for source in settings.sources} | {source for _, source in stored})
    spans = {name: covered(batches, name) for name in names}
    return tuple(
        PopulationDay(day, name, stored[day, name], late[day, name], has(spans[name], day), tuple(seqs[day, name]))
        for day in month.days
        for name in names
    )


def _rejects(home: Home, batches: Sequence[Batch], month: Month) -> tuple[RejectCount, ...]:
    touching = [batch for batch in batches if touches(batch, month)]
    counts = Counter((entry.source, entry.reason.partition(":")[0]) for entry in rejects.read_all(home, touching))
    return tuple(RejectCount(source, reason, count) for (source, reason), count in sorted(counts.items()))
