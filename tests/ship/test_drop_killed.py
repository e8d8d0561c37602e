"""A publisher killed at any step, then run again: the same files, and no line twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audit_pipelines.ship.parts import Limits


@pytest.mark.parametrize("form", ["generic", "ecs_bulk", "ocsf_parquet"])
def test_killed_at_every_step_then_repeated(drops, tmp_path, form):
    events = [drops.event(number, action="seat.added" if number % 2 else "authentication.login") for number in range(7)]
    drops.relation(events).execute(f"COPY events TO '{tmp_path / 'events.parquet'}'")
    program = Path(__file__).with_name("killed_publisher.py")
    done = subprocess.run([sys.executable, program, tmp_path, "1", form], capture_output=True, text=True, check=True)
    ends = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    deaths = [number for number, status in ends if status == -signal.SIGKILL]
    assert ends[-1] == (len(deaths) + 1, 0)
    assert len(deaths) >= 20  # three files, the sums, the manifest, folders and their entries

    whole = drops.Publisher(tmp_path / f"{ends[-1][0]}").files()
    seen = set()
    for number in deaths:
        home = drops.Publisher(tmp_path / f"{number}")
        before = home.files() if home.drops.exists() else {}
        assert before.items() <= whole.items(), "a visible file is whole and final"
        assert not any(name.endswith("manifest.json") for name in before) or before == whole
        seen.add(len(before))
        connection = drops.relation(events)
        made = home(connection, form, limits=Limits(rows=3))
        assert home.files() == whole
        assert [path for path in (home.root / "state" / "staging").rglob("*") if not path.is_dir()] == []
    assert seen >= {0, 1, 2, 3, 4, 5}, "deaths hit every stage of publishing"
    assert made.formats[0].rows == len(events)
    text = b"".join(raw for name, raw in whole.items() if name.endswith(".ndjson"))
    if text:
        assert {row["uid"] for row in events if row["uid"].encode() in text} == {row["uid"] for row in events}
        assert sum(file.rows for file in made.formats[0].files) == len(events)
