"""How the home stands: freshness, gaps, counts, rejects, drops, findings, reports.

``status`` prints it and ``status --check`` judges it. Findings are counted apart: they speak of the
organisation, the rest of the pipeline. What does not belong here: printing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from audit_pipelines.batch import Batch, evidence_files, history
from audit_pipelines.defs import drops, judge, monthly, sources
from audit_pipelines.defs.runs import RunEntry, book_of, last_finished, nights
from audit_pipelines.defs.sealstanding import SealStanding, seal_standing
from audit_pipelines.defs.trouble import Trouble
from audit_pipelines.home import Home
from audit_pipelines.lake import lock
from audit_pipelines.lake.coverage import Span, covered, missing
from audit_pipelines.removal import removals
from audit_pipelines.settings import Source
from audit_pipelines.sql import findings

FRESH = timedelta(hours=26)
"""A nightly run that ends later than this after the one before has been missed."""


@dataclass(frozen=True, slots=True)
class SourceStanding:
    """One source."""

    name: str
    kind: str
    events: int
    newest: datetime | None
    missing: tuple[Span, ...]
    error: str | None
    """Of the last run that read it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything ``status`` says."""

    organisation: str
    now: datetime
    running: bool
    last: RunEntry | None
    """The last night, whatever came of it."""
    finished: RunEntry | None
    """The last night that came to its end, whole or partial."""
    sources: tuple[SourceStanding, ...]
    batches: int
    size: int
    oldest: datetime | None
    newest: datetime | None
    duplicates: int
    conflicts: int
    rejects: int
    replayed: int
    late: int
    out_of_range: int
    """Events before ``organisation.start`` or after tomorrow."""
    days: int
    empty_days: int
    undropped: int
    """Batches and days without a finished drop."""
    unjudged: int
    findings: dict[str, int]
    """By severity, over all days; each day's newest file counts."""
    reports: tuple[tuple[str, int], ...]
    """(month, newest revision)."""
    outdated: tuple[date, ...]
    strays: tuple[str, ...]
    """Files of the lake that neither a manifest nor a removal names."""
    log: SealStanding

    @property
    def problems(self) -> list[str]:
        """What is wrong with the pipeline; empty = all green."""
        return [trouble.text for trouble in self.troubles]

    @property
    def troubles(self) -> list[Trouble]:
        """The same, with what to do."""
        found = self._of_nights() + self._of_sources()
        if self.undropped and not self.running:
            found.append(
                Trouble(f"{self.undropped} days without their drop", "the next night makes them; its errors say what held it up")
            )
        if self.unjudged and not self.running:
            found.append(Trouble(f"{self.unjudged} days without their findings", "run: audit-pipelines night"))
        if self.outdated:
            months = [f"{month:%Y-%m}" for month in self.outdated]
            todo = f"run: audit-pipelines report --month {months[0]}"
            found.append(Trouble(f"issued reports that are outdated: {', '.join(months)}", todo))
        if self.strays:
            todo = "the next night removes what a killed run left; what stays is from elsewhere: find out, then move it out"
            found.append(Trouble(f"{len(self.strays)} files that no manifest names, the first is {self.strays[0]}", todo))
        return found + ([] if self.running else self.log.troubles)

    def _of_nights(self) -> list[Trouble]:
        found = []
        if self.finished is None:
            found.append(Trouble("no night has finished yet", "run: audit-pipelines night; then put that line into cron"))
        elif self.now - self.finished.finished > FRESH:
            hours = (self.now - self.finished.finished) // timedelta(hours=1)
            todo = "see whether cron or the timer still starts it, then run: audit-pipelines night"
            found.append(Trouble(f"the last finished night is {hours} hours old", todo))
        if self.last is not None and self.last.status != "ok":
            text = f"the last night was {self.last.status}: {'; '.join(self.last.errors) or 'no reason is known'}"
            found.append(Trouble(text, "mend the cause, then run: audit-pipelines night; what was read is kept"))
        return found

    def _of_sources(self) -> list[Trouble]:
        found = []
        for source in self.sources:
            days = sum((high - low).days + 1 for low, high in source.missing)
            if days:
                text = f"source {source.name}: {days} days missing, the first is {source.missing[0][0]}"
                first, last = source.missing[0]
                found.append(Trouble(text, f"run: audit-pipelines night --from {first} --to {last}"))
        return found


