"""Drops: every batch and day that has none yet, oldest batch first; and their comparison with the lake.

What does not belong here: how a drop is written (``ship``), what is asked for by hand (``redropping``), the
archive (``archiving``), and Dagster.
"""

import hashlib
import logging
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, Literal

from audit_pipelines import batch as manifest
from audit_pipelines.batch import Batch
from audit_pipelines.defs import archiving, hashing, night
from audit_pipelines.defs.station import Station
from audit_pipelines.drop import Drop, where_it_lies
from audit_pipelines.errors import RunError
from audit_pipelines.home import Home
from audit_pipelines.lake.inspect import Problem
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.removal import removals
from audit_pipelines.seal import sealed
from audit_pipelines.settings import Settings
from audit_pipelines.ship.format import Format, load_format
from audit_pipelines.ship.manifest import BatchManifest, DropManifest, Name, Sealed
from audit_pipelines.ship.publish import publish_day, published
from audit_pipelines.shipped import shipped

log = logging.getLogger(__name__)
MEMORY: Final = "400MB"
THREADS: Final = 1
"""Of DuckDB for a drop. The writer makes two slices of time at once, each on a thread of its own (``ship.slices``): more
threads would bring memory, not speed."""

Kind = Literal["b", "d"]
_AGAIN = re.compile(r"\d{8}\.r(\d{6,})\.(\d+)\.manifest\.json")


def template_folders(home: Home) -> tuple[Path, ...]:
    """Where SIEM formats are looked for: the home's own first, then the shipped ones."""
    return (home.root / "templates" / "siem", shipped("templates") / "siem")


def formats(home: Home, settings: Settings) -> list[tuple[Format, Drop]]:
    """The enabled formats with their settings."""
    folders = template_folders(home)
    return [(load_format(name, folders), drop) for name, drop in settings.drops.items() if drop.enabled]


def due(home: Home, batches: Sequence[Batch]) -> list[tuple[Batch, date, Kind]]:
    """Batches and days without a finished drop, in order; what a purge has taken needs none."""
    seen: set[date] = set()
    found = []
    for batch in batches:
        for day in batch.days:
            kind: Kind = "d" if day.day in seen else "b"
            seen.add(day.day)
            if published(home.drops, batch.seq, day.day, kind) is None and not batch.is_purged(day.day):
                found.append((batch, day.day, kind))
    return found


def manifests(home: Home, seq: int, day: date) -> list[Path]:
    """The drop manifests of one batch and day: one, or none yet."""
    kinds: tuple[Kind, ...] = ("b", "d")
    return [path for kind in kinds if (path := Name(seq, day, kind).manifest(home.drops)).is_file()]


def redrops(home: Home) -> list[tuple[int, Path]]:
    """The manifests of drops that were asked for again, each with its batch's number, in order."""
    paths = (home.drops / "_manifests").glob("*.r*.manifest.json")
    named = [(match, path) for path in paths if (match := _AGAIN.fullmatch(path.name))]
    return [(int(match[1]), path) for match, path in sorted(named, key=lambda item: (int(item[0][1]), item[1].name))]


def ship(station: Station) -> dict[int, dict[date, dict[str, int]]]:
    """Publish what is due, but for days with a failed check and batches that are not sealed; rows by batch, day and format.

    A crash leaves whole files and at most files without their manifest, which the next run takes over.
    """
    home, settings = station.home, station.settings
    batches = station.batches()
    todo = due(home, batches)
    held = {problem.day for problem in night.problems(station)} if todo else set()
    wanted = formats(home, settings) if todo else []
    sealed_at = places(station, {batch.seq for batch, _, _ in todo})
    key = hashing.key(station, [drop for _, drop in wanted])
    done: dict[int, dict[date, dict[str, int]]] = {}
    station.progress.begin("drop", len(todo))
    for batch, day, kind in todo:
        if _is_held(station, batch, day, held):
            log.error("the drop of %s is held back: a check failed", day)
            continue
        if batch.seq not in sealed_at:
            log.error("the drop of %s is held back: batch %d is not sealed", day, batch.seq)
            continue
        made = publish(station, wanted, batch, Name(batch.seq, day, kind), sealed_at[batch.seq], hash_key=key)
        done.setdefault(batch.seq, {})[day] = {f"{entry.format}_rows": entry.rows for entry in made.formats}
        station.progress.advance("drop", 1)
    station.progress.end("drop")
    archiving.archive(home, settings, station.now())
    return done


