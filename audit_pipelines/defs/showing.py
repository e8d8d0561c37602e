"""The demo: the demo organisation's API, and the pipeline's own jobs run over it on a clock of its own.

One process: one backfill a month, then each later night alone; the night after late events brings a delta,
one night is run twice. What does not belong here: the made-up organisation (``demo``).
"""

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path

from audit_pipelines.batch import history
from audit_pipelines.defs import monthly
from audit_pipelines.defs.founding import found
from audit_pipelines.defs.inprocess import Jobs
from audit_pipelines.defs.standing import Standing, standing
from audit_pipelines.defs.station import Progress, Station, nightly_days
from audit_pipelines.demo.incidents import Incident
from audit_pipelines.demo.plan import Demo, plan
from audit_pipelines.demo.server import DemoServer
from audit_pipelines.errors import HomeError
from audit_pipelines.home import Home, open_home
from audit_pipelines.sql import findings

TOKEN_ENV = "AUDIT_PIPELINES_DEMO_TOKEN"  # noqa: S105 - a name
TOKEN = "demo-token"  # noqa: S105 - guards made-up data on loopback
PLAN_FILE = "demo.json"
SOURCES = """
[[sources]]
name = "terracotta"
kind = "terracotta"
dialect = "terracotta"
url = {url}
token_env = "{token}"
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demo came to."""

    home: Home
    demo: Demo
    standing: Standing
    found: tuple[Incident, ...]
    missed: tuple[Incident, ...]
    seconds: float


def play(directory: Path, *, seed: int, today: date, progress: Progress, say: Callable[[str], None]) -> Shown:
    """Make the home and run everything."""
    began = time.monotonic()
    made = plan(seed=seed, today=today)
    with DemoServer(made, TOKEN) as server:
        sources = SOURCES.format(url=json.dumps(server.url), token=TOKEN_ENV)
        home = found(
            directory,
            name=made.organisation.name,
            organisation_id="larkspur",
            start=made.first,
            timezone=made.organisation.timezone,
            sources=sources,
        )
        (home.state / PLAN_FILE).write_text(json.dumps({"seed": seed, "today": today.isoformat(), "url": server.url}))
        _run(home, made, server, progress, say)
    found_ones, missed = _score(home, made)
    return Shown(home, made, standing(home, _moment(today)), found_ones, missed, time.monotonic() - began)


def _run(home: Home, made: Demo, server: DemoServer, progress: Progress, say: Callable[[str], None]) -> None:
    moment = _moment(made.first)

    def make(opened: Home, run_id: str) -> Station:
        environ = {TOKEN_ENV: TOKEN}
        return Station(opened, run_id, who="demo", now=lambda: moment, environ=environ, progress=progress)

    with Jobs(home, make) as jobs:
        for first, last in made.backfills:
            moment = server.as_of = _moment(last + timedelta(days=1))
            station = jobs.night(_days(first, last))
            say(f"backfill {first} to {last}: {_counted(station)}")
        for night in made.nights:
            moment = server.as_of = _moment(night + timedelta(days=1))
            span, again = nightly_days(moment.date(), home.settings())
            say(f"night of {night}: {_counted(jobs.night(span, again))}")
            if night == made.nights[0]:
                say(f"night of {night}, run once more: {_counted(jobs.night(span, again))}")
        for month, _ in made.backfills:
            jobs.report(month)
            say(f"report {month:%Y-%m}")


def _counted(station: Station) -> str:
    outcome = station.outcome
    if outcome is None or outcome.batch is None:
        return "nothing new, no file was changed"
    result = outcome.sources[0]
    late = f", {result.late:,} of them late" if result.late else ""
    known = f", {result.duplicates:,} known already" if result.duplicates else ""
    return f"{result.events:,} new events{late}{known}"


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _moment(day: date) -> datetime:
    """When the night before ``day`` is extracted."""
    return datetime.combine(day, clock_time(2, 0), UTC)


def _score(home: Home, made: Demo) -> tuple[tuple[Incident, ...], tuple[Incident, ...]]:
    """The labelled incidents that a finding of their rule and day names, and the others."""
    newest = {day.day: home.findings(day.day, batch.seq) for batch in history(home) for day in batch.days}
    hits = findings.read([path for path in newest.values() if path.is_file()])
    evidence = {(hit.rule, uid.partition("/")[2]) for hit in hits for uid in hit.uids}
    about = {(hit.rule, hit.day, hit.subject) for hit in hits}  # a finding names at most 100 events
    found_ones = [
        one
        for one in made.incidents
        if (one.kind, one.day, one.subject) in about or any((one.kind, event) in evidence for event in one.event_ids)
    ]
    return tuple(found_ones), tuple(one for one in made.incidents if one not in found_ones)


def summary(shown: Shown, directory: Path, program: str = "audit-pipelines") -> list[str]:
    """Where everything is, and what to do next."""
    home, stands = shown.home, shown.standing
    pdfs = [path for month, _ in shown.demo.backfills for path in monthly.revisions(home, month)[-1].glob("*.pdf")]
    drops = sum(1 for path in home.drops.rglob("*.ndjson*"))
    planted = len(shown.found) + len(shown.missed)
    lines = [
        f"{stands.size:,} events of {stands.days} days in {stands.batches} batches, in {shown.seconds:.0f} s.",
        f"Findings: {sum(stands.findings.values())}; {len(shown.found)} of the {planted} planted incidents are among them.",
        "",
        "Reports:",
        *(f"  {directory / path.relative_to(home.root)}" for path in pdfs),
        f"Drops for a SIEM, {drops} files:",
        *(f"  {directory / 'drops' / name}/" for name in sorted(home.settings().drops)),
        f"Evidence (zstdcat reads it): {directory / 'evidence'}/",
        f"The log, {stands.log.size:,} leaves and {stands.log.statements:,} statements, signed by the key",
        f"  {stands.log.signers[0]}",
        "",
        "Next:",
        f"  {program} --home {directory} status",
        f"  {program} --home {directory} verify --key {stands.log.signers[0]}",
        f"  {program} --home {directory} bundle --month {shown.demo.backfills[-1][0]:%Y-%m}",
        f"  {program} --home {directory} query configuration_changes --from {shown.demo.nights[0]}",
        f"  {program} --home {directory} tokens new --name me --scope admin     (a token to sign in with)",
        f"  {program} --home {directory} serve     (the viewer and the API, http://127.0.0.1:8321)",
        f"  {program} --home {directory} dagster dev",
        f"  {program} demo --serve {directory}     (serves the API again, for more nights)",
    ]
    if stands.problems:
        lines += ["", *stands.problems]
    return lines


def serve(directory: Path, say: Callable[[str], None]) -> None:
    """Serve the API of a demo home again, at the address in its settings, until interrupted.

    Raises:
        HomeError: the directory is no demo home.
    """
    home = open_home(directory)
    try:
        stored = json.loads((home.state / PLAN_FILE).read_bytes())
    except (OSError, ValueError):
        raise HomeError("this home was not made by demo", where=str(directory), todo="run: audit-pipelines demo DIR") from None
    made = plan(seed=stored["seed"], today=date.fromisoformat(stored["today"]))
    port = int(stored["url"].rpartition(":")[2])
    with DemoServer(made, TOKEN, port=port) as server:
        say(f"serving {server.url}; in another terminal: export {TOKEN_ENV}={TOKEN}")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)
