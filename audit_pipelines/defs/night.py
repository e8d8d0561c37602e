"""Extraction: the sources of a home into one committed batch.

What does not belong here: Dagster, and what happens to a batch afterwards.
"""

import json
import logging
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from audit_pipelines import extract, record
from audit_pipelines.defs import sources
from audit_pipelines.defs.station import Station
from audit_pipelines.durable import write_atomically
from audit_pipelines.home import Home
from audit_pipelines.lake import rederive
from audit_pipelines.lake import run as lake_run
from audit_pipelines.lake.inspect import Problem, inspect
from audit_pipelines.lake.run import Circumstances, Feed, Outcome
from audit_pipelines.record import Dialect
from audit_pipelines.settings import ACCESS, Source

log = logging.getLogger(__name__)
Mark = tuple[str, int, int]


def dialect_folders(home: Home) -> tuple[Path, ...]:
    """Where dialects are looked for: the home's own first, then the shipped ones."""
    return (home.root / "dialects", extract.DIALECTS)


def dialect(home: Home, name: str) -> Dialect:
    """The dialect ``name`` as this home reads it."""
    return record.load_dialect(name, dialect_folders(home))


def extract_days(station: Station, days: Sequence[date]) -> Outcome:
    """Bring ``days`` up to date: read every source, commit what is new.

    A batch committed before a crash is first completed (its missing Parquet made again); then the sources
    are read. A source that fails does not keep the others from being kept; it stands in ``Outcome.errors``.
    """
    home = station.home
    batches = station.batches()
    lost = rederive.missing(home, batches)
    if lost:
        rederive.rederive(home, lost, lambda name: dialect(home, name))
    circumstances = Circumstances(station.run_id, station.now(), station.salts, station.code, lake_run.versions())
    feeds = [_feed(station, source) for source in sources.of(home, batches)]
    station.progress.begin("extract", None)
    outcome = lake_run.take(home, batches, feeds, sorted(set(days)), circumstances, progress=_reporter(station))
    station.progress.end("extract")
    for source, marks in outcome.marks.items():
        _save_marks(home, source, marks)
    station.outcome = outcome
    station.problems = None
    return outcome


def problems(station: Station) -> list[Problem]:
    """What is wrong with this run's batch (or, outside a run, with the newest); looked at once a run."""
    if station.problems is None:
        batches = station.batches()
        newest = station.outcome.batch if station.outcome else (batches[-1] if batches else None)
        station.problems = inspect(station.home, newest, batches[: newest.seq - 1]) if newest else []
    return station.problems


def _feed(station: Station, source: Source) -> Feed:
    home, own, today = station.home, dialect(station.home, source.dialect), station.now().date()

    def opened() -> record.Source:
        seen = _marks(home, source.name)
        return extract.open_source(source, home=home, dialect=own, seen=seen, environ=station.environ, today=today)

    return Feed(source.name, source.kind, own, opened)


def _reporter(station: Station) -> Callable[[str, int, int], None]:
    before: dict[str, int] = {}

    def report(source: str, records: int, _bytes: int) -> None:
        station.progress.advance("extract", records - before.get(source, 0))
        before[source] = records

    return report


def _cursor(home: Home, source: str) -> Path:
    return home.state / "cursors" / f"{source}.json"


def _marks(home: Home, source: str) -> dict[str, tuple[int, int]]:
    """Finished files: path -> (size, mtime in ns). A lost or torn cursor only costs reading them again."""
    try:
        entries = json.loads(_cursor(home, source).read_bytes())
        return {path: (int(size), int(mtime)) for path, (size, mtime) in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _save_marks(home: Home, source: str, marks: Sequence[Mark]) -> None:
    """After the commit: a crash in between means that the files are read again and bring nothing new."""
    if not marks:
        return
    known = {**_marks(home, source), **{path: (size, mtime) for path, size, mtime in marks}}
    if source == ACCESS:  # its files go once they are sealed: what is said of them goes too
        known = {path: mark for path, mark in known.items() if (home.root / path).exists()}
    write_atomically(_cursor(home, source), json.dumps(known, indent=0).encode(), staging=home.staging)
