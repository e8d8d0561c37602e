"""``bundle``: evidence for an auditor."""

from datetime import datetime, timedelta
from pathlib import Path

import click

from audit_pipelines.cli.place import home_of


@click.command()
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="A month, e.g. 2026-01.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="One day.")
@click.option("--event", "uid", help="One event by its uid.")
@click.option("--category", "categories", multiple=True, help="Disclose only this category; the others by their hash.")
@click.option("--source", "sources", multiple=True, help="Disclose only this source; the others by their hash.")
@click.option("--output", type=click.Path(path_type=Path, exists=True, file_okay=False), default=".", help="Folder for the zip.")
@click.pass_context
def bundle(
    context: click.Context,
    month: datetime | None,
    day: datetime | None,
    uid: str | None,
    categories: tuple[str, ...],
    sources: tuple[str, ...],
    output: Path,
) -> None:
    """Write a zip with records, proofs and a verifier: an auditor checks it offline, without this program."""
    from audit_pipelines.defs import bundling, mending
    from audit_pipelines.defs.monthfacts import Month
    from audit_pipelines.seal.bundle import Scope

    if sum(given is not None for given in (month, day, uid)) != 1:
        raise click.UsageError("one of --month, --day and --event")
    home = home_of(context)
    for source in sources:
        mending.known_source(home, source)
    if month is not None:
        scope = Scope("month", month.date(), Month(month.date()).until)
    elif day is not None:
        scope = Scope("day", day.date(), day.date() + timedelta(days=1))
    else:
        scope = bundling.scope_of_event(home, uid or "")
    made = bundling.bundle(home, scope, output, categories=categories, sources=sources)
    click.echo(f"{made.path}: {made.disclosed:,} records of {made.files:,} files, {made.withheld:,} by their hash alone")
    click.echo(f"SHA-256 {made.sha256}")
    if made.unsealed:
        click.echo(f"{made.unsealed} batches are not sealed yet and not in it: run a night first")
