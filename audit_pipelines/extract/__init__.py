"""Stage 1, extract: a configured source becomes a stream of records.

``open_source`` picks the class by the source's kind; ``DIALECTS`` holds the shipped dialects. What does
not belong here: what is an event, duplicates, storage (``lake``).
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from audit_pipelines import settings
from audit_pipelines.errors import SourceError
from audit_pipelines.home import Home
from audit_pipelines.record import Dialect, Source

DIALECTS = Path(__file__).parent / "dialects"
"""The shipped dialects, one ``<name>.sql`` each."""


def open_source(
    source: settings.Source,
    *,
    home: Home,
    dialect: Dialect,
    seen: Mapping[str, tuple[int, int]],
    environ: Mapping[str, str],
    today: date,
) -> Source:
    """The reader for one ``[[sources]]`` table, or for the home's own access log.

    Args:
        source: its settings.
        home: relative paths of files are relative to it.
        dialect: the dialect that its settings name.
        seen: kinds ``files`` and ``access``: (size, mtime in ns) by path of finished readings; such files are skipped.
        environ: environment variables, for the token.
        today: the UTC date of the run; kind ``access`` takes files of it for unfinished.

    Raises:
        SourceError: ``auth``: the variable that should hold the token is missing or empty; ``connection``:
            the url is no address.
    """
    if source.kind == "files":
        from audit_pipelines.extract.files import FilesSource

        return FilesSource(source, home.root, dialect, seen)
    if source.kind == "access":
        from audit_pipelines.extract.access import AccessSource

        return AccessSource(home, seen, today)
    from audit_pipelines.extract.http import Client
    from audit_pipelines.extract.terracotta import TerracottaSource

    assert source.url is not None  # settings check both
    assert source.token_env is not None
    token = environ.get(source.token_env, "").strip()
    if not token:
        where, todo = f"source {source.name!r}", f"set {source.token_env} to the service's token"
        raise SourceError(f"the environment variable {source.token_env} is not set", where=where, todo=todo, kind="auth")
    timeout = settings.seconds(source.timeout, key="sources.timeout")
    client = Client(base=source.url, token=token, token_env=source.token_env, timeout=timeout, retries=source.retries)
    return TerracottaSource(source, client)
