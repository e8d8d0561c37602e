"""Re-derivation and replay over a whole home, under its lock.

What does not belong here: how a file is derived (``lake.rederive``).
"""

import uuid
from datetime import date

from audit_pipelines.batch import history
from audit_pipelines.defs import attesting, drops, judge, night, sealing, sources
from audit_pipelines.defs.runs import conclude
from audit_pipelines.defs.station import Progress, Station
from audit_pipelines.errors import SettingsError
from audit_pipelines.home import Home
from audit_pipelines.lake import rederive, replay
from audit_pipelines.lake import run as lake_run
from audit_pipelines.lake.rederive import Rederived
from audit_pipelines.lake.rejects import Reject
from audit_pipelines.lake.run import Circumstances, Feed, Outcome
from audit_pipelines.seal import statements as st


def rederive_days(home: Home, first: date | None, last: date | None, source: str | None, *, progress: Progress) -> Rederived:
    """Make the Parquet of the chosen days and source again.

    Raises:
        SettingsError: there is no such source.
        LakeError: evidence is missing or damaged.
    """
    station = Station(home, str(uuid.uuid4()), who="rederive")
    try:
        station.lock()
        known_source(home, source)
        wanted = [
            (batch, file)
            for batch in station.batches()
            for file in batch.evidence
            if not file.purged
            and source in (None, file.source)
            and (first is None or file.day >= first)
            and (last is None or file.day <= last)
        ]
        progress.begin("rederive", len(wanted))
        done = rederive.rederive(
            home, wanted, lambda name: night.dialect(home, name), progress=lambda _: progress.advance("rederive", 1)
        )
        progress.end("rederive")
        _state(station, done)
        return done
    finally:
        station.close()


def _state(station: Station, done: Rederived) -> None:
    """State what another dialect has changed: one statement a source and pair of dialects."""
    if not done.remapped:
        return
    sealing.seal(station)
    found = sealing.opened(station)
    for key in sorted({(item.source, item.old, item.new) for item in done.remapped}):
        mine = [item for item in done.remapped if (item.source, item.old, item.new) == key]
        if found is not None:
            found.state(
                st.Rederive(
                    at=station.now(),
                    source=key[0],
                    first=min(item.day for item in mine),
                    last=max(item.day for item in mine),
                    files=len(mine),
                    rows_changed=sum(item.rows for item in mine),
                    old_dialect_sha256=key[1],
                    new_dialect_sha256=key[2],
                )
            )


def unresolved(home: Home) -> list[Reject]:
    """Rejects that no replay has turned into events."""
    return replay.unresolved(home, history(home))


def replay_rejects(home: Home, source: str | None) -> Outcome | None:
    """Turn readable rejects into events of a new batch, judge and ship it; None if there is none.

    Raises:
        SettingsError: there is no such source.
    """
    station = Station(home, str(uuid.uuid4()), who="rejects --replay")
    try:
        with station.step("replay"):
            known_source(home, source)
            batches = station.batches()
            kept = replay.unresolved(home, batches)
            feeds, identities = [], []
            for entry in sources.of(home, batches):
                dialect = night.dialect(home, entry.dialect)
                mine = [reject for reject in kept if reject.source == entry.name and source in (None, entry.name)]
                ready = replay.readable(mine, dialect)
                if ready:
                    feeds.append(Feed(entry.name, entry.kind, dialect, lambda ready=ready: replay.RejectSource(ready)))  # type: ignore[misc]
                    identities += [reject.identity for reject in ready]
            if not feeds:
                return None
            circumstances = Circumstances(station.run_id, station.now(), station.salts, station.code, lake_run.versions())
            station.outcome = lake_run.take(home, batches, feeds, (), circumstances, replayed=identities)
        with station.step("log"):
            sealing.seal(station)
        with station.step("findings"):
            judge.judge(station)
        with station.step("drop"):
            drops.ship(station)
            attesting.attest(station)
            attesting.anchor_log(station)
        return station.outcome
    finally:
        conclude(station)
        station.close()


def known_source(home: Home, source: str | None) -> None:
    """Check that ``source`` is None or a source of this home.

    Raises:
        SettingsError: it is neither.
    """
    names = [entry.name for entry in sources.of(home, history(home))]
    if source is not None and source not in names:
        raise SettingsError(f"no source {source!r}", where=str(home.settings_file), todo=f"there are: {', '.join(names)}")
