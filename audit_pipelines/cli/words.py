"""What commands say when they are done: a few lines of plain words on standard output."""

from collections import Counter
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from audit_pipelines.batch import Batch
    from audit_pipelines.defs.monthly import Issued
    from audit_pipelines.defs.station import Station
    from audit_pipelines.home import Home
    from audit_pipelines.lake.purge import Plan

_OTHERS = (("findings", "findings files"), ("drop", "drop files"), ("rejects", "reject files"))


def after_night(station: "Station") -> None:
    """One line a source, and what was made of it."""
    outcome = station.outcome
    if outcome is None:
        return
    committed = outcome.batch.sources if outcome.batch else outcome.sources  # what is late is known when it is committed
    for result in committed:
        ways = ("events", "duplicates", "conflicts", "rejects", "known_rejects", "erased", "expired", "late", "mistyped")
        counts = ", ".join(f"{getattr(result, way):,} {way.replace('_', ' ')}" for way in ways if getattr(result, way))
        click.echo(f"{result.name}: {result.records:,} records" + (f": {counts}" if counts else ""))
    if outcome.batch is None:
        click.echo("nothing new: no file was changed")
    else:
        click.echo(describe(outcome.batch))
    if station.past is not None and station.past.removal is not None:
        click.echo(past(station.past, deleted=station.settings.retention.enforce))


def past(plan: "Plan", *, deleted: bool) -> str:
    """What is past its retention, in one line."""
    what = f"{plan.events:,} events in {plan.files:,} files of {len(plan.days):,} days"
    others = [f"{count:,} {name}" for what_, name in _OTHERS if (count := plan.count(what_))]
    what += f", {', '.join(others)}" if others else ""
    return f"deleted, past retention: {what}" if deleted else f"past retention: {what} (`purge` shows and deletes them)"


def describe(batch: "Batch") -> str:
    """A batch in one line."""
    touched = [day for day in batch.days if day.events]
    span = f"{touched[0].day} to {touched[-1].day}" if len(touched) > 1 else str(touched[0].day) if touched else "no day"
    quiet = Counter(bool(day.events) for day in batch.days)[False]
    return (
        f"batch {batch.seq}: {batch.size - batch.first:,} events of {len(touched)} days ({span})"
        + (f", {quiet} days without events" if quiet else "")
        + (f", {batch.rejects.count:,} rejects" if batch.rejects else "")
    )


def after_report(home: "Home", issued: "Issued | None") -> None:
    """Where the report is."""
    if issued is None:
        return
    place = issued.folder.relative_to(home.root)
    if issued.draft:
        click.echo(f"draft ({issued.draft}): {place}")
    elif issued.new:
        click.echo(f"revision {issued.revision}, computed from {issued.size:,} events of the log: {place}")
    else:
        click.echo(f"{issued.kept or f'nothing has changed since revision {issued.revision}'}: {place}")
