"""Sealing in a night: committed batches into the log, in order.

It looks at what is stated already and goes on from there, so a killed night needs nothing special. What
does not belong here: how the log is written (``seal``), removals (``keeping``), drops and reports
(``attesting``).
"""

from collections.abc import Sequence

from audit_pipelines import batch as manifest
from audit_pipelines.batch import Batch
from audit_pipelines.defs import keeping
from audit_pipelines.defs.station import Station
from audit_pipelines.home import Home
from audit_pipelines.lake.read import connect, relate
from audit_pipelines.seal import sealed
from audit_pipelines.seal.sealed import SealedLog


def opened(station: Station) -> SealedLog | None:
    """The home's log, founded if there is anything to seal; None = there is nothing yet.

    Raises:
        SealError: there is no key, a key is missing, or the signer refuses.
    """
    home, settings = station.home, station.settings
    found = sealed.open_log(home, settings)
    batches = station.batches() if found is None else ()
    if found is None and batches:
        found = sealed.found_log(home, settings, batches[0].extracted_at)
    return found


def seal(station: Station) -> list[Batch]:
    """Seal every batch that is not yet in the log, in order; finish removals; state a new policy. The batches sealed."""
    found = opened(station)
    if found is None:
        return []
    keeping.finish(found)
    keeping.state_policy(found, station)
    known = found.ledger.batches()
    batches = station.batches()
    todo = [batch for batch in batches if batch.seq not in known]
    station.progress.begin("seal", sum(batch.size - batch.first for batch in todo))
    for batch in todo:
        found.seal(batch, conflicts(station.home, batches, batch))
        station.progress.advance("seal", batch.size - batch.first)
    station.progress.end("seal")
    return todo


def conflicts(home: Home, batches: Sequence[Batch], batch: Batch) -> list[tuple[int, int | None]]:
    """(leaf, first leaf of the same source and id) of the batch's conflicts, in leaf order."""
    leaves = [(file.source, file.first + line) for file in batch.evidence for line, _ in file.conflicts]
    if not leaves:
        return []
    found: dict[int, int | None] = {leaf: None for _, leaf in leaves}
    connection = connect(memory="1GB", spill=home.staging / "spill")
    try:
        for source in sorted({source for source, _ in leaves}):
            files = [file for file in manifest.evidence_files(batches, below=batch.size) if file.source == source]
            relate(connection, home, files)
            rows = connection.execute(
                """
                WITH later AS (SELECT event_id, leaf_index AS leaf FROM events WHERE leaf_index IN (SELECT unnest($leaves)))
                SELECT later.leaf, min(events.leaf_index)
                FROM later JOIN events USING (event_id) WHERE events.leaf_index < later.leaf GROUP BY later.leaf
                """,
                {"leaves": [leaf for name, leaf in leaves if name == source]},
            ).fetchall()
            found.update(rows)
    finally:
        connection.close()
    return sorted(found.items())
