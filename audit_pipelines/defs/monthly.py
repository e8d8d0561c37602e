"""The monthly report: which months may be issued, at which size of the log, and as which revision.

A report is a revision (``reports/2026-01/r1/``), never overwritten, computed from the leaves below S: the
size of the log after the last batch that touched the month. Same inputs, no new revision. A month that is
not over or not fully read gives a draft under ``state/drafts``. What does not belong here: what the report
says (``reportfacts``, ``typeset``).
"""

import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from audit_pipelines.batch import Batch, history
from audit_pipelines.defs.monthfacts import Month
from audit_pipelines.defs.reportfacts import compute
from audit_pipelines.defs.station import Station
from audit_pipelines.durable import make_folder, sync_file, sync_folder
from audit_pipelines.errors import ReportError
from audit_pipelines.home import Home
from audit_pipelines.lake.coverage import covered, missing
from audit_pipelines.settings import Settings
from audit_pipelines.shipped import shipped
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


def report(station: Station, month: date) -> Issued:
    """Issue the report of ``month``, or write a draft where it cannot be issued yet.

    A crash leaves a staged folder, or the whole revision.

    Raises:
        ReportError: there is nothing of that month in the log.
    """
    from audit_pipelines.typeset.issue import write_report  # imports WeasyPrint: a second that a night need not pay

    home, settings, batches = station.home, station.settings, station.batches()
    span = Month(month.replace(day=1))
    size = log_size(batches, span)
    if size is None:
        todo = "run: audit-pipelines night --from D --to D"
        raise ReportError("no night has asked for this month", where=f"{span.first:%Y-%m}", todo=todo)
    why = unready(batches, settings, span, station.now().date())
    found = [] if why else revisions(home, span.first)
    templates = (home.root / "templates", shipped("templates"))
    previous = found[-1] if found else None
    computed = compute(
        station, batches, span, size=size, revision=len(found) + 1, previous=previous, templates_sha256=Shelf(templates).digest()
    )
    if found and _inputs(found[-1]) == json.loads(json.dumps(computed.model["inputs"])):
        return Issued(found[-1], len(found), size, new=False)
    staged = make_folder(home.staging / f"report-{span.first:%Y-%m}")
    station.progress.begin("report", None)
    write_report(computed, folder=staged, templates=templates)
    station.progress.end("report")
    if why:
        final = home.state / "drafts" / f"{span.first:%Y-%m}"
        shutil.rmtree(final, ignore_errors=True)
    else:
        final = home.reports / f"{span.first:%Y-%m}" / f"r{len(found) + 1}"
    _publish_folder(staged, final)
    return Issued(final, len(found) + 1, size, new=True, draft=why)


def _publish_folder(staged: Path, final: Path) -> None:
    for path in staged.iterdir():
        path.chmod(0o640)
        sync_file(path)
    sync_folder(staged)
    make_folder(final.parent)
    os.rename(staged, final)
    sync_folder(final.parent)


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
    """Issued months that a later batch has touched, oldest first."""
    months = []
    for folder in sorted(home.reports.glob("????-??")) if home.reports.is_dir() else ():
        month = Month(date.fromisoformat(f"{folder.name}-01"))
        issued = revisions(home, month.first)
        if (
            issued
            and month.until <= today
            and json.loads((issued[-1] / "report.json").read_bytes())["log_size"] != log_size(batches, month)
        ):
            months.append(month.first)
    return months


def _inputs(folder: Path) -> object:
    return json.loads((folder / "report.json").read_bytes()).get("inputs")