def standing(home: Home, now: datetime) -> Standing:
    """Look at the whole home; reads manifests and small files only."""
    settings, batches, book = home.settings(), history(home), book_of(home)
    start, yesterday = settings.organisation.start, now.date() - timedelta(days=1)
    evidence = evidence_files(batches)
    results = [result for batch in batches for result in batch.sources]
    outside = sum(file.rows for file in evidence if not start <= file.day <= now.date() + timedelta(days=1))
    days: Counter[date] = Counter()
    for batch in batches:
        for day in batch.days:
            days[day.day] += day.events
    return Standing(
        organisation=settings.organisation.name,
        now=now,
        running=lock.is_held(home.lock_file),
        last=asking[-1] if (asking := nights(book)) else None,
        finished=last_finished(book),
        sources=tuple(_source(source, batches, start, yesterday) for source in sources.of(home, batches)),
        batches=len(batches),
        size=batches[-1].size if batches else 0,
        oldest=min((file.oldest for file in evidence), default=None),
        newest=max((file.newest for file in evidence), default=None),
        duplicates=sum(result.duplicates for result in results),
        conflicts=sum(result.conflicts for result in results),
        rejects=sum(batch.rejects.count for batch in batches if batch.rejects and not batch.rejects.purged),
        replayed=sum(len(batch.replayed) for batch in batches),
        late=sum(result.late for result in results),
        out_of_range=outside,
        days=len(days),
        empty_days=sum(count == 0 for count in days.values()),
        undropped=len(drops.due(home, batches)),
        unjudged=sum(map(len, judge.due(home, batches).values())),
        findings=_findings(home, batches),
        reports=_reports(home),
        outdated=tuple(monthly.outdated(home, batches, now.date())),
        strays=_strays(home, batches),
        log=seal_standing(home, batches, now),
    )


def _source(source: Source, batches: Sequence[Batch], start: date, yesterday: date) -> SourceStanding:
    files = [file for file in evidence_files(batches) if file.source == source.name]
    results = [result for batch in batches for result in batch.sources if result.name == source.name]
    return SourceStanding(
        source.name,
        source.kind,
        sum(file.rows for file in files),
        max((file.newest for file in files), default=None),
        () if source.kind == "access" else missing(covered(batches, source.name), start, yesterday),
        results[-1].error if results else None,
    )


def _findings(home: Home, batches: Sequence[Batch]) -> dict[str, int]:
    """The newest file of a day holds all that is known of it."""
    newest = {day.day: home.findings(day.day, batch.seq) for batch in batches for day in batch.days}
    found = findings.read([path for path in newest.values() if path.is_file()])
    return dict(Counter(hit.severity for hit in found))


def _reports(home: Home) -> tuple[tuple[str, int], ...]:
    months = sorted(home.reports.glob("????-??")) if home.reports.is_dir() else []
    issued = [(folder.name, monthly.revisions(home, date.fromisoformat(f"{folder.name}-01"))) for folder in months]
    return tuple((name, len(found)) for name, found in issued if found)


def _strays(home: Home, batches: Sequence[Batch]) -> tuple[str, ...]:
    named = {name for batch in batches for file in batch.evidence for name in (file.path, file.events)}
    named |= {batch.rejects.path for batch in batches if batch.rejects}
    named |= {name for removal in removals(home) for entry in removal.taken for name in (entry.path, entry.events) if name}
    found = (path for folder in ("evidence", "events", "rejects") for path in (home.root / folder).rglob("*") if path.is_file())
    return tuple(sorted(name for path in found if (name := home.relative(path)) not in named))
