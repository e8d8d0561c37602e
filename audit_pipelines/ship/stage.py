"""The files of one format of one drop, whole but under no name yet: lines, line 1, and their manifest entry.

What does not belong here: giving files their names (``publish``) and how lines and Parquet are written
(``slices``, ``parts``, ``parquet``).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import duckdb

from audit_pipelines.batch import Batch
from audit_pipelines.drop import Drop, Match
from audit_pipelines.errors import DropError
from audit_pipelines.ship import codec, jsontext, manifest, privacy
from audit_pipelines.ship.format import Format, Rendered, render
from audit_pipelines.ship.manifest import BatchManifest, DropFile, DropFormat, Name, Privacy, Sealed
from audit_pipelines.ship.parts import Body, Limits, write_bodies, write_record
from audit_pipelines.ship.slices import Question, Slice, ordered

PRODUCER: Final = "audit-pipelines"
Pairs = list[tuple[Path, Path]]
"""Staged and final paths."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be published, for all formats."""

    drops: Path
    folder: Path
    """Staging for this order alone."""
    organisation: str
    batch: Batch
    manifest_sha256: str
    log: Sealed
    name: Name
    limits: Limits | None
    """Where files end; None = where each format says."""
    hash_key: bytes | None
    redrop_of: BatchManifest | None

    @property
    def batch_manifest(self) -> BatchManifest:
        return BatchManifest(path=f"batches/{self.batch.seq:06d}.json", sha256=self.manifest_sha256)


@dataclass(frozen=True, slots=True)
class _Work:
    """One format of an order."""

    order: Order
    form: Format
    wanted: Drop
    rendered: Rendered
    question: Question
    visible: int
    """Events that the settings let the format see."""


def stage(
    connection: duckdb.DuckDBPyConnection, order: Order, form: Format, wanted: Drop, slices: Sequence[Slice], events: int
) -> tuple[DropFormat, Pairs]:
    """Write one format's files in staging.

    Args:
        connection: has the relation ``events``.
        order: what is to be published.
        form: the format.
        wanted: its settings.
        slices: ranges of time, for bounded memory.
        events: how many there are.

    Raises:
        DropError: the template fails, or gives more lines than events.
    """
    budget = form.budget(wanted.line_budget)
    rendered = render(form, line_budget=budget, organisation=order.organisation, now=jsontext.instant(order.batch.extracted_at))
    veil = privacy.veil(wanted, order.hash_key)
    question = Question(rendered.sql, veil, budget, form.lines, f"{form.name}.sql.j2")
    visible = connection.execute(f"SELECT count(*) FROM ({veil})").fetchone() if wanted.only or wanted.leave_out else (events,)  # noqa: S608
    work = _Work(order, form, wanted, rendered, question, (visible or (0,))[0])
    files, pairs = _parquet(connection, work) if form.delivery == "parquet" else _text(connection, work, slices)
    rows = sum(file.rows for file in files)
    entry = DropFormat(
        format=form.name,
        version=form.version,
        template_sha256=form.sha256,
        compression="zstd" if form.delivery == "parquet" else wanted.compression,
        line_budget=budget,
        rows=rows,
        rows_withheld=events - rows,
        delivery=form.delivery,
        privacy=_privacy(work, events),
        files=tuple(files),
    )
    return entry, pairs


def _text(connection: duckdb.DuckDBPyConnection, work: _Work, slices: Sequence[Slice]) -> tuple[list[DropFile], Pairs]:
    order, form = work.order, work.form
    coding = codec.CODECS[work.wanted.compression]
    limits = order.limits or Limits(rows=form.part_rows, bytes=form.file_bytes)
    lines = ordered(connection, work.question, slices)
    bodies = write_bodies(lines, folder=order.folder, stem=form.name, codec=coding, limits=limits)
    _check_rows(work, bodies)
    records = [_record(work, body, part, len(bodies)) for part, body in enumerate(bodies)]
    marks = [order.name.batch_id(form.name, part).encode() for part in range(len(bodies))]

    def seal(body: Body, record: str, mark: bytes) -> tuple[str, int]:
        return write_record(body, record, coding, lines=form.lines, mark=mark)

    with ThreadPoolExecutor(2) as threads:  # each reads its file once more, outside the interpreter lock
        sealed = list(threads.map(seal, bodies, records, marks))
    files, pairs = [], []
    for part, (body, (sha256, size)) in enumerate(zip(bodies, sealed, strict=True)):
        path = _path(work, part, "", sha256, f"ndjson{coding.suffix}")
        files.append(_file(body, part, path, sha256, size))
        pairs.append((body.path, order.drops / path))
    return files, pairs


