"""Jobs, schedules and the sensor: when Dagster runs what.

``nightly`` is one run over the open days; ``monthly`` issues last month's report once its overlap is over;
the sensor reports again when a batch touched a month that is already issued. What does not belong here:
cron on machines without Dagster (docs/operations.md).
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from audit_pipelines import batch
from audit_pipelines.defs import monthly
from audit_pipelines.defs.resources import home_from_environment
from audit_pipelines.defs.station import nightly_days, utc_now
from audit_pipelines.errors import AuditError
from audit_pipelines.settings import Settings, seconds

NIGHTLY, MONTHLY = "nightly", "monthly_report"


def range_tags(days: Sequence[date]) -> dict[str, str]:
    """Tags that make one run cover the partitions from the first to the last of ``days``."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: min(days).isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: max(days).isoformat(),
    }


def night_config(revisit: Sequence[date]) -> dict[str, object]:
    """Run configuration of a night that looks at older days once more."""
    return {"ops": {"events": {"config": {"revisit": [day.isoformat() for day in revisit]}}}}


def build(settings: Settings) -> tuple[list[object], list[dg.ScheduleDefinition], list[dg.SensorDefinition]]:
    """Jobs, schedules and sensors of a home with these settings."""
    nightly = dg.define_asset_job(NIGHTLY, selection=["events", "log", "findings", "drop"], executor_def=dg.in_process_executor)
    report = dg.define_asset_job(MONTHLY, selection=["report"], executor_def=dg.in_process_executor)
    schedules = [_nightly_schedule(nightly, settings), _monthly_schedule(report, settings)]
    if settings.schedule.every:
        schedules.append(_extra_schedule(nightly, settings))
    return [nightly, report], schedules, [_late_sensor(report)]


def _nightly_schedule(job: object, settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=NIGHTLY,
        job=job,  # type: ignore[arg-type]
        cron_schedule=settings.schedule.nightly,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        span, again = nightly_days(context.scheduled_execution_time.date(), settings)
        if not span:
            return dg.SkipReason(f"organisation.start, {settings.organisation.start}, is not over")
        return dg.RunRequest(tags=range_tags(span), run_config=night_config(again))

    return nightly


def _extra_schedule(job: object, settings: Settings) -> dg.ScheduleDefinition:
    hours = max(1, seconds(settings.schedule.every, key="schedule.every") // 3600)

    @dg.schedule(
        name="extra",
        job=job,  # type: ignore[arg-type]
        cron_schedule=f"0 */{hours} * * *" if hours < 24 else "0 0 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def extra(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.date()
        return dg.RunRequest(tags=range_tags([today]))

    return extra


def _monthly_schedule(job: object, settings: Settings) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=MONTHLY,
        job=job,  # type: ignore[arg-type]
        cron_schedule=settings.schedule.monthly,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def monthly_report(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        month = (context.scheduled_execution_time.date().replace(day=1) - timedelta(days=1)).replace(day=1)
        if month < settings.organisation.start.replace(day=1):
            return dg.SkipReason(f"{month:%Y-%m} is before organisation.start")
        return dg.RunRequest(partition_key=month.isoformat())

    return monthly_report


def _late_sensor(job: object) -> dg.SensorDefinition:
    @dg.sensor(
        name="late_events",
        job=job,  # type: ignore[arg-type]
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A batch touched a month that is already issued: report it again.",
    )
    def late_events() -> Iterator[dg.RunRequest | dg.SkipReason]:
        try:
            home = home_from_environment()
            batches = batch.history(home)
        except AuditError as error:
            yield dg.SkipReason(str(error))
            return
        size = batches[-1].size if batches else 0
        for month in monthly.outdated(home, batches, utc_now().date()):
            yield dg.RunRequest(run_key=f"{month:%Y-%m}@{size}", partition_key=month.isoformat())

    return late_events
