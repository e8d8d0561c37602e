"""Archiving and `drops again`, killed at every change of names and taken again: the same files as if nothing had happened.

What a reader sees in between is looked at after every kill: whole files, each in one folder, no two with the same head,
SHA256SUMS right.
"""

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from audit_pipelines.defs.verifying import verify_home
from audit_pipelines.home import Home
from tests.defs.conftest import Yard, day_of_records

SCRIPT = Path(__file__).with_name("killed_drops.py")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("step", "kills"),
    [
        pytest.param("archive", 20, id="a night that archives files of three formats, late events and days made again"),
        pytest.param("again", 20, id="days made again"),
        pytest.param("night", 9, id="days made again, with a night between the kill and the second call"),
    ],
)
def test_killed_at_any_change_of_names_and_taken_again(tmp_path: Path, step: str, kills: int):
    yard = Yard(tmp_path, start=date(2026, 1, 30))
    yard.put("a.ndjson", day_of_records(date(2026, 1, 30), 12) + day_of_records(date(2026, 2, 1), 7, first=200))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, str(SCRIPT), str(yard.home.root), str(scratch), step]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= kills
    assert int(done.stdout.split()[2]) >= 15
    assert verify_home(Home(scratch / "whole"), now=datetime(2026, 3, 7, 2, tzinfo=UTC)).faults == []
