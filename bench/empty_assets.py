"""The same assets and checks as a night's, with empty bodies: what Dagster alone costs.

python -m bench.empty_assets FOLDER DAY
"""

import os
import sys
from datetime import date
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

EVENTS_CHECKS = ("counts_reconcile", "schema", "row_order", "uid_unique")


def definitions(start: date) -> dg.Definitions:
    """Three assets by day, five checks, one job."""
    days = dg.DailyPartitionsDefinition(start_date=start.isoformat(), end_offset=1)
    whole = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=days, backfill_policy=whole)
    def events() -> None: ...

    @dg.asset(partitions_def=days, backfill_policy=whole, deps=[events])
    def findings() -> None: ...

    @dg.asset(partitions_def=days, backfill_policy=whole, deps=[events])
    def drop() -> None: ...

    def check(asset: dg.AssetsDefinition, name: str) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=asset, name=name)
        def passed() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        return passed

    checks = [*(check(events, name) for name in EVENTS_CHECKS), check(drop, "drop_equals_partition")]
    job = dg.define_asset_job("nightly", selection=["events", "findings", "drop"], executor_def=dg.in_process_executor)
    return dg.Definitions(assets=[events, findings, drop], asset_checks=checks, jobs=[job])


def main(folder: Path, day: date) -> None:
    """One run over one day, recorded in an instance of its own in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text("telemetry:\n  enabled: false\n")
    os.environ["DAGSTER_HOME"] = str(folder.resolve())
    tags = {ASSET_PARTITION_RANGE_START_TAG: day.isoformat(), ASSET_PARTITION_RANGE_END_TAG: day.isoformat()}
    with dg.DagsterInstance.get() as instance:
        result = definitions(day).resolve_job_def("nightly").execute_in_process(instance=instance, tags=tags)
    if not result.success:
        sys.exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]))
