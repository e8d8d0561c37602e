"""Which home a command works on."""

from pathlib import Path

import click

from audit_pipelines.errors import HomeError
from audit_pipelines.home import Home, open_home


def home_of(context: click.Context) -> Home:
    """The home named by ``--home`` or ``AUDIT_HOME``.

    Raises:
        HomeError: none is named, or there is none.
    """
    root: Path | None = context.obj
    if root is None:
        raise HomeError("no home is named", where="--home", todo="give --home DIR or set AUDIT_HOME")
    return open_home(root)