def _parquet(connection: duckdb.DuckDBPyConnection, work: _Work) -> tuple[list[DropFile], Pairs]:
    """One file a class, and one with their batch records, which an empty day has too."""
    # Arrow's Parquet is loaded where a home wants it.
    from audit_pipelines.ship.parquet import write_parquet, write_records

    order, stem = work.order, work.form.name
    veiled = replace(work.rendered, sql=work.question.over())
    made = write_parquet(connection, veiled, folder=order.folder, stem=stem)
    _check_rows(work, [entry.body for entry in made])
    empty = Body(path=order.folder / f"{stem}.none", rows=0, bytes=0, sha256="", truncated=0, unmapped=0)
    bodies = [entry.body for entry in made] or [empty]
    records = [_record(work, body, part, len(bodies)) for part, body in enumerate(bodies)]
    last = write_records(connection, work.rendered, records, folder=order.folder, stem=stem)
    files, pairs = [], []
    leaves = [leaf for body in bodies for leaf in (body.min_leaf, body.max_leaf) if leaf is not None]
    reach = replace(last.body, min_leaf=min(leaves, default=None), max_leaf=max(leaves, default=None))  # it names their uids
    for part, entry in enumerate([*made, replace(last, body=reach)]):
        body = entry.body
        path = _path(work, part, f"c{entry.class_uid}", body.sha256, "parquet")
        files.append(_file(body, part, path, body.sha256, body.bytes))
        pairs.append((body.path, order.drops / path))
    return files, pairs


def _path(work: _Work, part: int, label: str, sha256: str, suffix: str) -> str:
    prefix = work.order.name.prefix(work.order.organisation, work.form.name)
    return f"{work.form.name}/{manifest.file_name(prefix, part, label, sha256, suffix)}"


def _check_rows(work: _Work, bodies: Sequence[Body]) -> None:
    rows = sum(body.rows for body in bodies)
    if rows > work.visible:
        what = f"{rows} lines for {work.visible} events"
        raise DropError(what, where=work.question.where, todo="a template gives one line an event")


def _privacy(work: _Work, events: int) -> Privacy | None:
    wanted, key = work.wanted, work.order.hash_key
    if not (wanted.redact or wanted.hash or wanted.drop or wanted.only or wanted.leave_out):
        return None
    return Privacy(
        redacted=wanted.redact,
        hashed=wanted.hash,
        dropped=wanted.drop,
        hash_key=privacy.key_id(key) if wanted.hash and key else None,
        only=_lists(wanted.only),
        leave_out=_lists(wanted.leave_out),
        rows_withheld=events - work.visible,
    )


def _lists(match: Match | None) -> dict[str, tuple[str, ...]] | None:
    if match is None:
        return None
    lists = {"category": match.category, "action": match.action, "source": match.source}
    return {key: values for key, values in lists.items() if values}


def _record(work: _Work, body: Body, part: int, parts: int) -> str:
    """Line 1. What makes it unlike every other file's comes first: readers look at 256 bytes."""
    order, form, batch = work.order, work.form, work.order.batch
    members: Mapping[str, object] = {
        "id": order.name.batch_id(form.name, part),
        "organisation": order.organisation,
        "sha256": body.sha256,
        "kind": order.name.kind,
        "seq": batch.seq,
        "part": part,
        "parts": parts,
        "day": order.name.day.isoformat(),
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
        "producer": f"{PRODUCER} {batch.code}",
        "extracted_at": jsontext.instant(batch.extracted_at),
    }
    return work.rendered.batch_record({key: value for key, value in members.items() if value is not None})


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
