"""``drops``: what lies there for a SIEM, and days once more.

What does not belong here: publishing (``defs.drops``, ``defs.redropping``).
"""

import os
import uuid
from datetime import datetime

import click

from audit_pipelines.cli.place import home_of

_DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def drops() -> None:
    """The files for a SIEM: list them, or make days once more."""


@drops.command("list")
@click.option("--format", "form", help="Only this format.")
@click.pass_context
def list_(context: click.Context, form: str | None) -> None:
    """Show the drops by day and format."""
    from audit_pipelines.defs import redropping

    found = redropping.listing(home_of(context), form)
    for item in found:
        notes = [
            f"{count:,} {what}"
            for count, what in ((item.withheld, "withheld"), (item.archived, "archived"), (item.gone, "gone"))
            if count
        ]
        counts = f"{item.rows:>9,} events  {item.files:>3} files  {item.bytes:>13,} bytes"
        click.echo(f"{item.day}  {item.form:<12}  {item.token:<9}  {counts}" + (f"  ({', '.join(notes)})" if notes else ""))
    if not found:
        click.echo("no drops")


@drops.command()
@click.option("--format", "form", required=True, help="The format.")
@click.option("--from", "first", required=True, type=_DAY, help="First event day.")
@click.option("--to", "last", required=True, type=_DAY, help="Last event day, included.")
@click.option("--allow-duplicates", is_flag=True, help="Also where the target keeps every copy of an event (splunk, datadog).")
@click.pass_context
def again(context: click.Context, form: str, first: datetime, last: datetime, allow_duplicates: bool) -> None:
    """Publish days once more, as new files, for a SIEM that lost them.

    Readers take the files for new; the target must know events by their ids. Stated in the log.
    """
    from audit_pipelines.defs import redropping
    from audit_pipelines.defs.station import Station

    station = Station(home_of(context), str(uuid.uuid4()), who="drops again")
    try:
        made, left = redropping.again(station, form, first.date(), last.date(), allow_duplicates=allow_duplicates)
    finally:
        station.close()
    for item in made:
        for entry in item.formats:
            click.echo(f"{item.day}, batch {item.seq}: {entry.rows:,} events in {len(entry.files)} files")
    for text in left:
        click.echo(f"left out: {text}")
    if not made and not left:
        click.echo("no drops of these days")


@drops.command("new-key")
@click.option("--yes", is_flag=True, help="Do it; without it nothing is changed.")
@click.pass_context
def new_key(context: click.Context, yes: bool) -> None:
    """Begin anew with another key for hashed columns: the same value gets another digest from then on."""
    from audit_pipelines.defs import hashing
    from audit_pipelines.defs.station import Station

    station = Station(home_of(context), str(uuid.uuid4()), who="drops new-key")
    try:
        station.lock()
        old = hashing.name_of(station.home)
        if yes:
            hashing.new_key(station.home, os.urandom)
            click.echo(f"key {hashing.name_of(station.home)} in the place of {old or 'none'}")
        else:
            click.echo(f"the key is {old or 'not made yet'}; --yes makes another")
    finally:
        station.close()
