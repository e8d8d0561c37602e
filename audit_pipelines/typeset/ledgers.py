"""The tables that are made of facts, not of queries: population, sources, batches, drops, rejects, rules, findings.

What does not belong here: query results (``tables``, ``plots``) and what is beyond the log (``limits``).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from audit_pipelines.typeset.asking import Rows
from audit_pipelines.typeset.facts import Facts, Finding, QueryText
from audit_pipelines.typeset.spec import Block, Column
from audit_pipelines.typeset.tables import Attachment, Listing, fixed
from audit_pipelines.typeset.text import plain

SEVERITIES: Final = ("critical", "high", "medium", "low", "info")
Model = dict[str, object]


def ranges(numbers: Iterable[int]) -> str:
    """[3, 4, 5, 9] as ``3-5, 9``."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(str(number) for number in part) for part in parts)


def _spans(days: tuple[date, ...]) -> str:
    """Days of a month by their numbers, e.g. ``1-3, 9``."""
    return ranges([day.day for day in days])


def population(block: Block, facts: Facts, counted: Rows | None) -> Model:
    """Day by day: stored by the manifests, counted in the lake now, and the difference."""
    found: dict[str, int] = {}
    if counted is not None:
        day_at = counted.index(block.x or "day", query=block.query)
        value_at = counted.index(block.value or "events", query=block.query)
        for row in counted.rows:
            key = str(plain(row[day_at]))[:10]
            amount = row[value_at]
            found[key] = found.get(key, 0) + (amount if isinstance(amount, int) else 0)
    rows: list[list[object]] = []
    for day in facts.this.days:
        entries = [entry for entry in facts.this.population if entry.day == day]
        stored = sum(entry.stored for entry in entries)
        now = found.get(day.isoformat(), 0) if counted is not None else None
        covered = f"{sum(entry.covered for entry in entries)} of {max(len(facts.sources), len(entries))}"
        batches = ranges([seq for entry in entries for seq in entry.batches])
        rows.append(
            [day, covered, stored, sum(entry.late for entry in entries), now, None if now is None else now - stored, batches]
        )
    columns = (
        Column(key="day", label="Day", format="day", width=16),
        Column(key="covered", label="Sources read in full", width=16),
        Column(key="stored", label="Stored", format="number", width=13),
        Column(key="late", label="Of these late", format="number", width=12),
        Column(key="counted", label="Counted now", format="number", width=13),
        Column(key="difference", label="Difference", format="number", width=12),
        Column(key="batches", label="Batches", width=18),
    )
    sums = {column.key: sum(row[place] or 0 for row in rows) for place, column in enumerate(columns) if 2 <= place <= 5}  # type: ignore[misc]  # numbers or None
    if counted is None:
        sums = {key: value for key, value in sums.items() if key in ("stored", "late")}
    return {"dense": True, **fixed(columns, rows, totals=sums)}


def sources(facts: Facts) -> Model:
    """Where the records came from, and how much of the month each source has given in full."""
    columns = (
        Column(key="name", label="Source", width=20),
        Column(key="kind", label="Kind", width=14),
        Column(key="dialect", label="Dialect", width=16),
        Column(key="sha256", label="SHA-256 of the dialect", format="mono", width=22),
        Column(key="covered", label="Days read in full", width=14),
        Column(key="gaps", label="Days not read in full", width=14),
    )
    rows = [
        [
            source.name,
            source.kind,
            source.dialect,
            source.dialect_sha256[:16],
            f"{source.days_covered} of {source.days}",
            _spans(source.gaps) or "none",
        ]
        for source in facts.sources
    ]
    return fixed(columns, rows)


def batches(facts: Facts) -> Model:
    """Every batch that touched the month; received = stored + duplicates + rejects + refused holds in each row.

    Refused events (erased or purged before) have a column where there are any.
    """
    counts = ("received", "stored", "duplicates", "rejects", *(["refused"] if any(b.refused for b in facts.batches) else []))
    digits = 16 if len(counts) == 4 else 12
    widths = {"stored": 8.5, "duplicates": 10, "rejects": 7.5, "refused": 7.5}
    columns = (
        Column(key="seq", label="Batch", width=6),
        Column(key="statement", label="Statement", width=10),
        Column(key="extracted_at", label="Extracted at, UTC", format="time", width=17.5),
        Column(key="days", label="Days", width=7),
        *(Column(key=key, label=key.capitalize(), format="number", width=widths.get(key, 9)) for key in counts),
        Column(key="late", label="Late", format="number", width=6),
        Column(key="manifest_sha256", label="Manifest SHA-256", format="mono", width=18),
    )
    rows = [
        [
            batch.seq,
            batch.statement,
            batch.extracted_at,
            _spans(batch.days),
            *(getattr(batch, key) for key in counts),
            batch.late,
            batch.manifest_sha256[:digits],
        ]
        for batch in facts.batches
    ]
    totals = {key: sum(int(getattr(batch, key)) for batch in facts.batches) for key in (*counts, "late")}
    return {"dense": True, **fixed(columns, rows, totals=totals)}


