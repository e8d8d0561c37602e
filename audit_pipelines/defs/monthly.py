"""The monthly report: which months may be issued, at which size of the log, and as which revision.

A report is a revision (``reports/2026-01/r1/``), never overwritten, computed from the leaves below S, the
size of the log after the last batch that touched the month, and from the statements below T: all there are
when a revision is made, and the same T again until S moves or a statement changes the month (an erasure, a
new mapping). Same inputs, no new revision. A month that is not over or not fully read gives a draft under
``state/drafts``; one with purged days is not made again. What does not belong here: what the report says
(``reportfacts``, ``sealfacts``, ``typeset``).
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from audit_pipelines.batch import Batch, history
from audit_pipelines.defs import sealing
from audit_pipelines.defs.decisions import Reach
from audit_pipelines.defs.monthfacts import Month, is_purged, touches
from audit_pipelines.defs.reportfacts import compute
from audit_pipelines.defs.station import Station
from audit_pipelines.durable import make_folder, sync_file, sync_folder
from audit_pipelines.errors import ReportError
from audit_pipelines.home import Home
from audit_pipelines.lake.coverage import covered, missing
from audit_pipelines.removal import removals
from audit_pipelines.seal import sealed
from audit_pipelines.seal.ledger import Ledger
from audit_pipelines.settings import Settings
from audit_pipelines.shipped import shipped
from audit_pipelines.typeset.model import Computed
from audit_pipelines.typeset.shelf import Shelf

log = logging.getLogger(__name__)
__all__ = ["Issued", "Month", "history", "outdated", "report", "revisions", "unready"]


@dataclass(frozen=True, slots=True)
class Issued:
    """What ``report`` came to."""

    folder: Path
    revision: int
    size: int
    """S: leaves below it count."""
    new: bool
    """False: the inputs are those of the newest revision, nothing was written."""
    draft: str = ""
    """Why it is only a draft; empty = issued."""
    kept: str = ""
    """Why the revision stays though the month may have changed; empty = it says what the log says."""


def report(station: Station, month: date) -> Issued:
    """Issue the report of ``month``, or write a draft where it cannot be issued yet.

    The log is sealed up to S first. A crash leaves a staged folder, or the whole revision.

    Raises:
        ReportError: there is nothing of that month in the log, or days of it are purged and it was never issued.
        SealError: a batch or a removal is not sealed yet and cannot be: there is no key, or the signer refuses.
        EvidenceError: the log does not fit its checkpoints.
    """
    home, settings, batches = station.home, station.settings, station.batches()
    span = Month(month.replace(day=1))
    size = log_size(batches, span)
    if size is None:
        todo = "run: audit-pipelines night --from D --to D"
        raise ReportError("no night has asked for this month", where=f"{span.first:%Y-%m}", todo=todo)
    found = revisions(home, span.first)
    if is_purged(batches, span):
        return _purged(found, span)
    why = unready(batches, settings, span, station.now().date())
    found = [] if why else found
    templates = (home.root / "templates", shipped("templates"))
    previous = found[-1] if found else None
    known = _sealed(station, [batch for batch in batches if batch.size <= size])
    computed = compute(
        station,
        batches,
        span,
        size=size,
        known=known,
        statements=statements_size(known, batches, span, _made(previous)),
        revision=len(found) + 1,
        previous=previous,
        templates_sha256=Shelf(templates).digest(),
    )
    if found and _made(found[-1]).get("inputs") == json.loads(json.dumps(computed.model["inputs"])):
        return Issued(found[-1], len(found), size, new=False)
    staged = _write(station, computed, templates)
    if why:
        final = home.state / "drafts" / f"{span.first:%Y-%m}"
        shutil.rmtree(final, ignore_errors=True)
    else:
        final = home.reports / f"{span.first:%Y-%m}" / f"r{len(found) + 1}"
    _publish_folder(staged, final)
    return Issued(final, len(found) + 1, size, new=True, draft=why)


def _write(station: Station, computed: Computed, templates: Sequence[Path]) -> Path:
    """The revision's files, in a staging folder."""
    from audit_pipelines.typeset.issue import write_report  # imports WeasyPrint: a second that a night need not pay

    staged = make_folder(station.home.staging / f"report-{computed.model['file_name']}")
    station.progress.begin("report", None)
    write_report(computed, folder=staged, templates=templates)
    station.progress.end("report")
    return staged


def _publish_folder(staged: Path, final: Path) -> None:
    for path in staged.iterdir():
        path.chmod(0o640)
        sync_file(path)
    sync_folder(staged)
    make_folder(final.parent)
    os.rename(staged, final)
    sync_folder(final.parent)


