"""Findings: the rules over the days that batches touched, one file a batch and day, oldest batch first.

What does not belong here: the rules (``sql``), and Dagster.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from audit_pipelines import batch as manifest
from audit_pipelines import sql
from audit_pipelines.batch import Batch
from audit_pipelines.defs.station import Station
from audit_pipelines.durable import make_folder, publish_all
from audit_pipelines.home import Home
from audit_pipelines.lake.coverage import merge
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.settings import Settings
from audit_pipelines.sql import findings
from audit_pipelines.sql.findings import Finding
from audit_pipelines.sql.query import Query

log = logging.getLogger(__name__)
_DAY = timedelta(days=1)
_NEAR = timedelta(days=31)
"""Days that lie closer together are judged in one go: the rules' lookback is read once."""

_WHOLE_DAYS = frozenset({"source_silent"})
"""Rules that say nothing of a day that is not over; the batch that has it in full is judged again."""


def rules() -> list[Query]:
    """The anomaly rules, by name."""
    return [query for query in sql.catalogue().values() if query.is_rule]


def rule_settings(settings: Settings) -> dict[str, object]:
    """Values that audit.toml gives to parameters of the rules and queries."""
    own = settings.anomalies
    return {
        "timezone": own.timezone,
        "work_start": own.work_start,
        "work_end": own.work_end,
        "work_days": ",".join(map(str, own.work_days)),
    }


def judge(station: Station) -> dict[int, dict[date, int]]:
    """Write the findings that are missing; by batch number and day, how many there are.

    A crash leaves the days that were written; the next run goes on with the others.
    """
    batches = station.batches()
    written: dict[int, dict[date, int]] = {}
    todo = due(station.home, batches)
    for batch in batches:
        if todo[batch.seq]:
            written[batch.seq] = _judge_batch(station, batches, batch, todo[batch.seq])
    return written


def due(home: Home, batches: Sequence[Batch]) -> dict[int, list[date]]:
    """By batch, its days without findings; a day whose events a purge has taken has none to make."""
    gone = manifest.purged_days(batches)
    return {
        batch.seq: [day.day for day in batch.days if day.day not in gone and not home.findings(day.day, batch.seq).is_file()]
        for batch in batches
    }


def _judge_batch(station: Station, batches: Sequence[Batch], batch: Batch, days: Sequence[date]) -> dict[date, int]:
    counts: dict[date, int] = {}
    station.progress.begin("findings", len(days))
    for span in _spans(days):
        found = evaluate(station.home, batches, span[0], span[-1] + _DAY, below=batch.size, settings=station.settings)
        folder = make_folder(station.home.staging / "findings")
        pairs = []
        for day in span:
            over = day < batch.extracted_at.date()
            hits = [hit for hit in found if hit.day == day and (over or hit.rule not in _WHOLE_DAYS)]
            staged = folder / f"{day}.parquet"
            findings.write(staged, hits)
            pairs.append((staged, station.home.findings(day, batch.seq)))
            counts[day] = len(hits)
        publish_all(pairs)
        station.progress.advance("findings", len(span))
    station.progress.end("findings")
    return counts


def evaluate(home: Home, batches: Iterable[Batch], since: date, until: date, *, below: int, settings: Settings) -> list[Finding]:
    """Every hit of every rule on the days since <= day < until, from leaves below ``below``."""
    known = rules()
    connection = connect(memory="1500MB", spill=home.staging / "spill")
    try:
        back = timedelta(days=findings.lookback(known))
        files = manifest.evidence_files(batches, since=_earlier(since, back), until=until, below=below)
        relate(connection, home, files)
        return findings.evaluate(connection, known, since, until, rule_settings(settings))
    finally:
        connection.close()


def _earlier(day: date, back: timedelta) -> date:
    return day - back if day - date.min > back else date.min


def _spans(days: Sequence[date]) -> list[list[date]]:
    """``days`` in groups that lie close together."""
    reach = [(low, high) for low, high in merge((day, min(day + _NEAR, date.max)) for day in days)]
    return [[day for day in sorted(days) if low <= day <= high] for low, high in reach]
