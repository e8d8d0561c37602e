"""``verify``: whether everything that was sealed is still here, as it was, and signed by the right key."""

from typing import TYPE_CHECKING

import click

from audit_pipelines.cli.place import home_of
from audit_pipelines.errors import AuditError

if TYPE_CHECKING:
    from audit_pipelines.home import Home
    from audit_pipelines.seal.verify.check import Check, Verdict

_FIRST = 20
"""Faults of one check that are shown without --all."""


@click.command()
@click.option(
    "--key", "keys", multiple=True, metavar="FINGERPRINT|VKEY", help="A key you know from elsewhere; repeat for several."
)
@click.option("--rederive", is_flag=True, help="Compare typed columns with their records too; this takes longer.")
@click.option("--all", "everything", is_flag=True, help=f"Show every fault, not the first {_FIRST} of each check.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def verify(context: click.Context, keys: tuple[str, ...], rederive: bool, everything: bool, as_json: bool) -> None:
    """Check the whole home against its sealed log.

    Looks at signatures, both trees, statements, manifests, every line of evidence, removals, rejects, drops,
    reports and anchors, and changes nothing. Without --key the home's own word is taken for who signed.
    Exits 0 if all is good, 1 if there is a fault, 2 if it could not be verified.
    """
    from audit_pipelines.cli.bars import Bars
    from audit_pipelines.defs.station import utc_now
    from audit_pipelines.defs.verifying import verify_home

    try:
        home = home_of(context)
        with Bars() as bars:
            verdict = verify_home(home, now=utc_now(), given=keys, derived=rederive, progress=bars)
    except AuditError as error:
        click.echo(f"audit-pipelines: not verified: {error}", err=True)
        raise click.exceptions.Exit(2) from None
    if as_json:
        click.echo(_json(verdict))
    else:
        _show(home, verdict, None if everything else _FIRST)
    if verdict.faults:
        raise click.exceptions.Exit(1)


def _json(verdict: "Verdict") -> str:
    import msgspec

    from audit_pipelines.seal.verify.check import LIMITS

    plain = msgspec.to_builtins(verdict)
    content = {"outcome": verdict.outcome, "faults": len(verdict.faults), **plain, "never_checked": LIMITS}
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()


def _show(home: "Home", verdict: "Verdict", most: int | None) -> None:
    """The table for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from audit_pipelines.seal.verify.check import LIMITS, counted

    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(width=1)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for check in verdict.checks:
        table.add_row(*_row(check))
    console.print(Text(str(home.root), style="bold"))
    console.print(table)
    for check in verdict.checks:
        _show_faults(check, most)
    notes = [f"{check.name}: {note}" for check in verdict.checks for note in check.notes]
    click.echo("\nnot checked, or worth knowing:")
    for note in (*notes, *LIMITS):
        click.echo(f"  - {_printable(note)}")
    click.echo(f"\n{_printable(verdict.signer)}")
    click.echo(f"{verdict.outcome}" + (f": {counted(len(verdict.faults), 'fault')}" if verdict.faults else ""))


def _row(check: "Check") -> tuple[str, str, str]:
    from audit_pipelines.seal.verify.check import counted

    if check.faults:
        return "[red]✗[/red]", check.name, f"{check.text}: [red]{counted(len(check.faults), 'fault')}[/red]"
    return ("[green]✓[/green]" if not check.text.startswith("not ") else "-"), check.name, check.text


def _show_faults(check: "Check", most: int | None) -> None:
    if not check.faults:
        return
    click.echo(f"\n{check.name}:")
    for fault in check.faults[:most]:
        click.echo(f"  {_printable(str(fault))}")
    if most is not None and len(check.faults) > most:
        click.echo(f"  ... and {len(check.faults) - most:,} more (--all shows them)")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
