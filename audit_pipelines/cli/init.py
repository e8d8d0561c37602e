"""``init``: make a home."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from audit_pipelines.errors import HomeError
from audit_pipelines.settings import Schedule


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", default="Example Ltd", show_default=True, help="The organisation's name.")
@click.option("--id", "organisation_id", default="example", show_default=True, help="Short name for file names.")
def init(directory: Path, name: str, organisation_id: str) -> None:
    """Make a home in DIRECTORY: a commented audit.toml, a signing key and Dagster's files."""
    from audit_pipelines.defs.founding import found
    from audit_pipelines.seal import keys
    from audit_pipelines.seal.sealed import keys_folder

    if (directory / "audit.toml").exists():
        raise HomeError("there is a home already", where=str(directory), todo="edit its audit.toml, or choose another directory")
    start = datetime.now(UTC).date() - timedelta(days=Schedule().overlap_days + 1)  # what the first night asks for
    home = found(directory, name=name, organisation_id=organisation_id, start=start)
    click.echo(f"Made a home in {home.root}")
    folder = keys_folder(home, home.settings())
    (public,) = keys.listing(folder)
    click.echo(f"Its log will be signed by the key in {folder}. Keep a copy of it in a safe place.")
    click.echo(f"  Fingerprint, for your auditors: {keys.fingerprint(public)}")
    click.echo(f"Next: say in {home.settings_file} where the events come from, then run")
    click.echo(f"  audit-pipelines --home {directory} night")
