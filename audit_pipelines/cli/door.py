"""``dagster``: Dagster's own programs, pointed at the home."""

import os
import shutil
import sys
from pathlib import Path

import click

from audit_pipelines.cli.place import home_of
from audit_pipelines.errors import HomeError

_PROGRAMS = {"dev": ("dagster", "dev"), "webserver": ("dagster-webserver",), "daemon": ("dagster-daemon", "run")}


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("program", metavar="dev|webserver|daemon|...")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def dagster(context: click.Context, program: str, arguments: tuple[str, ...]) -> None:
    """Run Dagster on this home: `dagster dev`, `dagster webserver`, `dagster daemon`, or any of its commands.

    Sets DAGSTER_HOME and AUDIT_HOME and adds the home's workspace.yaml; everything after the program's
    name is passed on, e.g. `audit-pipelines dagster dev -p 3333`.
    """
    from audit_pipelines.defs.founding import dagster_home, write_dagster_files

    home = home_of(context)
    write_dagster_files(home)
    words = _PROGRAMS.get(program, ("dagster", program))
    executable = Path(sys.executable).with_name(words[0])
    found = str(executable) if executable.is_file() else shutil.which(words[0])
    if found is None:
        raise HomeError(f"{words[0]} is not installed", where="dagster", todo="pip install dagster-webserver")
    environment = {**os.environ, "DAGSTER_HOME": str(dagster_home(home)), "AUDIT_HOME": str(home.root)}
    workspace = ("-w", str(home.root / "workspace.yaml")) if program in _PROGRAMS else ()
    os.chdir(home.root)
    os.execve(found, [found, *words[1:], *workspace, *arguments], environment)  # noqa: S606 - no shell is the point
