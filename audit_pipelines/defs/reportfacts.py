"""What a monthly report is computed from: facts of manifests and findings, and a way to ask queries.

What does not belong here: revisions (``monthly``) and what the report says (``reports/``, ``typeset``).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from audit_pipelines import sql
from audit_pipelines.batch import Batch, evidence_files
from audit_pipelines.defs import drops, judge, sealfacts, sources
from audit_pipelines.defs.decisions import midnight
from audit_pipelines.defs.monthfacts import Month, is_purged, month_facts, touches
from audit_pipelines.defs.station import Station
from audit_pipelines.digest import sha256
from audit_pipelines.home import Home
from audit_pipelines.lake.coverage import covered, has
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.lake.run import versions
from audit_pipelines.retention import limit_date
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.settings import Settings
from audit_pipelines.ship.manifest import read
from audit_pipelines.shipped import shipped
from audit_pipelines.typeset import facts as typeset_facts
from audit_pipelines.typeset import model, spec
from audit_pipelines.typeset.facts import (
    BatchFacts,
    DropFacts,
    Facts,
    LateEvent,
    Organisation,
    Previous,
    QueryText,
    SourceFacts,
    Table,
)
from audit_pipelines.typeset.integrity import Integrity

REPORT = "monthly"
_DAY = timedelta(days=1)


def compute(
    station: Station,
    batches: Sequence[Batch],
    month: Month,
    *,
    size: int,
    known: Ledger,
    statements: int,
    revision: int,
    previous: Path | None,
    templates_sha256: str,
) -> model.Computed:
    """The report's model at log size ``size``, with the statements below ``statements`` of ``known``.

    Raises:
        EvidenceError: the log does not fit its checkpoints.
    """
    home, settings = station.home, station.settings
    below = [batch for batch in batches if batch.size <= size]
    connection = connect(memory="300MB", spill=home.staging / "spill")
    try:
        relate(connection, home, evidence_files(below))
        stated = sealfacts.integrity(home, below, known, month, size=size, statements=statements)
        facts = _facts(
            station, below, month, stated, revision, _previous(connection, below, month, previous) if previous else None
        )
        given = {**judge.rule_settings(settings), **_retention(settings, month)}
        report_spec = spec.load(REPORT, (home.root / "reports", shipped("reports")))
        ask, ask_last = (_asker(connection, period, given) for period in (month, month.before))
        return model.compute(report_spec, facts, ask, ask_last, _texts(), templates_sha256=templates_sha256)
    finally:
        connection.close()


def _facts(
    station: Station, below: Sequence[Batch], month: Month, stated: Integrity, revision: int, previous: Previous | None
) -> Facts:
    home, settings = station.home, station.settings
    reaches_back = settings.organisation.start < month.first and not is_purged(below, month.before)
    return Facts(
        organisation=Organisation(settings.organisation.id, settings.organisation.name),
        this=month_facts(home, below, settings, month),
        last=month_facts(home, below, settings, month.before) if reaches_back else None,
        revision=revision,
        size=stated.events.size,
        sources=_sources(below, settings, month),
        batches=_batches(home, below, month, stated),
        retention_months=settings.retention.months,
        settings_sha256=_settings_digest(settings),
        code=station.code,
        versions=_versions(),
        integrity=stated,
        drops=_drops(home, below, month),
        previous=previous,
        prepared_by=settings.report.prepared_by,
        classification=settings.report.classification,
        identity=settings.report.identity,
    )


def _asker(connection: duckdb.DuckDBPyConnection, month: Month, given: Mapping[str, object]) -> typeset_facts.Ask:
    bounds = {"since": midnight(month.first), "until": midnight(month.until)}

    def ask(name: str, params: Mapping[str, object]) -> Table:
        query = sql.find(name)
        names = {parameter.name for parameter in query.parameters}
        known = {key: value for key, value in {**given, **bounds}.items() if key in names}
        result = sql.run(connection, query, {**known, **params})
        return Table(result.columns, result.rows)

    return ask


def _retention(settings: Settings, month: Month) -> dict[str, object]:
    """Values for the parameters of ``retention/`` queries, as of the month's end."""
    return {"limit_date": limit_date(month.until, settings.retention.months)}


