"""What a night attests after its work: drops, reports, the drill, and anchors outside the operator's reach.

Every step looks at what is stated already. What does not belong here: sealing batches (``sealing``).
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from audit_pipelines.batch import Batch
from audit_pipelines.defs import drops
from audit_pipelines.defs.station import Station
from audit_pipelines.durable import make_folder, write_atomically
from audit_pipelines.errors import EvidenceError
from audit_pipelines.home import Home
from audit_pipelines.seal import anchor, drill, proofs, sealed
from audit_pipelines.seal import statements as st
from audit_pipelines.seal.appending import entries
from audit_pipelines.seal.log import checkpoint_after, read_checkpoint
from audit_pipelines.seal.sealed import SealedLog
from audit_pipelines.seal.tiles import Tiles

log = logging.getLogger(__name__)


def attest(station: Station) -> None:
    """State the drops of every batch whose drops are whole, with the night's drill.

    A drill that finds the home damaged, or an alteration unnoticed, makes the run partial (``drops.raise_if_partial``).
    """
    found = sealed.open_log(station.home, station.settings)
    if found is None:
        return
    try:
        result = _drill(station, found)
    except EvidenceError as error:
        result = None
        station.drill_fault = str(error)
    open_batches = {batch.seq for batch, _, _ in drops.due(station.home, station.batches())}
    known, stated = found.ledger.batches(), found.ledger.dropped()
    for batch in station.batches():
        if batch.seq in known and batch.seq not in stated and batch.seq not in open_batches:
            found.state(*_drop_statements(station, batch, result))
    attest_redrops(found, station.home)
    if result is not None and not result.caught:
        station.drill_fault = f"a copy of batch {result.batch} was altered ({result.alteration}) and verification missed it"


def attest_redrops(found: SealedLog, home: Home) -> int:
    """State the drops that were made once more and are not stated yet, one statement a manifest; how many."""
    stated = {item.path for drop in found.ledger.drops() for item in drop.manifests}
    known = found.ledger.dropped()
    new = [
        st.Drop(batch=seq, part=0, parts=1, manifests=(st.digested(home, path),))
        for seq, path in drops.redrops(home)
        if home.relative(path) not in stated and seq in known
    ]
    if new:
        found.state(*new)
    return len(new)


def anchor_log(station: Station) -> None:
    """Get the token and the cosignature that the settings ask for; a failure is remembered, not raised."""
    found = sealed.open_log(station.home, station.settings)
    if found is not None:
        anchor.anchor(found, station.settings.seal)


def _drop_statements(station: Station, batch: Batch, result: st.Drill | None) -> list[st.Drop]:
    """One, or several where the manifests of many days would not fit."""
    home = station.home
    paths = [path for day in batch.days for path in drops.manifests(home, batch.seq, day.day)]
    named = [st.digested(home, path) for path in paths]
    groups = list(_groups(named)) or [[]]
    return [
        st.Drop(batch=batch.seq, part=part, parts=len(groups), manifests=tuple(group), drill=result if part == 0 else None)
        for part, group in enumerate(groups)
    ]


def _groups(named: Sequence[st.Digested]) -> Iterator[list[st.Digested]]:
    group: list[st.Digested] = []
    size = 0
    for item in named:
        length = len(msgspec.json.encode(item)) + 1
        if size + length > st.ROOM:
            yield group
            group, size = [], 0
        group.append(item)
        size += length
    if group:
        yield group


def _drill(station: Station, found: SealedLog) -> st.Drill | None:
    """The night's drill, as the newest checkpoint chooses; where nothing new is to be stated, the day chooses too.

    The result goes to ``state/drills.ndjson`` too, for nights that state nothing.
    """
    home, now = station.home, station.now()
    fresh = bool(found.ledger.batches().keys() - found.ledger.dropped())
    seed = hashlib.sha256(read_checkpoint(found.statements.folder) + (b"" if fresh else str(now.date()).encode())).digest()
    result = drill.drill(home, found, station.batches(), seed=seed, scratch=make_folder(home.staging / "drill"))
    if result is not None:
        with (home.state / "drills.ndjson").open("ab") as file:
            file.write(msgspec.json.encode({"at": now, **msgspec.to_builtins(result)}) + b"\n")
    return result


def last_drill(home: Home) -> tuple[datetime, st.Drill] | None:
    """The newest line of ``state/drills.ndjson`` that is whole."""
    try:
        lines = (home.state / "drills.ndjson").read_bytes().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            entry = msgspec.json.decode(line)
            return datetime.fromisoformat(entry.pop("at")), msgspec.convert(entry, st.Drill)
        except (msgspec.MsgspecError, ValueError, KeyError, AttributeError):
            continue
    return None


def attest_report(station: Station) -> None:
    """State every issued revision that is not stated yet, and put its proof beside it.

    Raises:
        AuditError: the log cannot be extended.
    """
    found = sealed.open_log(station.home, station.settings)
    if found is None:
        log.warning("the report is not stated: there is no log yet")
        return
    _state_reports(found, station.home)
    anchor.anchor(found, station.settings.seal)


def _state_reports(found: SealedLog, home: Home) -> None:
    """A crash between statement and proof leaves the proof out; the next call writes it."""
    stated = found.ledger.reports()
    for folder in sorted(home.reports.glob("????-??/r*")) if home.reports.is_dir() else ():
        month, revision = folder.parent.name, int(folder.name[1:])
        if (month, revision) not in stated and (folder / "report.json").is_file():
            made = json.loads((folder / "report.json").read_bytes())
            files = [st.digested(home, path) for path in sorted(folder.iterdir()) if path.is_file()]
            size = len(found.ledger.statements)
            below = min(int(made.get("statements_size", size)), size)
            statement = st.Report(month=month, revision=revision, log_size=made["log_size"], statements=below, files=tuple(files))
            found.state(statement)
            stated[month, revision] = (size, statement)
        if (month, revision) in stated:
            _write_proof(found, home, folder, stated[month, revision][0])


def _write_proof(found: SealedLog, home: Home, folder: Path, index: int) -> None:
    """``proof/``: the statement, its inclusion proof (C2SP tlog-proof) and how to check both."""
    target = make_folder(folder / "proof")
    if (target / "report.tlog-proof").is_file():
        return
    size = checkpoint_after(found.statements.folder, index)
    path = proofs.inclusion(Tiles(found.statements.folder), index, size)
    note = read_checkpoint(found.statements.folder, size)
    statement = entries(found.statements.folder, size)[index]
    write_atomically(target / "statement.json", statement + b"\n", staging=home.staging)
    write_atomically(target / "report.tlog-proof", proofs.tlog_proof(index, path, note), staging=home.staging)
