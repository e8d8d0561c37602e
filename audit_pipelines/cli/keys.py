"""``keys`` and ``incident``: who signs the log, and what its readers must know.

What does not belong here: signing (``seal``).
"""

import shlex
from datetime import timedelta
from pathlib import Path

import click

from audit_pipelines.cli.place import home_of


@click.group()
def keys() -> None:
    """Show, make and rotate the keys that sign the log."""


@keys.command("list")
@click.pass_context
def listing(context: click.Context) -> None:
    """Every key: its fingerprint, since when it signs, and the verifier keys of both logs."""
    from audit_pipelines.defs import signing

    for key in signing.keys(home_of(context)):
        click.echo(f"{key.fingerprint}  {key.standing}")
        for vkey in key.vkeys:
            click.echo(f"    {vkey}")


@keys.command("new")
@click.option("--command", help="A command that signs, in place of a key file: gets the bytes on standard input.")
@click.option("--public", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its public key, PEM.")
@click.pass_context
def new(context: click.Context, command: str | None, public: Path | None) -> None:
    """Make a signing key, or register a command that signs (HSM, KMS, agent).

    The first one begins to sign with the first night; a further one when `keys rotate` says so.
    """
    from audit_pipelines.defs import signing

    if (command is None) != (public is None):
        raise click.UsageError("--command and --public go together")
    made = signing.new(home_of(context), shlex.split(command) if command else None, public)
    click.echo(f"made {made.path}")
    click.echo(f"fingerprint, for your auditors: {made.fingerprint}")


@keys.command("rotate")
@click.option("--finish", is_flag=True, help="The older key signs no more; at the earliest 28 days after the new one began.")
@click.option("--reason", default="scheduled rotation", show_default=True)
@click.pass_context
def rotate(context: click.Context, finish: bool, reason: str) -> None:
    """Let a new key sign beside the old one; a month later, with --finish, let the old one go.

    In the month between, both sign: hand the new fingerprint to everyone who has the old one.
    """
    from audit_pipelines.defs import signing

    home = home_of(context)
    done = signing.finish_rotation(home, reason) if finish else signing.begin_rotation(home, reason)
    click.echo(done)
    if not finish:
        click.echo(f"run `keys rotate --finish` after {signing.OVERLAP // timedelta(days=1)} days")


@click.command()
@click.option("--restored", is_flag=True, help="The home came from a backup: begin a new log that names the lost one.")
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="With --restored: a newer checkpoint of the lost log than this machine has, e.g. from a drop.",
)
@click.option("--key-lost", is_flag=True, help="The private key is gone without a backup: begin a new log under a new key.")
@click.option("--compromised", metavar="FINGERPRINT", help="A key was stolen: it signs no more, a new one takes over.")
@click.option("--note", help="What happened, in words; alone: anything else that readers of the log must know.")
@click.pass_context
def incident(
    context: click.Context,
    restored: bool,
    checkpoint: tuple[Path, ...],
    key_lost: bool,
    compromised: str | None,
    note: str | None,
) -> None:
    """State in the log that something happened: a restore, a lost or stolen key, or other."""
    from audit_pipelines.defs import restoring, signing

    chosen = sum((restored, key_lost, compromised is not None))
    if chosen > 1 or (chosen == 0 and note is None):
        raise click.UsageError("one of --restored, --key-lost, --compromised and --note")
    home = home_of(context)
    if restored or key_lost:
        notes = [path.read_bytes() for path in checkpoint]
        click.echo(restoring.restored(home, notes, note or "", key_lost=key_lost))
    elif compromised is not None:
        click.echo(signing.compromised(home, compromised, note or ""))
    else:
        click.echo(signing.note(home, note or ""))