def _texts() -> list[QueryText]:
    return [QueryText(query.name, query.question, query.text, query.sha256, query.controls) for query in sql.catalogue().values()]


def _sources(batches: Sequence[Batch], settings: Settings, month: Month) -> tuple[SourceFacts, ...]:
    """The configured ones, and the access log in a month that has events of it."""
    digests = {result.name: result.dialect_sha256 for batch in batches for result in batch.sources}
    is_read = any(file.source == sources.BUILT_IN.name and month.has(file.day) for file in evidence_files(batches))
    found = []
    for source in (*settings.sources, *([sources.BUILT_IN] if is_read else [])):
        spans = covered(batches, source.name)
        gaps = tuple(day for day in month.days if not has(spans, day) and day >= settings.organisation.start)
        given = sum(has(spans, day) for day in month.days)
        digest = digests.get(source.name, "")
        found.append(SourceFacts(source.name, source.kind, source.dialect, digest, given, len(month.days), gaps))
    return tuple(found)


def _batches(home: Home, batches: Sequence[Batch], month: Month, stated: Integrity) -> tuple[BatchFacts, ...]:
    numbers = {sealed.seq: sealed.statement for sealed in stated.batches}
    return tuple(_batch(home, batch, month, numbers[batch.seq]) for batch in batches if touches(batch, month))


def _batch(home: Home, batch: Batch, month: Month, statement: int) -> BatchFacts:
    def total(count: Callable[[Any], int]) -> int:
        return sum(count(result) for result in batch.sources)

    path = home.batch(batch.seq)
    return BatchFacts(
        seq=batch.seq,
        extracted_at=batch.extracted_at,
        days=tuple(day.day for day in batch.days if month.has(day.day)),
        received=total(lambda result: result.records),
        stored=total(lambda result: result.events),
        duplicates=total(lambda result: result.duplicates),
        conflicts=total(lambda result: result.conflicts),
        rejects=total(lambda result: result.rejects + result.known_rejects),
        late=total(lambda result: result.late),
        manifest=home.relative(path),
        manifest_sha256=sha256(path),
        refused=total(lambda result: result.erased + result.expired),
        statement=statement,
    )


def _drops(home: Home, batches: Sequence[Batch], month: Month) -> tuple[DropFacts, ...]:
    found = []
    for batch in batches:
        for day in batch.days:
            for path in drops.manifests(home, batch.seq, day.day) if month.has(day.day) else ():
                made = read(path)
                assert made is not None
                digest, name = sha256(path), home.relative(path)
                found += [DropFacts(entry.format, name, digest, len(entry.files), entry.rows) for entry in made.formats]
    return tuple(found)


def _previous(connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch], month: Month, folder: Path) -> Previous:
    raw = (folder / "report.json").read_bytes()
    before = json.loads(raw)
    rows = connection.execute(
        "SELECT uid, occurred_at, leaf_index, coalesce(actor_name, actor_id, ''), action, coalesce(target_name, target_id, '')"
        " FROM events WHERE leaf_index >= $size AND occurred_at >= $since AND occurred_at < $until ORDER BY occurred_at, uid",
        {"size": before["log_size"], "since": midnight(month.first), "until": midnight(month.until)},
    ).fetchall()
    late = []
    for uid, occurred_at, leaf, actor, action, target in rows:
        batch = next(entry for entry in batches if entry.first <= leaf < entry.size)
        late.append(LateEvent(uid, occurred_at, batch.seq, batch.extracted_at - occurred_at, actor, action, target))
    figures = {figure["id"]: figure["value"] for figure in before["figures"]}
    digest = hashlib.sha256(raw).hexdigest()
    return Previous(before["revision"], before["log_size"], digest, figures, tuple(late), before.get("statements_size"))


def _settings_digest(settings: Settings) -> str:
    """Digest of the settings that a report depends on."""
    parts: list[object] = [settings.organisation, settings.anomalies, settings.retention, settings.report]
    parts += [(source.name, source.kind, source.dialect) for source in settings.sources]
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _versions() -> dict[str, str]:
    """Versions that the figures and the page depend on; looked up without importing the libraries."""
    from importlib.metadata import version

    named = {name: version(name) for name in ("weasyprint", "fonttools", "jinja2")}
    return {**{key: versions()[key] for key in ("duckdb", "pyarrow")}, **named}
