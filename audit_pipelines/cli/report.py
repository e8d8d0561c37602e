"""``report``: issue a month."""

from datetime import datetime

import click

from audit_pipelines.cli.place import home_of
from audit_pipelines.errors import ReportError


@click.command()
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), help="The month, e.g. 2026-01.")
@click.pass_context
def report(context: click.Context, month: datetime) -> None:
    """Make the monthly report: PDF, report.json and lists, as a revision that is never overwritten.

    A month that is not over, or not fully read, gives a draft under state/drafts.
    """
    from audit_pipelines.cli.bars import Bars
    from audit_pipelines.cli.words import after_report
    from audit_pipelines.defs import monthly
    from audit_pipelines.defs.inprocess import Jobs
    from audit_pipelines.defs.station import Station, utc_now

    home = home_of(context)
    span = monthly.Month(month.date())
    start = home.settings().organisation.start
    if span.until <= start:
        what = f"{span.first:%Y-%m} is before organisation.start, {start}"
        raise ReportError(what, where=str(home.settings_file), todo="set an earlier start, or name a later month")
    why = monthly.unready(monthly.history(home), home.settings(), span, utc_now().date())
    with Bars() as bars:
        if why:  # Dagster's partition of a month exists only when it is over
            station = Station(home, "draft", who="report", progress=bars)
            try:
                station.lock()
                after_report(home, monthly.report(station, span.first))
            finally:
                station.close()
            return
        with Jobs(home, lambda opened, run_id: Station(opened, run_id, who="report", progress=bars)) as jobs:
            after_report(home, jobs.report(span.first).issued)
