"""The one resource: the ``Station`` of a run, opened lazily and closed when the run ends.

The executor is in-process, so all assets and checks of a run share it, and with it the lock. What does
not belong here: logic.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from audit_pipelines.defs.runs import conclude, mark_dead_runs, mark_own_run
from audit_pipelines.defs.station import Station
from audit_pipelines.errors import HomeError
from audit_pipelines.home import Home, open_home

MakeStation = Callable[[Home, str], Station]


def home_from_environment() -> Home:
    """The home that ``AUDIT_HOME`` names.

    Raises:
        HomeError: the variable is not set, or names no home.
    """
    root = os.environ.get("AUDIT_HOME")
    if not root:
        todo = "set AUDIT_HOME, or start Dagster with: audit-pipelines --home DIR dagster dev"
        raise HomeError("no home is named", where="AUDIT_HOME", todo=todo)
    return open_home(Path(root))


def station_resource(make: MakeStation | None = None) -> dg.ResourceDefinition:
    """The resource ``station``; ``make`` lets the command line and the demo bring their own."""

    @dg.resource(description="The home, its lock and the state of the run.")
    def station(context: dg.InitResourceContext) -> Iterator[Station]:
        run_id = context.run.run_id if context.run else "outside-a-run"
        home = home_from_environment()
        made = make(home, run_id) if make else Station(home, run_id, who=f"Dagster run {run_id[:8]}")
        instance = context.instance
        if instance is not None and context.run:
            mark_own_run(instance, run_id)
            made.on_lock = lambda: mark_dead_runs(instance, run_id)
        try:
            yield made
        finally:
            try:
                conclude(made)
            finally:
                made.close()

    return station
