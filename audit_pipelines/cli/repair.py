"""``rederive`` and ``rejects``: putting right what can be put right without touching evidence."""

import json
from collections import Counter
from datetime import datetime

import click

from audit_pipelines.cli.place import home_of


@click.command()
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First event day (default: the first).")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last event day, included (default: the last).")
@click.option("--source", help="Only this source.")
@click.pass_context
def rederive(context: click.Context, first: datetime | None, last: datetime | None, source: str | None) -> None:
    """Make the Parquet files again from the evidence, with today's dialects.

    With the same dialect and versions the bytes come out the same, and no file is touched.
    """
    from audit_pipelines.cli.bars import Bars
    from audit_pipelines.defs import mending

    with Bars() as bars:
        done = mending.rederive_days(
            home_of(context), first.date() if first else None, last.date() if last else None, source, progress=bars
        )
    click.echo(f"{done.files:,} files derived again, {done.changed:,} of them differ from before or were missing")


@click.command()
@click.option("--replay", is_flag=True, help="Turn those that can now be read into events of a new batch.")
@click.option("--source", help="Only this source.")
@click.option("--raw", is_flag=True, help="One JSON object a line, with the bytes as base64.")
@click.pass_context
def rejects(context: click.Context, replay: bool, source: str | None, raw: bool) -> None:
    """Show what could not be read, and why; with --replay, try again with today's dialects."""
    from audit_pipelines.defs import mending

    home = home_of(context)
    if replay:
        outcome = mending.replay_rejects(home, source)
        replayed = len(outcome.batch.replayed) if outcome and outcome.batch else 0
        click.echo(f"{replayed:,} rejects were replayed" if replayed else "no reject can be read yet")
        if outcome and outcome.batch:
            from audit_pipelines.cli.words import describe

            click.echo(describe(outcome.batch))
        return
    mending.known_source(home, source)
    kept = [entry for entry in mending.unresolved(home) if source in (None, entry.source)]
    if raw:
        import msgspec

        for entry in kept:
            click.echo(msgspec.json.encode(entry).decode())
        return
    for (name, reason), count in Counter((entry.source, entry.reason) for entry in kept).most_common():
        click.echo(f"{count:>8,}  {name}: {_printable(reason)}")
    for entry in kept[:20]:
        click.echo(f"{entry.source}: {_printable(entry.origin)}, position {entry.position}: {_printable(entry.reason)}")
        click.echo(f"    {_printable(entry.raw[:120].decode('utf-8', 'backslashreplace'))}")
    if len(kept) > 20:
        click.echo(f"... and {len(kept) - 20:,} more (--raw shows all)")
    if not kept:
        click.echo("no rejects")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