def _purged(found: Sequence[Path], month: Month) -> Issued:
    """The newest revision, which stays: with days gone it could not be computed again."""
    name = f"{month.first:%Y-%m}"
    if not found:
        todo = "its records are gone; a month is issued before its days are past retention"
        raise ReportError("days of this month are purged, it can no longer be reported", where=name, todo=todo)
    why = f"days of {name} are purged: revision {len(found)} stays as it was issued"
    log.warning("%s", why)
    return Issued(found[-1], len(found), int(str(_made(found[-1])["log_size"])), new=False, kept=why)


def _sealed(station: Station, batches: Sequence[Batch]) -> Ledger:
    """The ledger, with these batches and every removal in it: what is not sealed yet is sealed now."""
    known = sealed.read_ledger(station.home)
    if known is None or not {batch.seq for batch in batches} <= set(known.batches()) or not _removals_stated(station.home, known):
        sealing.seal(station)
        known = sealed.read_ledger(station.home)
        assert known is not None, "there is a batch, hence a log"
    return known


def _removals_stated(home: Home, known: Ledger) -> bool:
    return {removal.number for removal in removals(home)} <= known.removals()


def statements_size(known: Ledger, batches: Sequence[Batch], month: Month, made: Mapping[str, Any]) -> int:
    """T: that of the revision before (its ``report.json``), while nothing has changed the month; else all statements."""
    size, now = log_size(batches, month), len(known.statements)
    before = made.get("statements_size")
    if made.get("log_size") != size or before is None or made["integrity"]["origin"] != known.genesis.origin or before > now:
        return now
    stated = known.batches()
    below = [batch for batch in batches if size is not None and batch.size <= size]
    touching = [stated[batch.seq][0] for batch in below if touches(batch, month) and batch.seq in stated]
    reach = Reach.of(below, month)
    changed = any(index >= before for index in touching) or any(map(reach.changed_by, known.statements[before:]))
    return now if changed else int(before)


def log_size(batches: Sequence[Batch], month: Month) -> int | None:
    """S: the log's size after the last batch with events of the month (or, in a month without, that asked for it)."""
    touching = [batch.size for batch in batches if any(month.has(day.day) and day.events for day in batch.days)]
    if touching:
        return touching[-1]
    asking = [batch.size for batch in batches if any(month.has(day.day) for day in batch.days)]
    covering = [batch.size for batch in batches for result in batch.sources if _meets(result.covers, month)]
    return asking[-1] if asking else covering[0] if covering else None


def _meets(spans: Sequence[tuple[date, date]], month: Month) -> bool:
    return any(low < month.until and high >= month.first for low, high in spans)


def unready(batches: Sequence[Batch], settings: Settings, month: Month, today: date) -> str:
    """Why the month cannot be issued; empty if it can."""
    if month.until > today:
        return f"{month.first:%Y-%m} is not over"
    first = max(month.first, settings.organisation.start)
    for source in settings.sources:
        gaps = missing(covered(batches, source.name), first, month.until - timedelta(days=1))
        if gaps:
            return f"source {source.name} has not been read in full on {gaps[0][0]}" + (
                " and other days" if len(gaps) > 1 else ""
            )
    return ""


def revisions(home: Home, month: date) -> list[Path]:
    """The folders of the month's revisions, oldest first."""
    folder = home.reports / f"{month:%Y-%m}"
    found = folder.glob("r*/report.json") if folder.is_dir() else ()
    return sorted((path.parent for path in found), key=lambda path: int(path.name[1:]))


def outdated(home: Home, batches: Sequence[Batch], today: date) -> list[date]:
    """Issued months that a later batch, erasure or mapping has changed, oldest first; none with purged days.

    Raises:
        EvidenceError: the statements log is damaged.
    """
    folders = sorted(home.reports.glob("????-??")) if home.reports.is_dir() else []
    issued = [(Month(date.fromisoformat(f"{folder.name}-01")), folder) for folder in folders]
    due = [
        month for month, _ in issued if month.until <= today and revisions(home, month.first) and not is_purged(batches, month)
    ]
    known = sealed.read_ledger(home) if due else None
    return [month.first for month in due if _is_outdated(home, known, batches, month)]


def _is_outdated(home: Home, known: Ledger | None, batches: Sequence[Batch], month: Month) -> bool:
    made = _made(revisions(home, month.first)[-1])
    if made["log_size"] != log_size(batches, month):
        return True
    if known is None or made["integrity"]["origin"] != known.genesis.origin:
        return False
    return statements_size(known, batches, month, made) != int(made["statements_size"])


def _made(folder: Path | None) -> dict[str, Any]:
    """A revision's ``report.json``."""
    made: dict[str, Any] = json.loads((folder / "report.json").read_bytes()) if folder else {}
    return made
