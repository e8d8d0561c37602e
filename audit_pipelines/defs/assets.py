"""The assets: events, log, findings and drop by day, report by month. Each body calls one function of the core.

Metadata are counts by category and outcome, never values of events. What does not belong here: logic.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg

from audit_pipelines.batch import Batch, evidence_files
from audit_pipelines.defs import attesting, drops, judge, keeping, monthly, night, partitions, sealing
from audit_pipelines.defs.runs import forget_old_runs
from audit_pipelines.defs.station import Station
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.settings import Settings

GROUP = "audit_log"


class NightConfig(dg.Config):
    """Configuration of a night: days outside its range that are asked for once more."""

    revisit: list[str] = []  # noqa: RUF012 - a pydantic field, copied for each instance


def build(settings: Settings) -> list[dg.AssetsDefinition]:
    """The five assets of a home with these settings."""
    days = partitions.daily(settings.organisation.start)
    events = _events(settings, days)
    log = _log(settings, days, events)
    findings = _findings(settings, days, events)
    drop = _drop(settings, days, [events, log])
    return [events, log, findings, drop, _report(settings, [events, log, findings])]


def _freshness(settings: Settings) -> dg.FreshnessPolicy:
    """A night must have come in at most two hours before its next one is due."""
    return dg.FreshnessPolicy.cron(deadline_cron=settings.schedule.nightly, lower_bound_delta=timedelta(hours=2))


def _events(settings: Settings, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        required_resource_keys={"station"},
        freshness_policy=_freshness(settings),
        kinds={"parquet"},
        description="The days are brought up to date: sources are read, what is new becomes a batch.",
    )
    def events(context: dg.AssetExecutionContext, config: NightConfig) -> None:
        station: Station = context.resources.station
        with station.step("events"):
            station.asked = tuple(sorted({date.fromisoformat(key) for key in [*context.partition_keys, *config.revisit]}))
            outcome = night.extract_days(station, station.asked)
            forget_old_runs(context.instance, station.now())
            _note(context, "events", settings, _event_counts(station, outcome.batch))
            if not _runs_too(context, "drop"):
                drops.raise_if_partial(station)

    return events


def _log(settings: Settings, days: dg.DailyPartitionsDefinition, events: dg.AssetsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        required_resource_keys={"station"},
        deps=[events],
        kinds={"merkle"},
        description="The sealed log: every batch becomes leaves and a statement, and the new heads are signed.",
    )
    def log(context: dg.AssetExecutionContext) -> None:
        station: Station = context.resources.station
        with station.step("log"):
            for batch in sealing.seal(station):
                leaves = {day.day: {"leaves": day.events} for day in batch.days}
                _note(context, "log", settings, leaves)

    return log


def _findings(settings: Settings, days: dg.DailyPartitionsDefinition, events: dg.AssetsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        required_resource_keys={"station"},
        deps=[events],
        kinds={"duckdb"},
        description="The anomaly rules over the days that batches touched.",
    )
    def findings(context: dg.AssetExecutionContext) -> None:
        station: Station = context.resources.station
        with station.step("findings"):
            for counts in judge.judge(station).values():
                _note(context, "findings", settings, {day: {"findings": count} for day, count in counts.items()})

    return findings


def _drop(settings: Settings, days: dg.DailyPartitionsDefinition, deps: list[dg.AssetsDefinition]) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        required_resource_keys={"station"},
        deps=deps,
        freshness_policy=_freshness(settings),
        kinds={"ndjson"},
        description="The NDJSON files that a SIEM reads; days with a failed check are held back.",
    )
    def drop(context: dg.AssetExecutionContext) -> None:
        station: Station = context.resources.station
        with station.step("drop"):
            for counts in drops.ship(station).values():
                _note(context, "drop", settings, {day: dict(values) for day, values in counts.items()})
            attesting.attest(station)
            keeping.nightly(station)
            attesting.anchor_log(station)
            drops.raise_if_partial(station)

    return drop


def _report(settings: Settings, deps: list[dg.AssetsDefinition]) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions.monthly(settings.organisation.start),
        group_name=GROUP,
        deps=deps,
        required_resource_keys={"station"},
        kinds={"pdf"},
        description="The monthly report: a new revision if the month's log has changed.",
    )
    def report(context: dg.AssetExecutionContext) -> None:
        station: Station = context.resources.station
        with station.step("report"):
            issued = station.issued = monthly.report(station, date.fromisoformat(context.partition_key))
            attesting.attest_report(station)
            context.add_output_metadata({"revision": issued.revision, "new": issued.new, "log_size": issued.size})

    return report


def _runs_too(context: dg.AssetExecutionContext, name: str) -> bool:
    """Whether the asset ``name`` is part of the same run."""
    return any(node.name == name for node in context.job_def.nodes)


def _note(context: dg.AssetExecutionContext, asset: str, settings: Settings, counts: Mapping[date, Mapping[str, int]]) -> None:
    """Metadata for each touched day: as the run's own partition, or as a materialisation beside it."""
    own = set(context.partition_keys)
    last = context.resources.station.now().date() + timedelta(days=1)
    for day, values in sorted(counts.items()):
        metadata: dict[str, Any] = {name: dg.MetadataValue.int(value) for name, value in sorted(values.items())}
        if day.isoformat() in own:
            context.add_asset_metadata(metadata, partition_key=day.isoformat())
        elif settings.organisation.start <= day <= last:
            context.log_event(dg.AssetMaterialization(asset, partition=day.isoformat(), metadata=metadata))


def _event_counts(station: Station, batch: Batch | None) -> dict[date, Counter[str]]:
    """Of each day that was asked for or touched: what is new, and all stored events by category and outcome."""
    counts: dict[date, Counter[str]] = {day: Counter(events=0, new=0) for day in station.asked}
    for entry in batch.days if batch else ():
        counts[entry.day] = Counter(events=0, new=entry.events, late=entry.late)
    files = [file for file in evidence_files(station.batches()) if file.day in counts]
    connection = connect(memory="500MB")
    try:
        relate(connection, station.home, files)
        rows: Sequence[tuple[date, str, str, int]] = connection.execute(
            "SELECT CAST(occurred_at AS DATE), category, outcome, count(*) FROM events GROUP BY ALL"
        ).fetchall()
    finally:
        connection.close()
    for day, category, outcome, count in rows:
        counts[day].update({"events": count, f"category_{category}": count, f"outcome_{outcome}": count})
    return counts