def drops(facts: Facts) -> Model:
    """What was written for a SIEM, a manifest a row."""
    columns = (
        Column(key="format", label="Format", width=14),
        Column(key="manifest", label="Manifest", format="mono", width=44),
        Column(key="sha256", label="SHA-256", format="mono", width=20),
        Column(key="files", label="Files", format="number", width=9),
        Column(key="records", label="Records", format="number", width=13),
    )
    rows = [[drop.format, drop.manifest, drop.sha256[:16], drop.files, drop.records] for drop in facts.drops]
    totals = {"files": sum(drop.files for drop in facts.drops), "records": sum(drop.records for drop in facts.drops)}
    return {"dense": True, **fixed(columns, rows, totals=totals)}


def rejects(facts: Facts) -> Model:
    """Records that could not be read, by source and reason."""
    columns = (
        Column(key="source", label="Source", width=20),
        Column(key="reason", label="Reason"),
        Column(key="count", label="Records", format="number", width=14),
    )
    ordered = sorted(facts.this.rejects, key=lambda entry: (-entry.count, entry.source, entry.reason))
    return fixed(columns, [[entry.source, entry.reason, entry.count] for entry in ordered])


def rules(facts: Facts, numbers: Mapping[str, tuple[str, QueryText]]) -> Model:
    """Every rule that ran, also those with 0 hits."""
    columns: tuple[Column, ...] = (
        Column(key="rule", label="Rule", width=22),
        Column(key="question", label="What it looks for", width=32),
        Column(key="severity", label="Severity", width=10),
        Column(key="days", label="Days run", width=11),
        Column(key="hits", label="Findings", format="number", width=9),
        Column(key="query", label="Query", width=7),
    )
    last = {rule.rule: rule.hits for rule in facts.last.rules} if facts.last else {}
    columns = (*columns[:5], Column(key="last", label="Last month", format="number", width=9), *columns[5:]) if last else columns
    rows = []
    for rule in facts.this.rules:
        row: list[object] = [rule.rule, rule.question, rule.severity, f"{rule.days_run} of {rule.days}", rule.hits]
        rows.append([*row, *([last.get(rule.rule)] if last else []), numbers[rule.query][0]])
    return fixed(columns, rows, totals={"hits": sum(rule.hits for rule in facts.this.rules)})


def _rank(finding: Finding) -> tuple[object, ...]:
    severity = SEVERITIES.index(finding.severity) if finding.severity in SEVERITIES else len(SEVERITIES)
    return (severity, finding.window_start, finding.rule, finding.subject)


def findings(facts: Facts, *, limit: int, name: str) -> tuple[Model, Attachment]:
    """The findings by severity, then time: the first ``limit`` printed, all of them in the list beside."""
    ordered = sorted(facts.this.findings, key=_rank)
    keys = (
        "rule",
        "severity",
        "day",
        "subject",
        "window_start",
        "window_end",
        "score",
        "summary",
        "uids",
        "evidence_count",
        "late",
    )
    listing = Listing(keys)
    for finding in ordered:
        listing.add([getattr(finding, key) for key in keys])
    columns = (
        Column(key="severity", label="Severity", width=8),
        Column(key="from", label="From, UTC", format="moment", width=14),
        Column(key="rule", label="Rule", width=21.5),
        Column(key="subject", label="Subject", width=12),
        Column(key="summary", label="What was seen", width=37),
        Column(key="evidence", label="Events", format="number", width=7.5),
    )
    rows = [
        [f.severity + (", late" if f.late else ""), f.window_start, f.rule, f.subject, f.summary, f.evidence_count]
        for f in ordered[:limit]
    ]
    table = {**fixed(columns, rows), "count": len(ordered), "attachment": name}
    return table, Attachment(name, "Every finding of the month", bytes(listing.parts), listing.count)
