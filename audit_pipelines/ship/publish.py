"""Publish the drops of one batch and day, so that a visible file is whole and never changes.

Everything is written in a staging folder first (``stage``); then the files get their names, then SHA256SUMS,
then the manifest: the success marker. A run that was killed is repeated: it makes the same bytes, keeps what
is already there and adds the rest. What does not belong here: which batches and days are due (``defs``).
"""

import hashlib
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from audit_pipelines import durable
from audit_pipelines.batch import Batch
from audit_pipelines.digest import sha256
from audit_pipelines.drop import Drop, where_it_lies
from audit_pipelines.errors import DropError
from audit_pipelines.ship import codec, manifest
from audit_pipelines.ship.format import Format
from audit_pipelines.ship.manifest import (
    BatchManifest,
    DropFormat,
    DropManifest,
    Kind,
    Name,
    Producer,
    Sealed,
    Totals,
    published,
    read,
)
from audit_pipelines.ship.parts import Limits
from audit_pipelines.ship.slices import SLICE_ROWS, slices
from audit_pipelines.ship.stage import PRODUCER, Order, Pairs, stage

__all__ = ["publish_day", "published"]


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
    kind: Kind,
    again: int = 0,
    redrop_of: BatchManifest | None = None,
    hash_key: bytes | None = None,
    limits: Limits | None = None,
    slice_rows: int = SLICE_ROWS,
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
        kind: ``b`` for the first drop of the day, ``d`` for a later one (``batch.kind_of``), ``r`` for one more of the same.
        again: kind ``r``: the how-manieth, from 1.
        redrop_of: kind ``r``: the drop manifest whose events these are.
        hash_key: what ``hash`` columns are hashed with.
        limits: where files end; None = where each format says.
        slice_rows: events that are sorted at a time.

    Raises:
        DropError: the relation is not what the batch manifest says, a template fails, a published file differs,
            or the disk refuses.
    """
    name = Name(batch.seq, day, kind, again)
    done = read(name.manifest(drops))
    if done is not None:
        if done.batch_manifest.sha256 != manifest_sha256:
            where = str(name.manifest(drops))
            raise DropError("published from another batch manifest", where=where, todo="restore batches/ and drops/ together")
        return done
    folder = staging / f"drop.{name.batch}.{name.kind}{again or ''}"
    order = Order(drops, folder, organisation, batch, manifest_sha256, log, name, limits, hash_key, redrop_of)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        durable.make_folder(folder)
        result, files = _stage_all(connection, order, [(form, wanted) for form, wanted in formats if wanted.enabled], slice_rows)
        _publish(order, result, files)
        shutil.rmtree(folder)
    except OSError as error:
        todo = "the next run starts this drop again"
        raise DropError(f"cannot be published: {error}", where=str(drops), todo=todo) from error
    return result


def _stage_all(
    connection: duckdb.DuckDBPyConnection, order: Order, formats: Sequence[tuple[Format, Drop]], slice_rows: int
) -> tuple[DropManifest, Pairs]:
    """Write every file in staging; give the manifest and (staged, final) paths."""
    totals = _totals(connection, order)
    parts = slices(connection, slice_rows)
    entries, files = [], Pairs()
    for form, wanted in formats:
        entry, pairs = stage(connection, order, form, wanted, parts, totals.events)
        entries.append(entry)
        files += pairs
    return _manifest(order, totals, tuple(entries)), files


def _totals(connection: duckdb.DuckDBPyConnection, order: Order) -> Totals:
    """Counts of the relation, compared with what the batch manifest says of the day."""
    batch, day = order.batch, order.name.day
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


def _manifest(order: Order, totals: Totals, formats: tuple[DropFormat, ...]) -> DropManifest:
    return DropManifest(
        batch=order.name.batch,
        seq=order.batch.seq,
        organisation=order.organisation,
        day=order.name.day,
        kind=order.name.kind,
        delta=order.name.kind == "d",
        redrop_of=order.redrop_of,
        extracted_at=order.batch.extracted_at,
        batch_manifest=order.batch_manifest,
        log=order.log,
        producer=Producer(
            name=PRODUCER,
            version=order.batch.code,
            libraries={"duckdb": duckdb.__version__, "pyarrow": pa.__version__, **codec.versions()},
        ),
        totals=totals,
        formats=formats,
    )


def _publish(order: Order, result: DropManifest, files: Pairs) -> None:
    """Give the staged files their names; adopt those that an interrupted run has named already."""
    entries = {order.drops / file.path: file for entry in result.formats for file in entry.files}
    for entry in result.formats:
        _refuse_others(order, entry.format, set(entries))
    missing = []
    for staged, final in files:
        there = where_it_lies(order.drops, entries[final].path, order.name.day)
        if not there.exists():
            missing.append((staged, final))
        elif sha256(there) != entries[final].sha256:
            raise _differs(there)
    durable.publish_all(missing)
    content = manifest.encode(result)
    target = order.name.manifest(order.drops)
    sums = {final.relative_to(order.drops).as_posix(): file.sha256 for final, file in entries.items()}
    sums[target.relative_to(order.drops).as_posix()] = hashlib.sha256(content).hexdigest()
    listing = "".join(f"{sha256}  {path}\n" for path, sha256 in sums.items()).encode()
    durable.write_atomically(order.name.sums(order.drops), listing, staging=order.folder)
    durable.write_atomically(target, content, staging=order.folder)


def _refuse_others(order: Order, form: str, wanted: set[Path]) -> None:
    """A file of this batch and day that is not one of ours: its lines would come twice."""
    name = order.name
    names = [name] if name.kind == "r" else [Name(name.seq, name.day, kind) for kind in ("b", "d")]
    for other in names:
        for path in sorted((order.drops / form).glob(f"{other.prefix(order.organisation, form)}*")):
            if path not in wanted:
                raise _differs(path)


def _differs(path: Path) -> DropError:
    what = "a file of this batch and day is there with other content"
    todo = "it was made with other settings or another version: use those again, or move it away if no reader has seen it"
    return DropError(what, where=str(path), todo=todo)
