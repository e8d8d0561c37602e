"""``purge``, ``erase`` and ``holds``: what is kept, and what goes.

What does not belong here: deleting (``defs.keeping``).
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import click

from audit_pipelines.cli.place import home_of

if TYPE_CHECKING:
    from audit_pipelines.defs.station import Station

_DAY = click.DateTime(["%Y-%m-%d"])
UNREACHED = (
    "Not reached, and yours to deal with: what a SIEM has read, drop files that were archived elsewhere,\n"
    "issued reports and bundles, backups, and the source itself."
)


@contextmanager
def _station(context: click.Context, who: str) -> Iterator["Station"]:
    from audit_pipelines.defs.station import Station

    station = Station(home_of(context), str(uuid.uuid4()), who=who)
    try:
        yield station
    finally:
        station.close()


@click.command()
@click.option("--yes", is_flag=True, help="Delete; without it nothing is changed.")
@click.option("--approver", help="Who approved it; stands in the log. Needed with --yes.")
@click.pass_context
def purge(context: click.Context, yes: bool, approver: str | None) -> None:
    """Show what is past the retention of its source; with --yes, delete it.

    Whole files only. Each gets a statement in the log before it goes, and what a legal hold covers stays.
    """
    from audit_pipelines.cli.words import past
    from audit_pipelines.defs import keeping

    if yes and not approver:
        raise click.UsageError("--yes needs --approver")
    with _station(context, "purge") as station:
        chosen = keeping.enforce(station, approver=approver or "") if yes else keeping.plan(station)
        for share in chosen.shares:
            days = f"{share.days[0]} to {share.days[-1]}" if share.days else "no day"
            click.echo(
                f"{share.source}: {share.events:,} events in {share.files:,} files ({share.bytes:,} bytes), {days}; "
                f"kept are {share.months} months, from {share.limit} on"
            )
        if chosen.held:
            click.echo(f"{chosen.held:,} files are past retention and kept by a legal hold")
        if chosen.removal is None:
            click.echo("nothing is past retention")
            return
        click.echo(past(chosen, deleted=yes))
        click.echo(UNREACHED if yes else "nothing was changed: --yes --approver NAME deletes")


@click.command()
@click.option("--event", "uids", multiple=True, metavar="UID", help="An event's uid; as often as you like.")
@click.option("--reject", "rejects", multiple=True, metavar="IDENTITY", help="A reject's identity (`rejects --raw` shows it).")
@click.option("--ground", help="Why, in words that hold no personal data: it stands in the log for ever.")
@click.option("--approver", help="Who approved it; stands in the log.")
@click.option("--yes", is_flag=True, help="Erase; without it nothing is changed.")
@click.pass_context
def erase(
    context: click.Context, uids: tuple[str, ...], rejects: tuple[str, ...], ground: str | None, approver: str | None, yes: bool
) -> None:
    """Take single events out of the home for good, and leave the proof of all others whole.

    The leaf's hash stays, its salt and its bytes go; the event is refused if the source offers it again.
    """
    from audit_pipelines.defs import keeping

    if not uids and not rejects:
        raise click.UsageError("name what is to be erased: --event UID or --reject IDENTITY")
    if yes and not (ground and approver):
        raise click.UsageError("--yes needs --ground and --approver")
    with _station(context, "erase") as station:
        there = keeping.locate(station.home, station.batches(), uids)
        for event in there:
            click.echo(f"{event.uid}: leaf {event.leaf}, {event.day}, source {event.source}")
        for uid in sorted(set(uids) - {event.uid for event in there}):
            click.echo(f"{uid}: no such event is here (it may be erased or purged)")
        if not yes:
            click.echo("nothing was changed: --yes --ground TEXT --approver NAME erases")
            return
        removal = keeping.erase(station, uids, rejects, ground=ground or "", approver=approver or "")
        click.echo(f"erased: {sum(len(item.leaves) for item in removal.taken):,} events, {len(rejects):,} rejects")
        for item in removal.taken:
            click.echo(f"  {'rewritten' if item.new_path else 'deleted'}: {item.path}")
        for name in station.copies:
            click.echo(f"  still holds a copy: {name} (a night removes it once its day is over and sealed)")
        click.echo(UNREACHED)


@click.group()
def holds() -> None:
    """Legal holds: what they cover is neither purged nor erased."""


@holds.command("list")
@click.pass_context
def listing(context: click.Context) -> None:
    """The holds in force."""
    from audit_pipelines.seal.sealed import read_ledger

    known = read_ledger(home_of(context))
    found = known.holds() if known else {}
    for name, hold in sorted(found.items()):
        span = f"{hold.first or 'the beginning'} to {hold.last or 'further notice'}"
        click.echo(f"{name}: source {hold.source or 'all'}, {span}, since {hold.at:%Y-%m-%d} ({hold.approver}: {hold.reason})")
    if not found:
        click.echo("no hold is in force")


@holds.command("set")
@click.argument("name")
@click.option("--source", help="Only this source.")
@click.option("--from", "first", type=_DAY, help="First event day; without it all earlier ones too.")
@click.option("--to", "last", type=_DAY, help="Last event day, included; without it all later ones too.")
@click.option("--reason", required=True, help="Why, in words that hold no personal data: it stands in the log.")
@click.option("--approver", required=True)
@click.pass_context
def set_hold(
    context: click.Context,
    name: str,
    source: str | None,
    first: datetime | None,
    last: datetime | None,
    reason: str,
    approver: str,
) -> None:
    """Set the hold NAME."""
    from audit_pipelines.defs import keeping, mending

    low, high = first.date() if first else None, last.date() if last else None
    if low and high and high < low:
        raise click.UsageError("--to is before --from")
    with _station(context, "holds set") as station:
        mending.known_source(station.home, source)
        keeping.set_hold(station, name, source=source, first=low, last=high, reason=reason, approver=approver)
        click.echo(f"the hold {name} is in force")


@holds.command("release")
@click.argument("name")
@click.option("--reason", required=True)
@click.option("--approver", required=True)
@click.pass_context
def release(context: click.Context, name: str, reason: str, approver: str) -> None:
    """Release the hold NAME."""
    from audit_pipelines.defs import keeping

    with _station(context, "holds release") as station:
        keeping.release_hold(station, name, reason=reason, approver=approver)
        click.echo(f"the hold {name} is released")
