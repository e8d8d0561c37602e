"""Drops: every batch and day that has none yet, oldest batch first; and their comparison with the lake.

What does not belong here: how a drop is written (``ship``), and Dagster.
"""

import hashlib
import logging
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal, cast

from audit_pipelines import batch as manifest
from audit_pipelines.batch import Batch
from audit_pipelines.defs import night
from audit_pipelines.defs.station import Station
from audit_pipelines.errors import RunError
from audit_pipelines.home import Home
from audit_pipelines.lake.inspect import Problem
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.removal import removals
from audit_pipelines.seal import sealed
from audit_pipelines.settings import Drop, Settings
from audit_pipelines.ship.format import Format, load_format
from audit_pipelines.ship.manifest import DropManifest, Sealed, manifest_path
from audit_pipelines.ship.publish import publish_day, published
from audit_pipelines.shipped import shipped

log = logging.getLogger(__name__)
Kind = Literal["b", "d"]


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
    return [path for kind in ("b", "d") if (path := manifest_path(home.drops, seq, day, kind)).is_file()]


def ship(station: Station) -> dict[int, dict[date, dict[str, int]]]:
    """Publish what is due, but for days with a failed check and batches that are not sealed; rows by batch, day and format.

    A crash leaves whole files and at most files without their manifest, which the next run takes over.
    """
    home, settings = station.home, station.settings
    batches = station.batches()
    todo = due(home, batches)
    held = {problem.day for problem in night.problems(station)} if todo else set()
    wanted = formats(home, settings) if todo else []
    places = _places(station, {batch.seq for batch, _, _ in todo})
    done: dict[int, dict[date, dict[str, int]]] = {}
    station.progress.begin("drop", len(todo))
    for batch, day, kind in todo:
        if _is_held(station, batch, day, held):
            log.error("the drop of %s is held back: a check failed", day)
            continue
        if batch.seq not in places:
            log.error("the drop of %s is held back: batch %d is not sealed", day, batch.seq)
            continue
        made = _publish(home, settings, wanted, batch, day, kind, places[batch.seq])
        done.setdefault(batch.seq, {})[day] = {f"{entry.format}_rows": entry.rows for entry in made.formats}
        station.progress.advance("drop", 1)
    station.progress.end("drop")
    return done


def _places(station: Station, seqs: set[int]) -> dict[int, Sealed]:
    """Where each sealed batch stands in the log."""
    found = sealed.open_log(station.home, station.settings) if seqs else None
    if found is None:
        return {}
    places = {}
    for seq in sorted(seqs & found.ledger.batches().keys()):
        index, checkpoint = found.checkpoint_of(seq)
        places[seq] = Sealed(statement=index, checkpoint=checkpoint.decode())
    return places


def _is_held(station: Station, batch: Batch, day: date, held: set[date | None]) -> bool:
    newest = station.outcome.batch if station.outcome else None
    return (newest is None or batch.seq == newest.seq) and (day in held or None in held)


def _publish(
    home: Home,
    settings: Settings,
    wanted: Sequence[tuple[Format, Drop]],
    batch: Batch,
    day: date,
    kind: Kind,
    place: Sealed,
) -> DropManifest:
    connection = connect(memory="1GB", spill=home.staging / "spill")
    try:
        relate(connection, home, batch.files(day))
        return publish_day(
            connection,
            drops=home.drops,
            staging=home.staging,
            formats=wanted,
            organisation=settings.organisation.id,
            batch=batch,
            manifest_sha256=hashlib.sha256(home.batch(batch.seq).read_bytes()).hexdigest(),
            log=place,
            day=day,
            kind=kind,
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
        kind = cast("Kind", manifest.kind_of(batches, newest.seq, day.day)) if newest else "b"
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
                if f"drops/{file.path}" not in gone and not _has_size(station.home.drops / file.path, file.bytes)
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
