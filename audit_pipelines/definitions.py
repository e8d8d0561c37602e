"""Dagster's entry point: ``build`` puts the definitions together; ``defs`` is what workspace.yaml names."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from audit_pipelines.defs import assets, checks, jobs, resources
from audit_pipelines.errors import AuditError
from audit_pipelines.home import Home
from audit_pipelines.settings import Organisation, Settings


def settings_at_load() -> Settings:
    """The settings that shape the definitions (start, cron, overlap); defaults where there is no home yet."""
    root = os.environ.get("AUDIT_HOME")
    try:
        if root:
            return Home(Path(root)).settings()
    except AuditError as error:
        raise dg.DagsterInvalidDefinitionError(str(error)) from None
    start = datetime.now(UTC).date().replace(day=1)
    return Settings(organisation=Organisation(name="no home yet", id="none", start=start))


def build(settings: Settings | None = None, **overrides: Any) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors; ``overrides`` replace resources by name."""
    shape = settings or settings_at_load()
    events, log, findings, drop, report = assets.build(shape)
    job_list, schedules, sensors = jobs.build(shape)
    return dg.Definitions(
        assets=[events, log, findings, drop, report],
        asset_checks=checks.build(events, drop),
        jobs=job_list,  # type: ignore[arg-type]
        schedules=schedules,
        sensors=sensors,
        resources={"station": resources.station_resource(), **overrides},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What ``workspace.yaml`` loads."""
    return build()
