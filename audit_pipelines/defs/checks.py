"""The asset checks: what the core has enforced, shown again from the files.

None is blocking: a failed check names its days, only those days' drops are held back, and the run fails
at its end. What does not belong here: the checking (``lake.inspect``, ``drops``).
"""

from typing import Any

import dagster as dg

from audit_pipelines.defs import drops, night
from audit_pipelines.lake.inspect import CHECKS, Problem

_DESCRIPTIONS = {
    "counts_reconcile": "Records in = events + duplicates + rejects + refused; lines of evidence = rows = the manifest's counts.",
    "schema": "Every Parquet has exactly the canonical columns and types.",
    "row_order": "Every Parquet is sorted by time and id, and holds only events of its day.",
    "uid_unique": "No two events share a uid.",
}


def build(events: dg.AssetsDefinition, drop: dg.AssetsDefinition) -> list[dg.AssetChecksDefinition]:
    """Four checks of ``events``, one of ``drop``."""
    checks = [_events_check(events, name) for name in CHECKS]

    @dg.asset_check(
        asset=drop,
        name="drop_equals_partition",
        description="The drops of each day hold exactly the batch's events of that day, in every format.",
        required_resource_keys={"station"},
    )
    def drop_equals_partition(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return _result(drops.compare(context.resources.station))

    return [*checks, drop_equals_partition]


def _events_check(events: dg.AssetsDefinition, name: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=events, name=name, description=_DESCRIPTIONS[name], required_resource_keys={"station"})
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return _result([problem for problem in night.problems(context.resources.station) if problem.check == name])

    return check


def _result(problems: list[Problem]) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"problems": len(problems)}
    if problems:
        metadata["days"] = ", ".join(sorted({str(problem.day or "whole batch") for problem in problems}))
        metadata["first"] = problems[0].text
    return dg.AssetCheckResult(passed=not problems, metadata=metadata)
