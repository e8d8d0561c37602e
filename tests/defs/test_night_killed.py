"""A night that was killed at any step and run again leaves the same bytes as one that was not."""

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from audit_pipelines.lake import lock
from tests.defs.conftest import Yard, access, day_of_records, record, served

SCRIPT = Path(__file__).with_name("killed_night.py")
ROOT = Path(__file__).parents[2]


def fill(yard: Yard) -> None:
    """Two files of the source, and two of the access log: one that this night removes, one of yesterday."""
    served(yard, date(2026, 1, 30), access(1, "2026-01-30T09:00:00Z") + access(2, "2026-01-30T10:00:00Z"))
    served(yard, date(2026, 2, 1), access(3, "2026-02-01T09:00:00Z") + b'{"id":')
    yard.put("a.ndjson", day_of_records(date(2026, 1, 30), 12) + day_of_records(date(2026, 1, 31), 9, first=100))
    yard.put("b.ndjson", [*day_of_records(date(2026, 2, 1), 7, first=200), record(1, "2026-01-30T01:51:00Z"), b"{broken"])


def kill_everywhere(yard: Yard, scratch: Path, *more: str) -> str:
    fill(yard)
    scratch.mkdir()
    command = [sys.executable, str(SCRIPT), str(yard.home.root), str(scratch), *more]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_killed_at_any_rename_and_run_again_gives_the_same_bytes(tmp_path: Path):
    said = kill_everywhere(Yard(tmp_path, start=date(2026, 1, 30)), tmp_path / "scratch")
    kills, files = int(said.split()[0]), int(said.split()[2])
    assert kills > 15, "extraction, seal, findings, drops, statements"
    assert files > 40


@pytest.mark.parametrize(("step", "kills"), [("report", 5), ("purge", 25), ("erase", 20)])
def test_what_follows_a_night_may_be_killed_too(tmp_path: Path, step: str, kills: int):
    """A report with its statement and proof; a purge of the whole home a year later; an erasure of one event."""
    said = kill_everywhere(Yard(tmp_path, start=date(2026, 1, 30)), tmp_path / "scratch", step)
    assert int(said.split()[0]) >= kills


def test_two_nights_at_once_do_not_collide(yard: Yard):
    """Both run; the second waits for the first and finds nothing new."""
    fill(yard)
    variables = {**os.environ, "AUDIT_HOME": str(yard.home.root), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "audit_pipelines", "night", "--from", "2026-01-30", "--to", "2026-02-01"]
    both = [subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted("nothing new" in output for output, _ in outputs) == [False, True]
    assert len(list(yard.home.batches.glob("*.json"))) == 1


def test_a_home_that_is_held_too_long_is_an_error_with_its_own_exit_code(yard: Yard):
    settings = yard.home.settings_file
    settings.write_text(settings.read_text().replace('lock_wait = "10m"', 'lock_wait = "0s"'))
    variables = {**os.environ, "AUDIT_HOME": str(yard.home.root), "PYTHONPATH": str(ROOT)}
    with lock.hold(yard.home.lock_file, who="the test", wait=0):
        command = [sys.executable, "-m", "audit_pipelines", "night", "--day", "2026-02-01"]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert f"the test (process {os.getpid()})" in done.stderr


def test_a_killed_dagster_run_is_marked_failed_by_the_next(yard: Yard):
    """Dagster itself would show a killed run as started for ever."""
    import dagster as dg  # noqa: TID251 - to look at its records

    fill(yard)
    variables = {**os.environ, "AUDIT_HOME": str(yard.home.root), "PYTHONPATH": str(ROOT)}
    script = (
        "import os, signal; from audit_pipelines.defs import judge;"
        "judge.judge = lambda station: os.kill(os.getpid(), signal.SIGKILL);"
        "from audit_pipelines.cli import main; main(['night', '--day', '2026-02-01'])"
    )
    assert subprocess.run([sys.executable, "-c", script], env=variables, check=False).returncode == -signal.SIGKILL
    with yard.jobs(datetime.now(UTC)) as jobs:
        jobs.night([date(2026, 2, 1)])
    with dg.DagsterInstance.get() as instance:
        statuses = sorted(run.status.value for run in instance.get_runs())
    assert statuses == ["FAILURE", "SUCCESS"]
