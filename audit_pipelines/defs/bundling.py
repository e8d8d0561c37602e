"""Evidence bundles of a home: which scope, which records are disclosed, and their README.

What does not belong here: the bundle's form (``seal.bundle``).
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from audit_pipelines import __version__
from audit_pipelines.batch import Batch, EvidenceFile, evidence_files, history
from audit_pipelines.defs.keeping import locate
from audit_pipelines.defs.station import Station
from audit_pipelines.durable import exclusive_umask
from audit_pipelines.errors import SealError
from audit_pipelines.home import Home
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.seal import sealed
from audit_pipelines.seal.bundle import Bundled, Disclose, Scope, write_bundle
from audit_pipelines.seal.ledger import Ledger
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
        _require(batches, scope)
        disclose = _disclosure(home, batches, scope, categories, sources) if categories or sources else None
        with exclusive_umask():
            return _write(home, batches, scope, folder, disclose)
    finally:
        station.close()


def bundle_read_only(home: Home, scope: Scope, folder: Path) -> Bundled:
    """The same, everything disclosed, of a home that is only read: without its lock, and with no file in it written.

    A night that runs meanwhile only adds to what is read here; a removal may take a file away, which is an error.

    Raises:
        SealError: nothing of the scope is in the log, or a removal is not stated yet.
        EvidenceError, LakeError, OSError: something is damaged, or a removal has just taken it.
    """
    known = sealed.read_ledger(home)  # before the batches, so that there is none that it has and they have not
    batches = history(home)
    _require(batches, scope)
    return _write(home, batches, scope, folder, None, known)


def _require(batches: Sequence[Batch], scope: Scope) -> None:
    if not any(scope.first <= day.day < scope.until for batch in batches for day in batch.days):
        todo = "run: audit-pipelines night --from D --to D"
        raise SealError("no night has asked for these days", where=scope.name, todo=todo)


def _write(
    home: Home,
    batches: Sequence[Batch],
    scope: Scope,
    folder: Path,
    disclose: Disclose | None,
    known: Ledger | None = None,
) -> Bundled:
    return write_bundle(
        home,
        batches,
        scope,
        final=folder / file_name(home, scope),
        disclose=disclose,
        made_by=f"audit-pipelines {__version__}",
        readme=readme,
        known=known,
    )


def file_name(home: Home, scope: Scope) -> str:
    """What the bundle of ``scope`` is called."""
    return f"{home.settings().organisation.id}.evidence.{scope.name}.zip"


def scope_of_event(home: Home, uid: str) -> Scope:
    """The scope of one event.

    Raises:
        SealError: there is no such event.
    """
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
