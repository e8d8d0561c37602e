"""Publish the drops of one batch and day, so that a visible file is whole and never changes.

Everything is written in a staging folder first; then the NDJSON files get their names, then SHA256SUMS,
then the manifest: the success marker. A run that was killed is repeated: it makes the same bytes, keeps what
is already there and adds the rest. What does not belong here: which batches and days are due (``defs``).
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import duckdb

from audit_pipelines import durable
from audit_pipelines.batch import Batch
from audit_pipelines.errors import DropError
from audit_pipelines.settings import Drop
from audit_pipelines.ship import codec, jsontext, manifest
from audit_pipelines.ship.format import Format, Rendered, render
from audit_pipelines.ship.manifest import BatchManifest, DropFile, DropFormat, DropManifest, Producer, Sealed, Totals, published
from audit_pipelines.ship.parts import Body, Limits, ordered, write_bodies, write_record

__all__ = ["publish_day", "published"]

_PRODUCER = "audit-pipelines"


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be published, for all formats."""

    drops: Path
    folder: Path
    """Staging for this order alone."""
    organisation: str
    batch: Batch
    manifest_sha256: str
    log: Sealed
    day: date
    kind: Literal["b", "d"]
    limits: Limits

    def prefix(self, form: str, kind: str | None = None) -> str:
        return manifest.file_prefix(self.organisation, form, self.day, kind or self.kind, self.batch.seq)

    @property
    def batch_manifest(self) -> BatchManifest:
        return BatchManifest(path=f"batches/{self.batch.seq:06d}.json", sha256=self.manifest_sha256)


