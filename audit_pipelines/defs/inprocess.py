"""The command line's way into the same Dagster jobs: run in this process, recorded in the home's instance."""

import logging
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Any

from audit_pipelines.defs.founding import dagster_home, write_dagster_files
from audit_pipelines.defs.station import Station
from audit_pipelines.errors import AuditError, RunError
from audit_pipelines.home import Home
from audit_pipelines.lake import lock

if TYPE_CHECKING:
    import dagster as dg

OPENING_SECONDS = 120
_QUIET: Mapping[str, object] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The command line says what happened in its own words; Dagster's records have the rest."""
MakeStation = Callable[[Home, str], Station]


def prepare(home: Home) -> None:
    """Point Dagster at the home; must come before dagster is asked for its instance."""
    write_dagster_files(home)
    os.environ["DAGSTER_HOME"] = str(dagster_home(home))
    os.environ["AUDIT_HOME"] = str(home.root)
    warnings.filterwarnings("ignore", module="dagster")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)


def _open_instance(home: Home) -> "dg.DagsterInstance":
    """Dagster's instance of the home; one process at a time makes its tables (two at once would collide)."""
    import dagster as dg

    with lock.hold(dagster_home(home) / "lock", who="opening Dagster's instance", wait=OPENING_SECONDS):
        instance = dg.DagsterInstance.get().__enter__()
        for storage in ("run_storage", "event_log_storage", "schedule_storage"):
            getattr(instance, storage)  # made when first asked for
    return instance


class Jobs(AbstractContextManager["Jobs"]):
    """The home's jobs, ready to run; keeps Dagster's instance and definitions for several runs."""

    def __init__(self, home: Home, make: MakeStation) -> None:
        prepare(home)
        from audit_pipelines import definitions
        from audit_pipelines.defs import resources

        self._home = home
        self._made: list[Station] = []
        self._instance = _open_instance(home)

        def remember(opened: Home, run_id: str) -> Station:
            station = make(opened, run_id)
            self._made.append(station)
            return station

        self._definitions = definitions.build(home.settings(), station=resources.station_resource(remember))

    def __exit__(self, *_: object) -> None:
        self._instance.__exit__(None, None, None)

    def night(self, days: Sequence[date], revisit: Sequence[date] = ()) -> Station:
        """One run over ``days``, and ``revisit`` once more.

        Raises:
            AuditError: whatever the run raised first; ``RunError`` for a partial one.
        """
        from audit_pipelines.defs import jobs

        return self._run(jobs.NIGHTLY, tags=jobs.range_tags(days), run_config=jobs.night_config(revisit))

    def report(self, month: date) -> Station:
        """One month's report, in a run of its own."""
        from audit_pipelines.defs import jobs

        return self._run(jobs.MONTHLY, partition_key=month.replace(day=1).isoformat())

    def _run(self, job: str, *, run_config: Mapping[str, object] | None = None, **arguments: Any) -> Station:
        self._made.clear()
        result = self._definitions.resolve_job_def(job).execute_in_process(
            instance=self._instance, raise_on_error=False, run_config={**_QUIET, **(run_config or {})}, **arguments
        )
        station = self._made[-1] if self._made else None
        if result.success and station is not None:
            return station
        raise self._error(station, result)

    def _error(self, station: Station | None, result: Any) -> AuditError:
        if station is not None and station.first_error is not None:
            return station.first_error
        texts = [event.event_specific_data.error.to_string() for event in result.all_events if event.is_step_failure]
        return RunError(texts[0].strip().splitlines()[0] if texts else "the run failed", where=f"Dagster run {result.run_id}")
