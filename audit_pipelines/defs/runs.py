"""The book of runs: what each came to, who is told, and Dagster's records of runs that died.

``state/runs.ndjson`` has one line a finished run; ``status`` and the notification read it. Losing it loses
no evidence. What does not belong here: running.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from audit_pipelines.defs.station import Station
from audit_pipelines.durable import make_folder
from audit_pipelines.home import Home
from audit_pipelines.lake.inspect import Problem

if TYPE_CHECKING:
    import dagster as dg

log = logging.getLogger(__name__)
PID_TAG = "audit_pipelines/pid"
KEEP_RUNS = timedelta(days=90)
NOTIFY_SECONDS = 60


class RunEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One finished run."""

    run_id: str
    who: str
    kind: Literal["night", "report", "other"]
    status: Literal["ok", "partial", "failed"]
    """partial: committed, but a source failed or a check found something."""
    started: datetime
    finished: datetime
    asked: tuple[date, ...]
    batch: int | None
    """The batch it committed; None = nothing new."""
    rejects: int
    errors: tuple[str, ...]


def conclude(station: Station) -> None:
    """Write the run into the book and tell ``[notify] command``, if there is something to tell."""
    if not station.locked:
        if station.failures:
            notify(station.home, {"event": "failed", "errors": station.failures})
        return
    entry = _entry(station)
    missed = missed_since(station.home, entry.started)
    book = station.home.state / "runs.ndjson"
    make_folder(book.parent)
    with book.open("ab") as file:
        file.write(msgspec.json.encode(entry) + b"\n")
    event: str = "missed" if missed and entry.status == "ok" else entry.status
    if event == "ok" and entry.rejects:
        event = "rejects"
    if event != "ok":
        notify(station.home, {"event": event, **msgspec.to_builtins(entry), "missed": missed})


def _entry(station: Station) -> RunEntry:
    outcome = station.outcome
    batch = outcome.batch if outcome else None
    partial = [f"source {name}: {error}" for name, error in outcome.errors.items()] if outcome else []
    partial += [_text(problem) for problem in station.problems or ()]
    partial += [f"drill: {station.drill_fault}"] if station.drill_fault else []
    failed = [text for text in station.failures if text not in partial]
    hard = [text for text in failed if not text.startswith(("drop: run is partial", "events: run is partial"))]
    return RunEntry(
        run_id=station.run_id,
        who=station.who,
        kind="night" if station.asked else "report" if station.issued else "other",
        status="failed" if hard else "partial" if partial else "ok",
        started=station.started or station.now(),
        finished=station.now(),
        asked=station.asked,
        batch=batch.seq if batch else None,
        rejects=batch.rejects.count if batch and batch.rejects else 0,
        errors=tuple(partial + hard),
    )


def _text(problem: Problem) -> str:
    return f"check {problem.check}, {problem.day or 'whole batch'}: {problem.text}"


def book_of(home: Home) -> tuple[RunEntry, ...]:
    """Every finished run, oldest first; torn lines (a crash while writing) are left out."""
    try:
        lines = (home.state / "runs.ndjson").read_bytes().splitlines()
    except OSError:
        return ()
    entries = []
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError):
            entries.append(msgspec.json.decode(line, type=RunEntry))
    return tuple(entries)


def missed_since(home: Home, now: datetime) -> int:
    """Whole days without a finished run before this one: nights that did not happen."""
    last = last_finished(book_of(home))
    return max(0, (now - last.finished) // timedelta(hours=26)) if last else 0


def notify(home: Home, message: dict[str, object]) -> None:
    """Give the message to the configured command as one JSON line; its failure is logged, never raised."""
    settings = home.settings()
    if not settings.notify.command:
        return
    line = json.dumps({"organisation": settings.organisation.id, "home": str(home.root), **message}, default=str)
    try:
        subprocess.run(
            settings.notify.command, input=line.encode() + b"\n", stdout=sys.stderr, timeout=NOTIFY_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        log.error("audit.toml: notify.command failed: %s", error)


def mark_own_run(instance: "dg.DagsterInstance", run_id: str) -> None:
    """Note this process in the run, so that a later run can see that it is gone."""
    if instance.get_run_by_id(run_id) is not None:
        instance.add_run_tags(run_id, {PID_TAG: str(os.getpid())})


def mark_dead_runs(instance: "dg.DagsterInstance", own: str) -> None:
    """Mark as failed every unfinished run whose process is gone (a kill leaves it "started" for ever)."""
    import dagster as dg

    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
    for run in instance.get_runs(filters=unfinished):
        pid = run.tags.get(PID_TAG)
        if run.run_id != own and pid and not Path(f"/proc/{pid}").exists():
            instance.report_run_failed(run, f"process {pid} is gone")


def forget_old_runs(instance: "dg.DagsterInstance", now: datetime) -> int:
    """Remove Dagster's records of runs older than 90 days; how many."""
    import dagster as dg

    old = list(_old_runs(instance, dg.RunsFilter(created_before=now - KEEP_RUNS)))
    for run_id in old:
        instance.delete_run(run_id)
    return len(old)


def _old_runs(instance: "dg.DagsterInstance", filters: "dg.RunsFilter") -> Iterator[str]:
    for run in instance.get_runs(filters=filters):
        if run.is_finished:
            yield run.run_id


def nights(entries: Sequence[RunEntry]) -> list[RunEntry]:
    """The runs that asked sources for days."""
    return [entry for entry in entries if entry.kind == "night"]


def last_finished(entries: Sequence[RunEntry]) -> RunEntry | None:
    """The last night that finished, whole or partial."""
    done = [entry for entry in nights(entries) if entry.status != "failed"]
    return done[-1] if done else None