def places(station: Station, seqs: set[int]) -> dict[int, Sealed]:
    """Where each sealed batch stands in the log."""
    found = sealed.open_log(station.home, station.settings) if seqs else None
    if found is None:
        return {}
    known = {}
    for seq in sorted(seqs & found.ledger.batches().keys()):
        index, checkpoint = found.checkpoint_of(seq)
        known[seq] = Sealed(statement=index, checkpoint=checkpoint.decode())
    return known


def _is_held(station: Station, batch: Batch, day: date, held: set[date | None]) -> bool:
    newest = station.outcome.batch if station.outcome else None
    return (newest is None or batch.seq == newest.seq) and (day in held or None in held)


def publish(
    station: Station,
    wanted: Sequence[tuple[Format, Drop]],
    batch: Batch,
    name: Name,
    place: Sealed,
    *,
    hash_key: bytes | None,
    redrop_of: BatchManifest | None = None,
) -> DropManifest:
    """Publish one day of one batch under ``name``, from the lake as it is now."""
    home = station.home
    connection = connect(memory=MEMORY, threads=THREADS, spill=home.staging / "spill")
    try:
        relate(connection, home, batch.files(name.day))
        return publish_day(
            connection,
            drops=home.drops,
            staging=home.staging,
            formats=wanted,
            organisation=station.settings.organisation.id,
            batch=batch,
            manifest_sha256=hashlib.sha256(home.batch(batch.seq).read_bytes()).hexdigest(),
            log=place,
            day=name.day,
            kind=name.kind,
            again=name.again,
            redrop_of=redrop_of,
            hash_key=hash_key,
        )
    finally:
        connection.close()


def compare(station: Station) -> list[Problem]:
    """What differs between the drops of this run's batch (or the newest) and the lake."""
    batches = station.batches()
    newest = station.outcome.batch if station.outcome else (batches[-1] if batches else None)
    problems = []
    gone = {entry.path for removal in removals(station.home) for entry in removal.taken if entry.what == "drop"}
    for day in newest.days if newest else ():
        if newest and newest.is_purged(day.day):
            continue
        rows = sum(file.rows for file in newest.files(day.day)) if newest else 0
        kind = manifest.kind_of(batches, newest.seq, day.day) if newest else "b"
        made = published(station.home.drops, newest.seq, day.day, kind) if newest else None
        if made is None:
            problems.append(Problem("drop_equals_partition", day.day, "there is no drop"))
            continue
        for entry in made.formats:
            if not rows <= entry.rows + entry.rows_withheld <= day.events:  # less only where events were erased
                text = f"{entry.format}: {entry.rows} rows and {entry.rows_withheld} withheld, the batch has {day.events} events"
                problems.append(Problem("drop_equals_partition", day.day, text))
            problems += [
                Problem("drop_equals_partition", day.day, f"{file.path} is missing or has another size")
                for file in entry.files
                if f"drops/{file.path}" not in gone
                and not _has_size(where_it_lies(station.home.drops, file.path, day.day), file.bytes)
            ]
    return problems


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def raise_if_partial(station: Station) -> None:
    """End a run that is not whole with an error, after everything that could be done is done.

    Raises:
        RunError: a source failed, or a check or the drill found something.
    """
    texts = [f"source {name}: {error}" for name, error in (station.outcome.errors if station.outcome else {}).items()]
    texts += [f"check {problem.check}, {problem.day or 'batch'}: {problem.text}" for problem in night.problems(station)]
    texts += [f"drill: {station.drill_fault}"] if station.drill_fault else []
    if texts:
        todo = "what was read is kept; mend the cause and run the night again"
        raise RunError("run is partial: " + "; ".join(texts[:3]) + (" ..." if len(texts) > 3 else ""), todo=todo)
