"""The demo's own log before an independent verifier: tlogverify reads what a few of the demo's nights have sealed."""

import itertools
import json
import subprocess
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time

import pytest

from audit_pipelines.batch import history
from audit_pipelines.defs import signing
from audit_pipelines.defs.founding import found
from audit_pipelines.defs.inprocess import Jobs
from audit_pipelines.defs.showing import SOURCES, TOKEN, TOKEN_ENV
from audit_pipelines.defs.station import Station
from audit_pipelines.demo.plan import plan
from audit_pipelines.demo.server import DemoServer
from audit_pipelines.seal import leaves

TODAY = date(2026, 11, 24)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Three nights of the demo: its organisation, its API, late events and all."""
    made = plan(seed=7, today=TODAY)
    nights = made.nights[:3]
    moment = datetime.combine(nights[0], clock_time(2), UTC)
    with DemoServer(made, TOKEN) as server:
        sources = SOURCES.format(url=json.dumps(server.url), token=TOKEN_ENV)
        root = tmp_path_factory.mktemp("demo") / "home"
        home = found(root, name=made.organisation.name, organisation_id="larkspur", start=nights[0], sources=sources)
        make = lambda opened, run_id: Station(opened, run_id, now=lambda: moment, environ={TOKEN_ENV: TOKEN})  # noqa: E731
        with Jobs(home, make) as jobs:
            for night in nights:
                moment = server.as_of = datetime.combine(night + timedelta(days=1), clock_time(2), UTC)
                jobs.night([night])
    return home


def accepted(tlogverify, *arguments) -> str:
    done = subprocess.run([tlogverify, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def vkeys(home) -> dict[str, str]:
    (key,) = signing.keys(home)
    return dict(zip(("events", "statements"), key.vkeys, strict=True))


@pytest.mark.parametrize("log", ["events", "statements"])
def test_both_logs(home, tlogverify, log):
    assert "0 pruned" in accepted(tlogverify, "tiles", "-vkey", vkeys(home)[log], "-dir", home.log / log)


def test_each_batch_is_all_of_and_only_its_evidence(home, tlogverify, tmp_path):
    sealed = [batch for batch in history(home) if batch.size > batch.first]
    assert len(sealed) == 3
    for batch in sealed:
        lines = tmp_path / f"{batch.seq}.txt"
        files = [line for file in batch.evidence for block in leaves.lines(home.root / file.path) for line in block]
        lines.write_bytes(b"".join(b"%s\n" % line for line in files))
        folder = home.log / "events"
        said = accepted(
            tlogverify, "batch", "-vkey", vkeys(home)["events"], "-format", "disclosed", "-leaves", lines,
            "-old", folder / "checkpoints" / str(batch.first), "-edge", folder / "edges" / str(batch.first),
            "-new", folder / "checkpoints" / str(batch.size),
        )  # fmt: skip
        assert f"leaves {batch.first} to {batch.size - 1} are exactly this file" in said


def test_every_head_is_the_one_before_only_longer(home, tlogverify):
    for log, vkey in vkeys(home).items():
        folder = home.log / log
        sizes = sorted(int(path.name) for path in (folder / "checkpoints").iterdir())
        for old, new in itertools.pairwise(sizes):
            heads = ["-old", folder / "checkpoints" / str(old), "-new", folder / "checkpoints" / str(new)]
            accepted(tlogverify, "consistency", "-vkey", vkey, *heads, "-tiles", folder)
