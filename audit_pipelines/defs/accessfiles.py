"""The files of the access log, once what they hold is sealed: they are copies then, and go.

A copy of personal data must not outlive an erasure or a purge of the original. A file is stored when a
sealed manifest has a reading with the digest of all its bytes: each of its lines is then an event, a reject,
or refused as erased. Only that is believed, never ``state/cursors``, which may be newer than ``batches/``
after a restore. Removing is one unlink after everything else is durable: a kill before it leaves a copy that
the next night removes. Files of today may still be appended to and are never touched. What does not belong
here: reading them (``extract.access``), writing them (``serve``).
"""

import logging
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

from audit_pipelines.batch import Batch
from audit_pipelines.defs.station import Station
from audit_pipelines.digest import sha256
from audit_pipelines.durable import sync_folder
from audit_pipelines.extract.access import day_of, files
from audit_pipelines.home import Home
from audit_pipelines.lake import rejects as rejects_module
from audit_pipelines.seal import sealed
from audit_pipelines.settings import ACCESS

log = logging.getLogger(__name__)


def clear(station: Station) -> int:
    """Remove the stored files of days before yesterday; how many. The caller holds the lock."""
    done = _remove(station, files(station.home), before=station.now().date() - timedelta(days=1))
    if done:
        log.info("access log: %d files removed, all their lines are sealed", len(done))
    return len(done)


def clear_copies(station: Station, uids: Sequence[str], rejects: Sequence[str]) -> list[str]:
    """Remove the stored files, but today's, that hold one of these events or rejects; those that still do, by name.

    It is done before the erasure: the original is sealed and still there, so a kill in between loses nothing.
    """
    holding = copies(station.home, station.batches(), uids, rejects)
    done = _remove(station, holding, before=station.now().date())
    return [station.home.relative(path) for path in holding if path not in done]


def copies(home: Home, batches: Sequence[Batch], uids: Sequence[str], rejects: Sequence[str]) -> list[Path]:
    """The files that hold one of these events (by id) or rejects (by bytes)."""
    wanted = [uid.removeprefix(f"{ACCESS}/").partition("~")[0].encode() for uid in uids if uid.startswith(f"{ACCESS}/")]
    found = files(home)
    if found and any(identity.startswith(f"{ACCESS}:") for identity in rejects):
        wanted += [entry.raw for entry in rejects_module.read_all(home, batches) if entry.identity in rejects and entry.raw]
    return [path for path in found if wanted and _holds(path, wanted)]


def _holds(path: Path, wanted: Sequence[bytes]) -> bool:
    with path.open("rb") as file:
        return any(text in line for line in file for text in wanted)


def _remove(station: Station, chosen: Sequence[Path], *, before: date) -> list[Path]:
    """Remove those of ``chosen`` that are stored and of a day before ``before``."""
    old = [path for path in chosen if (day := day_of(path)) is not None and day < before]
    known = _readings(station) if old else set()
    going = [path for path in old if path.stat().st_size == 0 or (station.home.relative(path), sha256(path)) in known]
    for path in going:
        path.unlink()
    if going:
        sync_folder(station.home.access)
    return going


def _readings(station: Station) -> set[tuple[str, str]]:
    """(path, SHA-256) of each reading of the access log that a sealed manifest names."""
    ledger = sealed.read_ledger(station.home)
    stated = ledger.batches() if ledger else {}
    return {
        (reading.origin, reading.sha256)
        for batch in station.batches()
        if batch.seq in stated
        for result in batch.sources
        if result.name == ACCESS
        for reading in result.readings
    }
