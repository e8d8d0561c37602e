"""``status`` and ``query``: looking at a home."""

import json
import sys
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from audit_pipelines.cli.place import home_of

if TYPE_CHECKING:
    from audit_pipelines.defs.sealstanding import SealStanding
    from audit_pipelines.defs.standing import Standing


@click.command()
@click.option("--check", is_flag=True, help="For cron and monitoring: say only what is wrong, exit 1 if anything is.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_context
def status(context: click.Context, check: bool, as_json: bool) -> None:
    """Say how the pipeline stands: freshness, gaps, counts, last run, rejects.

    Findings are counted apart: colours speak of the pipeline, not of what the rules found. --check exits
    1 when the last finished night is older than 26 hours, a day is missing, or anything else is not whole.
    """
    from audit_pipelines.defs.standing import standing
    from audit_pipelines.defs.station import utc_now

    found = standing(home_of(context), utc_now())
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode({**_plain(found), "problems": found.problems}), indent=2).decode())
    elif check:
        for problem in found.problems:
            click.echo(problem)
    else:
        show(found)
    if check and found.problems:
        raise click.exceptions.Exit(1)


def _plain(found: "Standing") -> dict[str, object]:
    import msgspec

    plain: dict[str, object] = msgspec.to_builtins(found)
    return plain


def show(found: "Standing") -> None:
    """The table for people."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    good, bad = ("[green]✓[/green]", "[red]✗[/red]")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(width=1)
    table.add_column(style="bold")
    table.add_column()
    for fine, name, text in _lines(found):
        table.add_row(good if fine else bad if fine is not None else " ", name, text)
    console.print(f"[bold]{found.organisation}[/bold]  {found.now:%Y-%m-%d %H:%M} UTC")
    console.print(table)
    if found.problems:
        console.print("\n".join(f"[red]{problem}[/red]" for problem in found.problems))
    else:
        console.print("[green]all green[/green]")


_COUNTED = ("duplicates", "conflicts", "late", "out_of_range")


def _lines(found: "Standing") -> list[tuple[bool | None, str, str]]:
    """(good, bad or neither; name; text) of each line."""
    from audit_pipelines.defs.standing import FRESH

    last = found.last
    fresh = found.finished is not None and found.now - found.finished.finished <= FRESH
    when = f"{found.finished.finished:%Y-%m-%d %H:%M} UTC" if found.finished else "never"
    lines: list[tuple[bool | None, str, str]] = [
        (fresh, "last night", when + (", a run is going on now" if found.running else "")),
        (last is not None and last.status == "ok", "last run", f"{last.status} ({last.who})" if last else "none"),
    ]
    for source in found.sources:
        gaps = sum((high - low).days + 1 for low, high in source.missing)
        newest = f", newest {source.newest:%Y-%m-%d %H:%M}" if source.newest else ""
        text = f"{source.events:,} events{newest}, " + (f"{gaps} days missing" if gaps else "no day missing")
        lines.append((gaps == 0 and source.error is None, f"source {source.name}", text))
    kept = f"{found.rejects:,} kept" + (f", {found.replayed:,} replayed" if found.replayed else "")
    lines += [
        (
            not found.strays,
            "lake",
            f"{found.size:,} events in {found.batches} batches, {found.days} days, {found.empty_days} without events",
        ),
        (
            None,
            "counted",
            ", ".join(f"{getattr(found, way):,} {way.replace('_', ' ')}" for way in _COUNTED),
        ),
        (None, "rejects", kept + (": audit-pipelines rejects" if found.rejects > found.replayed else "")),
        (found.undropped == 0, "drops", f"{found.undropped} days missing" if found.undropped else "complete"),
        (found.unjudged == 0, "rules", f"{found.unjudged} days not judged" if found.unjudged else "ran on every day"),
        (not found.outdated, "reports", ", ".join(f"{month} r{number}" for month, number in found.reports) or "none issued"),
    ]
    lines += _log_lines(found.log)
    order = ("critical", "high", "medium", "low")
    hits = ", ".join(f"{found.findings[severity]} {severity}" for severity in order if severity in found.findings)
    lines.append((None, "findings", hits or "none"))
    return lines


def _log_lines(log: "SealStanding") -> list[tuple[bool | None, str, str]]:
    signers = ", ".join(signer[:16] for signer in log.signers)
    sealed = f"{log.size:,} leaves, {log.statements:,} statements, signed by {signers or 'nobody yet'}"
    if log.unsealed:
        sealed += f"; {log.unsealed} batches wait"
    lines: list[tuple[bool | None, str, str]] = [(not log.unsealed and not log.fault, "sealed", log.fault or sealed)]
    if log.drilled is not None:
        lines.append((not log.drill_missed, "drill", f"{log.drilled:%Y-%m-%d}, {log.drill}"))
    if log.anchor_fault:
        lines.append((False, "anchors", f"{log.tokens_missing} tokens missing: {log.anchor_fault}"))
    kept = f"{log.past:,} events past it" if log.past else "nothing past it"
    kept += f", held: {', '.join(log.holds)}" if log.holds else ""
    lines.append((None, "retention", kept + (f", {log.removals} removals" if log.removals else "")))
    return lines


@click.command()
@click.argument("name", required=False)
@click.option("--param", "-p", "given", multiple=True, metavar="NAME=VALUE", help="A parameter of the query.")
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="First day (parameter since).")
@click.option("--to", "last", type=click.DateTime(["%Y-%m-%d"]), help="Last day, included (parameter until).")
@click.option("--format", "form", type=click.Choice(["table", "csv", "ndjson"]), default="table", show_default=True)
@click.pass_context
def query(
    context: click.Context, name: str | None, given: tuple[str, ...], first: datetime | None, last: datetime | None, form: str
) -> None:
    """Run the query NAME; without a name, list the queries.

    Queries that take a period use all days of the log where --from or --to is left out.
    """
    from audit_pipelines.defs import asking
    from audit_pipelines.defs.station import utc_now

    if name is None:
        for known in asking.known():
            click.echo(f"{known.name:<42} {known.question}")
        return
    home = home_of(context)
    params = dict(_pair(text) for text in given)
    columns, rows = asking.ask(home, name, params, utc_now().date(), _date(first), _date(last))
    _PRINTERS[form](columns, rows)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--param {text!r} is not NAME=VALUE")
    return name, value


Rows = tuple[tuple[object, ...], ...]


def _as_table(columns: tuple[str, ...], rows: Rows) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    Console(soft_wrap=not sys.stdout.isatty()).print(table)


def _as_csv(columns: tuple[str, ...], rows: Rows) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _as_ndjson(columns: tuple[str, ...], rows: Rows) -> None:
    for row in rows:
        click.echo(json.dumps(dict(zip(columns, row, strict=True)), default=_cell, ensure_ascii=False))


def _cell(value: object) -> str:
    """One value as text: times in RFC 3339, lists and structs as JSON, control characters escaped."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    text = json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):X}}}" for char in text)


_PRINTERS = {"table": _as_table, "csv": _as_csv, "ndjson": _as_ndjson}
