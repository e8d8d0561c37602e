"""The command line: thin, and each command imports its stage only when it runs.

Exit codes: 0 done; 1 failed, or ``status --check`` found something; 2 wrong usage or settings; 3 partial
(committed, but a source failed or a check found something); 4 another run holds the home. What does not
belong here: logic.
"""

import logging
import os
import sys
from pathlib import Path

import click

from audit_pipelines import __version__
from audit_pipelines.cli import bundle, demo, door, drops, init, keep, keys, look, night, repair, report, serve, tokens, verify
from audit_pipelines.errors import AuditError


class Group(click.Group):
    """Turns errors of the program's family into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except AuditError as error:
            click.echo(f"audit-pipelines: {error}", err=True)
            raise click.exceptions.Exit(error.exit_code) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(1) from None


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="AUDIT_HOME",
    help="The home directory (default: AUDIT_HOME).",
)
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
@click.version_option(__version__, "--version", prog_name="audit-pipelines")
@click.pass_context
def main(context: click.Context, home: Path | None, verbose: bool) -> None:
    """Nightly export and compliance reporting for audit logs.

    A home holds one organisation's settings and data: make one with `init`, fill it with `night`,
    look at it with `status`, report on it with `report`. `demo` shows all of it in a few minutes.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.INFO if verbose else logging.ERROR)  # also for what reaches it from Dagster's loggers
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", handlers=[handler])
    context.obj = home


for _command in (
    init.init,
    night.night,
    report.report,
    look.status,
    look.query,
    repair.rederive,
    repair.rejects,
    drops.drops,
    bundle.bundle,
    keep.holds,
    keep.purge,
    keep.erase,
    keys.keys,
    keys.incident,
    verify.verify,
    serve.serve,
    tokens.tokens,
    door.dagster,
    demo.demo,
):
    main.add_command(_command)