def publish_day(
    connection: duckdb.DuckDBPyConnection,
    *,
    drops: Path,
    staging: Path,
    formats: Sequence[tuple[Format, Drop]],
    organisation: str,
    batch: Batch,
    manifest_sha256: str,
    log: Sealed,
    day: date,
    kind: Literal["b", "d"],
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> DropManifest:
    """Publish ``day`` of ``batch`` in every format, or return the manifest if that has been done.

    Args:
        connection: has the relation ``events`` with exactly the leaves of this batch and day; it may be empty.
        drops: the home's ``drops`` folder.
        staging: a folder on the same file system; a folder of its own is made in it, emptied first, removed last.
        formats: what to publish, with the settings of each; those not ``enabled`` are left out.
        organisation: the organisation's id, part of file names.
        batch: the batch manifest.
        manifest_sha256: digest of the batch manifest's file.
        log: the batch's place in the sealed log.
        day: event day, UTC.
        kind: ``b`` for the first drop of the day, ``d`` for a later one (``batch.kind_of``).
        limits: where files end.

    Raises:
        DropError: the relation is not what the batch manifest says, a template fails, a published file differs,
            or the disk refuses.
    """
    done = published(drops, batch.seq, day, kind)
    if done is not None:
        if done.batch_manifest.sha256 != manifest_sha256:
            where = str(manifest.manifest_path(drops, batch.seq, day, kind))
            raise DropError("published from another batch manifest", where=where, todo="restore batches/ and drops/ together")
        return done
    folder = staging / f"drop.{manifest.stem(batch.seq, day)}.{kind}"
    order = _Order(drops, folder, organisation, batch, manifest_sha256, log, day, kind, limits)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        durable.make_folder(folder)
        result, files = _stage_all(connection, order, [(form, wanted) for form, wanted in formats if wanted.enabled])
        _publish(order, result, files)
        shutil.rmtree(folder)
    except OSError as error:
        todo = "the next run starts this drop again"
        raise DropError(f"cannot be published: {error}", where=str(drops), todo=todo) from error
    return result


def _stage_all(
    connection: duckdb.DuckDBPyConnection, order: _Order, formats: Sequence[tuple[Format, Drop]]
) -> tuple[DropManifest, list[tuple[Path, Path]]]:
    """Write every file in staging; give the manifest and (staged, final) paths."""
    totals = _totals(connection, order)
    entries, files = [], []
    for form, wanted in formats:
        entry, pairs = _stage(connection, order, form, wanted, totals.events)
        entries.append(entry)
        files += pairs
    return _manifest(order, totals, tuple(entries)), files


def _totals(connection: duckdb.DuckDBPyConnection, order: _Order) -> Totals:
    """Counts of the relation, compared with what the batch manifest says of the day."""
    batch, day = order.batch, order.day
    row = connection.execute("SELECT count(*), min(leaf_index), max(leaf_index) FROM events").fetchone() or (0, None, None)
    expected = sum(file.rows for file in batch.files(day))
    inside = row[0] == 0 or (batch.first <= row[1] and row[2] < batch.size)
    if row[0] != expected or not inside:
        what = f"{row[0]} events of leaves {row[1]} to {row[2]}, the batch has {expected} of {batch.first} to {batch.size - 1}"
        raise DropError(what, where=f"batch {batch.seq}, {day}", todo="make the derived files again: audit-pipelines rederive")
    counted = {}
    for column in ("action", "outcome"):
        rows = connection.execute(f"SELECT coalesce(\"{column}\", ''), count(*) FROM events GROUP BY 1 ORDER BY 1")  # noqa: S608
        counted[column] = dict(rows.fetchall())
    return Totals(events=row[0], by_action=counted["action"], by_outcome=counted["outcome"])


def _stage(
    connection: duckdb.DuckDBPyConnection, order: _Order, form: Format, wanted: Drop, events: int
) -> tuple[DropFormat, list[tuple[Path, Path]]]:
    """Write one format's files in staging; give its manifest entry and (staged, final) paths."""
    budget = form.budget(wanted.line_budget)
    rendered = render(form, line_budget=budget, organisation=order.organisation)
    coding = codec.CODECS[wanted.compression]
    lines = ordered(connection, rendered.sql, budget=budget, where=f"{form.name}.sql.j2")
    bodies = write_bodies(lines, folder=order.folder, stem=form.name, codec=coding, limits=order.limits)
    rows = sum(body.rows for body in bodies)
    if rows > events:
        raise DropError(
            f"{rows} lines for {events} events", where=f"{form.name}.sql.j2", todo="a template gives one line an event"
        )
    records = [_record(order, form, rendered, body, part, len(bodies)) for part, body in enumerate(bodies)]
    with ThreadPoolExecutor(2) as threads:  # each reads its file once more, outside the interpreter lock
        sealed = list(threads.map(write_record, bodies, records, [coding] * len(bodies)))
    files, pairs = [], []
    for part, (body, (sha256, size)) in enumerate(zip(bodies, sealed, strict=True)):
        path = f"{form.name}/{manifest.file_name(order.prefix(form.name), part, sha256, coding.suffix)}"
        files.append(_file(body, part, path, sha256, size))
        pairs.append((body.path, order.drops / path))
    entry = DropFormat(
        format=form.name,
        version=form.version,
        template_sha256=form.sha256,
        compression=wanted.compression,
        line_budget=budget,
        rows=rows,
        rows_withheld=events - rows,
        files=tuple(files),
    )
    return entry, pairs


def _record(order: _Order, form: Format, rendered: Rendered, body: Body, part: int, parts: int) -> str:
    """Line 1. What makes it unlike every other file's comes first: readers look at 256 bytes."""
    batch = order.batch
    members: Mapping[str, object] = {
        "id": manifest.batch_id(batch.seq, order.day, form.name, part),
        "organisation": order.organisation,
        "sha256": body.sha256,
        "kind": order.kind,
        "seq": batch.seq,
        "part": part,
        "parts": parts,
        "day": order.day.isoformat(),
        "count": body.rows,
        "truncated": body.truncated,
        "unmapped": body.unmapped,
        "first_time": body.min_time and jsontext.instant(body.min_time),
        "last_time": body.max_time and jsontext.instant(body.max_time),
        "first_uid": body.first_uid and jsontext.clip(body.first_uid),
        "last_uid": body.last_uid and jsontext.clip(body.last_uid),
        "min_leaf_index": body.min_leaf,
        "max_leaf_index": body.max_leaf,
        "manifest": order.batch_manifest.path,
        "manifest_sha256": order.manifest_sha256,
        "statement": order.log.statement,
        "checkpoint": order.log.checkpoint,
        "format": form.name,
        "format_version": form.version,
        "template_sha256": form.sha256,
        "producer": f"{_PRODUCER} {batch.code}",
        "extracted_at": jsontext.instant(batch.extracted_at),
    }
    return rendered.batch_record({key: value for key, value in members.items() if value is not None})


def _file(body: Body, part: int, path: str, sha256: str, size: int) -> DropFile:
    return DropFile(
        path=path,
        part=part,
        bytes=size,
        sha256=sha256,
        rows=body.rows,
        body_bytes=body.bytes,
        body_sha256=body.sha256,
        rows_truncated=body.truncated,
        rows_unmapped=body.unmapped,
        first_uid=body.first_uid,
        last_uid=body.last_uid,
        min_time=body.min_time,
        max_time=body.max_time,
        min_leaf_index=body.min_leaf,
        max_leaf_index=body.max_leaf,
    )


def _manifest(order: _Order, totals: Totals, formats: tuple[DropFormat, ...]) -> DropManifest:
    return DropManifest(
        batch=manifest.stem(order.batch.seq, order.day),
        seq=order.batch.seq,
        organisation=order.organisation,
        day=order.day,
        kind=order.kind,
        delta=order.kind == "d",
        extracted_at=order.batch.extracted_at,
        batch_manifest=order.batch_manifest,
        log=order.log,
        producer=Producer(name=_PRODUCER, version=order.batch.code, libraries={"duckdb": duckdb.__version__, **codec.versions()}),
        totals=totals,
        formats=formats,
    )


def _publish(order: _Order, result: DropManifest, files: list[tuple[Path, Path]]) -> None:
    """Give the staged files their names; adopt those that an interrupted run has named already."""
    entries = {order.drops / file.path: file for entry in result.formats for file in entry.files}
    for entry in result.formats:
        _refuse_others(order, entry.format, set(entries))
    missing = []
    for staged, final in files:
        if not final.exists():
            missing.append((staged, final))
        elif _digest(final) != entries[final].sha256:
            raise _differs(final)
    durable.publish_all(missing)
    content = manifest.encode(result)
    target = manifest.manifest_path(order.drops, order.batch.seq, order.day, order.kind)
    sums = {final.relative_to(order.drops).as_posix(): file.sha256 for final, file in entries.items()}
    sums[target.relative_to(order.drops).as_posix()] = hashlib.sha256(content).hexdigest()
    listing = "".join(f"{sha256}  {path}\n" for path, sha256 in sums.items()).encode()
    sums_file = manifest.sums_path(order.drops, order.batch.seq, order.day, order.kind)
    durable.write_atomically(sums_file, listing, staging=order.folder)
    durable.write_atomically(target, content, staging=order.folder)


def _refuse_others(order: _Order, form: str, wanted: set[Path]) -> None:
    """A file of this batch and day that is not one of ours: its lines would come twice."""
    for kind in ("b", "d"):
        for path in sorted((order.drops / form).glob(f"{order.prefix(form, kind)}*")):
            if path not in wanted:
                raise _differs(path)


def _differs(path: Path) -> DropError:
    what = "a file of this batch and day is there with other content"
    todo = "it was made with other settings or another version: use those again, or move it away if no reader has seen it"
    return DropError(what, where=str(path), todo=todo)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
