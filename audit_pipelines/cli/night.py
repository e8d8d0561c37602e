"""``night``: bring days up to date, in one run."""

from datetime import date, datetime, timedelta

import click

from audit_pipelines.cli.place import home_of
from audit_pipelines.errors import AuditError, SettingsError
from audit_pipelines.home import Home
from audit_pipelines.settings import Settings

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option("--day", type=_DAY, help="One day, e.g. 2026-01-05.")
@click.option("--from", "first", type=_DAY, help="First day of a range.")
@click.option("--to", "last", type=_DAY, help="Last day of the range, included.")
@click.pass_context
def night(context: click.Context, day: datetime | None, first: datetime | None, last: datetime | None) -> None:
    """Extract, judge and ship: one run over the open days, one day, or a range of days.

    Without options: yesterday and the days before it that settings keep open. Afterwards a month that is
    already issued and was touched by late events is reported again.
    """
    from audit_pipelines.defs import sources
    from audit_pipelines.defs.station import nightly_days, utc_now

    home = home_of(context)
    settings = home.settings()
    if not sources.of(home, ()):
        raise SettingsError("there is no source", where=str(home.settings_file), todo="add a [[sources]] table")
    today = utc_now().date()
    chosen = _chosen(day, first, last)
    span, again = nightly_days(today, settings) if chosen is None else (chosen, ())
    _check(span, today, settings, home)
    _run(home, span, again, today)


def _check(span: tuple[date, ...], today: date, settings: Settings, home: Home) -> None:
    """Days must be partitions: from ``organisation.start`` to today."""
    start = settings.organisation.start
    if not span or span[0] < start:
        what = f"{span[0] if span else 'yesterday'} is before organisation.start, {start}"
        raise SettingsError(what, where=str(home.settings_file), todo="set an earlier start, or ask for later days")
    if span[-1] > today:
        raise click.UsageError(f"{span[-1]} is not here yet (today is {today}, UTC)")


def _run(home: Home, span: tuple[date, ...], again: tuple[date, ...], today: date) -> None:
    from audit_pipelines.cli.bars import Bars
    from audit_pipelines.cli.words import after_night
    from audit_pipelines.defs import monthly
    from audit_pipelines.defs.inprocess import Jobs
    from audit_pipelines.defs.station import Station

    failure: AuditError | None = None
    with Bars() as bars, Jobs(home, lambda opened, run_id: Station(opened, run_id, who="night", progress=bars)) as jobs:
        try:
            after_night(jobs.night(span, again))
        except AuditError as error:
            failure = error
        try:
            for month in monthly.outdated(home, monthly.history(home), today):
                jobs.report(month)
                click.echo(f"{month:%Y-%m} was issued and has changed: a new revision was made")
        except AuditError as error:
            if failure is None:
                raise
            click.echo(f"audit-pipelines: {error}", err=True)
    if failure is not None:
        raise failure


def _chosen(day: datetime | None, first: datetime | None, last: datetime | None) -> tuple[date, ...] | None:
    """The days that the options name; None for a plain night."""
    if day is not None and (first or last):
        raise click.UsageError("--day does not go with --from and --to")
    if (first is None) != (last is None):
        raise click.UsageError("--from and --to go together")
    if day is not None:
        first = last = day
    if first is None or last is None:
        return None
    if last < first:
        raise click.UsageError("--to is before --from")
    return tuple(first.date() + timedelta(days=n) for n in range((last - first).days + 1))
