"""``tokens``: who may read the log by the viewer and the API.

What does not belong here: how tokens are kept (``serve.tokens``, ``serve.minting``).
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from audit_pipelines.cli.place import home_of

if TYPE_CHECKING:
    from audit_pipelines.serve.tokens import Grant, Limits

_DAY = click.DateTime(["%Y-%m-%d"])
_LONGEST = timedelta(days=3650)
_NAME = click.option("--name", required=True, help="Whom it is for; stands in the access log.")


@click.group()
def tokens() -> None:
    """Tokens and links that open the viewer and the API."""


@tokens.command()
@_NAME
@click.option("--scope", "scopes", multiple=True, required=True, help="What it opens: read, export, auditor or admin.")
@click.option("--expires", default="90d", show_default=True, help="How long it counts.")
@click.pass_context
def new(context: click.Context, name: str, scopes: tuple[str, ...], expires: str) -> None:
    """Make a token and print it, once: only its digest is kept."""
    from audit_pipelines.serve import minting
    from audit_pipelines.serve.principal import SCOPES

    wanted = frozenset(scopes)
    if unknown := sorted(wanted - SCOPES.keys()):
        raise click.UsageError(f"--scope {unknown[0]}: the scopes are {', '.join(SCOPES)}")
    if "export" in wanted and not wanted & {"read", "admin"}:
        raise click.UsageError("--scope export goes with --scope read")
    grant, text = minting.new_token(home_of(context), _named(name), wanted, now=_now(), lasts=_lasts(expires))
    click.echo(text)
    click.echo(f"{grant.public_id}, {', '.join(grant.scopes)}, until {_when(grant.expires)}; it is shown only now", err=True)


@tokens.command()
@_NAME
@click.option("--report", help="Only the report and bundle of this month, e.g. 2026-01.")
@click.option("--from", "first", type=_DAY, help="Only events from this day on; goes with --to.")
@click.option("--to", "last", type=_DAY, help="Last day, included.")
@click.option("--actor", help="Only events of this actor: an id or an e-mail address.")
@click.option("--expires", default="14d", show_default=True, help="How long it counts.")
@click.pass_context
def link(
    context: click.Context,
    name: str,
    report: str | None,
    first: datetime | None,
    last: datetime | None,
    actor: str | None,
    expires: str,
) -> None:
    """Make a link that shows one report, one period or one actor, and print it, once."""
    from audit_pipelines.serve import minting

    home = home_of(context)
    limits = _limits(report, first, last, actor)
    grant, text = minting.new_link(home, _named(name), limits, now=_now(), lasts=_lasts(expires))
    click.echo(f"{home.settings().serve.public_url.rstrip('/')}/l/{text}")
    click.echo(f"{grant.public_id}, {_shows(grant)}, until {_when(grant.expires)}; it is shown only now", err=True)


@tokens.command("list")
@click.pass_context
def listing(context: click.Context) -> None:
    """Show all tokens and links, without their secrets."""
    from audit_pipelines.serve.tokens import read

    found = read(home_of(context))
    grants = found.grants if found else ()
    for grant in grants:
        state = "live" if grant.live(_now()) else "revoked" if grant.revoked else "expired"
        click.echo(f"{grant.public_id}  {state:<7}  until {_when(grant.expires)}  {_shows(grant)}  {_plain(grant.name)}")
    if not grants:
        click.echo("no tokens: make one with audit-pipelines tokens new")


@tokens.command()
@click.argument("id_", metavar="ID")
@click.pass_context
def revoke(context: click.Context, id_: str) -> None:
    """Revoke the token or link ID; it and its sessions count no more at once."""
    from audit_pipelines.serve import minting

    gone = minting.revoke(home_of(context), id_, now=_now())
    click.echo(f"{gone.public_id} ({_plain(gone.name)}) is revoked")


def _now() -> datetime:
    return datetime.now(UTC)


def _lasts(text: str) -> timedelta:
    from audit_pipelines.settings import seconds

    lasts = timedelta(seconds=seconds(text, key="--expires", file="tokens"))
    if not timedelta(0) < lasts <= _LONGEST:
        raise click.UsageError(f"--expires {text}: more than zero, at most {_LONGEST.days}d")
    return lasts


def _named(name: str) -> str:
    """A name that a log can bear."""
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise click.UsageError("--name: 1 to 200 printable characters")
    return name.strip()


def _limits(report: str | None, first: datetime | None, last: datetime | None, actor: str | None) -> "Limits":
    import msgspec

    from audit_pipelines.serve.tokens import Limits

    until = last.replace(tzinfo=UTC) + timedelta(days=1) if last else None
    given = {"report": report, "since": first.replace(tzinfo=UTC) if first else None, "until": until, "actor": actor}
    try:
        return msgspec.convert({key: value for key, value in given.items() if value is not None}, Limits)
    except msgspec.ValidationError:
        text = "give one of --report YYYY-MM, --from DAY --to DAY (not before it), --actor ID"
        raise click.UsageError(text) from None


def _shows(grant: "Grant") -> str:
    limits = grant.restriction
    if limits is None:
        return ", ".join(grant.scopes)
    if limits.since is not None and limits.until is not None:
        return f"{limits.since:%Y-%m-%d} to {limits.until - timedelta(days=1):%Y-%m-%d}"
    return f"report {limits.report}" if limits.report else f"actor {_plain(str(limits.actor))}"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _plain(text: str) -> str:
    """``text`` for a terminal: control characters escaped."""
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):X}}}" for char in text)
