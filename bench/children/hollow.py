"""The limit of an empty night: the same assets, checks and instance in Dagster, every body empty.

One run over the same days by the same executor, recorded in SQLite; nothing of the program is imported.
Arguments: DAGSTER_HOME START.
"""

import logging
import os
import sys
import warnings
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

CHECKS = ("counts_reconcile", "schema", "row_order", "uid_unique")
_INSTANCE = "telemetry:\n  enabled: false\n"
_NIGHTLY = "30 1 * * *"


def build(dg: Any, start: date) -> Any:
    """The definitions that ``audit_pipelines.definitions`` has, hollow."""
    days = dg.DailyPartitionsDefinition(start_date=start.isoformat(), end_offset=1)
    months = dg.MonthlyPartitionsDefinition(start_date=start.replace(day=1).isoformat())
    fresh = dg.FreshnessPolicy.cron(deadline_cron=_NIGHTLY, lower_bound_delta=timedelta(hours=2))

    def asset(name: str, deps: list[str], partitions: Any, *, policy: Any = None) -> Any:
        def body() -> None:
            pass

        return dg.asset(name=name, deps=deps, partitions_def=partitions, backfill_policy=policy, freshness_policy=fresh)(body)

    def check(asset: str, name: str) -> Any:
        def body() -> Any:
            return dg.AssetCheckResult(passed=True)

        return dg.asset_check(asset=asset, name=name)(body)

    whole = dg.BackfillPolicy.single_run()
    assets = [
        asset("events", [], days, policy=whole),
        asset("log", ["events"], days, policy=whole),
        asset("findings", ["events"], days, policy=whole),
        asset("drop", ["events", "log"], days, policy=whole),
        asset("report", ["events", "log", "findings"], months),
    ]
    checks = [*(check("events", name) for name in CHECKS), check("drop", "drop_equals_partition")]
    nightly = dg.define_asset_job("nightly", selection=["events", "log", "findings", "drop"], executor_def=dg.in_process_executor)
    monthly = dg.define_asset_job("monthly", selection=["report"], executor_def=dg.in_process_executor)
    schedules = [
        dg.ScheduleDefinition(name="nightly", job=nightly, cron_schedule=_NIGHTLY),
        dg.ScheduleDefinition(name="monthly", job=monthly, cron_schedule="0 6 4 * *"),
    ]
    return dg.Definitions(
        assets=assets, asset_checks=checks, jobs=[nightly, monthly], schedules=schedules, executor=dg.in_process_executor
    )


def main(folder: str, start: str) -> None:
    settings = Path(folder) / "dagster.yaml"
    if not settings.exists():
        settings.write_text(_INSTANCE, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = folder
    warnings.filterwarnings("ignore", module="dagster")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    import dagster as dg
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG as END
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_START_TAG as BEGIN

    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    tags = {BEGIN: str(yesterday - timedelta(days=3)), END: str(yesterday)}
    with dg.DagsterInstance.get() as instance:
        job = build(dg, date.fromisoformat(start)).resolve_job_def("nightly")
        if not job.execute_in_process(instance=instance, tags=tags).success:
            sys.exit("the hollow run failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
