"""``demo``: a made-up organisation, extracted through the real client, reported and shipped."""

import os
import shutil
import sys
from datetime import date, datetime
from pathlib import Path

import click

from audit_pipelines.errors import HomeError


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default="demo")
@click.option("--seed", default=1, show_default=True, help="Another seed, another past.")
@click.option("--today", type=click.DateTime(["%Y-%m-%d"]), help="Pretend that today is this day.")
@click.option("--serve", is_flag=True, help="Only serve the API of a demo home that is there, until Ctrl-C.")
def demo(directory: Path, seed: int, today: datetime | None, serve: bool) -> None:
    """Fill a home in DIRECTORY with three months and some nights of a made-up organisation.

    A real HTTP server on loopback gives the events; three monthly backfills and then each later night
    extract them, one with late events, one repeated; the three months are reported.
    """
    from audit_pipelines.defs import showing
    from audit_pipelines.defs.station import utc_now

    day: date = today.date() if today else utc_now().date()
    if serve:
        showing.serve(directory, click.echo)
        return
    if (directory / "audit.toml").exists():
        todo = f"look at it with: audit-pipelines --home {directory} status; or remove it to start again"
        raise HomeError("there is a home already", where=str(directory), todo=todo)
    from audit_pipelines.cli.bars import Bars

    with Bars() as bars:
        shown = showing.play(directory, seed=seed, today=day, progress=bars, say=click.echo)
    click.echo()
    for line in showing.summary(shown, directory, _program()):
        click.echo(line)


def _program() -> str:
    """How this program can be called from here, for the summary's commands."""
    if shutil.which("audit-pipelines"):
        return "audit-pipelines"
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "audit-pipelines" else "python -m audit_pipelines"
