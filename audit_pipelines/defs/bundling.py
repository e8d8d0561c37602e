"""Evidence bundles of a home: which scope, which records are disclosed, and their README.

What does not belong here: the bundle's form (``seal.bundle``).
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from audit_pipelines import __version__
from audit_pipelines.batch import Batch, EvidenceFile, evidence_files
from audit_pipelines.defs.keeping import locate
from audit_pipelines.defs.station import Station
from audit_pipelines.durable import exclusive_umask
from audit_pipelines.errors import SealError
from audit_pipelines.home import Home
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.seal.bundle import Bundled, Disclose, Scope, write_bundle
from audit_pipelines.shipped import shipped

_WORDS: Final = {"month": "the month {0}", "day": "the day {0}", "event": "event number {1} of the log, of {0}"}


def bundle(home: Home, scope: Scope, folder: Path, *, categories: Sequence[str] = (), sources: Sequence[str] = ()) -> Bundled:
    """Write the bundle of ``scope`` into ``folder``; with categories or sources only their records are disclosed.

    Raises:
        SealError: nothing of the scope is in the log.
    """
    station = Station(home, str(uuid.uuid4()), who="bundle")
    try:
        station.lock()
        batches = station.batches()
        if not any(scope.first <= day.day < scope.until for batch in batches for day in batch.days):
            todo = "run: audit-pipelines night --from D --to D"
            raise SealError("no night has asked for these days", where=scope.name, todo=todo)
        disclose = _disclosure(home, batches, scope, categories, sources) if categories or sources else None
        with exclusive_umask():
            return write_bundle(
                home,
                batches,
                scope,
                final=folder / f"{home.settings().organisation.id}.evidence.{scope.name}.zip",
                disclose=disclose,
                made_by=f"audit-pipelines {__version__}",
                readme=readme,
            )
    finally:
        station.close()


def scope_of_event(home: Home, uid: str) -> Scope:
    """The scope of one event.

    Raises:
        SealError: there is no such event.
    """
    from audit_pipelines.batch import history

    found = locate(home, history(home), [uid])
    if not found:
        raise SealError("is not in the log", where=uid, todo="name a uid as a query, a drop or a report has it")
    return Scope("event", found[0].day, found[0].day + timedelta(days=1), found[0].leaf)


def _disclosure(
    home: Home, batches: Sequence[Batch], scope: Scope, categories: Sequence[str], sources: Sequence[str]
) -> Disclose:
    connection = connect(memory="1GB", spill=home.staging / "spill")
    try:
        relate(connection, home, evidence_files(batches, since=scope.first, until=scope.until))
        rows = connection.execute(
            "SELECT leaf_index FROM events WHERE (len($categories) = 0 OR category IN (SELECT unnest($categories)))"
            " AND (len($sources) = 0 OR source IN (SELECT unnest($sources)))",
            {"categories": list(categories), "sources": list(sources)},
        ).fetchall()
    finally:
        connection.close()
    leaves = {leaf for (leaf,) in rows}

    def disclosed(file: EvidenceFile, line: int) -> bool:
        return file.first + line in leaves

    return disclosed


def readme(facts: Mapping[str, object]) -> str:
    """README.md of a bundle, from the shipped template."""
    import jinja2

    loader = jinja2.FileSystemLoader(shipped("templates") / "bundle")
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown is not escaped
        keep_trailing_newline=True,
    )
    scope = facts["scope"]
    assert isinstance(scope, dict)
    first = str(scope["first"])
    text = _WORDS[scope["kind"]].format(first[:7] if scope["kind"] == "month" else first, scope["leaf"])
    return environment.get_template("README.md.j2").render(**facts, scope_text=text)
