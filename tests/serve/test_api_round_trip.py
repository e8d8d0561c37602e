"""From home to home: the source kind `terracotta` reads this API, and the second home has the same records."""

import os
from datetime import UTC, datetime

import pytest

from audit_pipelines.batch import history
from audit_pipelines.defs import founding
from audit_pipelines.defs.inprocess import Jobs
from audit_pipelines.defs.station import Station
from audit_pipelines.home import Home
from audit_pipelines.lake.evidence import RECORD_AT, read_lines
from tests.serve.conftest import DAYS

SOURCE = """
[[sources]]
name = "terracotta"
kind = "terracotta"
dialect = "terracotta"
url = "{url}"
token_env = "SECOND_TOKEN"
page_size = {page_size}
query = {{ format = "record" }}
"""


def records(home: Home) -> list[bytes]:
    """All records as they lie in the evidence, without their salts."""
    files = [home.root / file.path for batch in history(home) for file in batch.evidence]
    return [line[RECORD_AT:] for file in files for block in read_lines(file) for line in block]


def read_from(door, folder, token: str, *, page_size: int) -> Home:
    """A second home, after one night that asked the first one for all days."""
    sources = SOURCE.format(url=door.url, page_size=page_size)
    home = founding.found(folder / "second", name="Second", organisation_id="second", start=DAYS[0], sources=sources)
    moment = datetime(2026, 2, 1, 2, tzinfo=UTC)
    make = lambda opened, run: Station(opened, run, now=lambda: moment, environ={**os.environ, "SECOND_TOKEN": token})  # noqa: E731
    with Jobs(home, make) as jobs:
        jobs.night(list(DAYS))
    return home


@pytest.fixture(autouse=True)
def dagster_elsewhere(monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.setenv("AUDIT_HOME", "")


@pytest.mark.parametrize("page_size", [10_000, 511])
def test_the_second_home_has_the_same_records(sealed_door, sealed_records, tmp_path, page_size):
    home = read_from(sealed_door, tmp_path, sealed_door.token("read"), page_size=page_size)
    assert sorted(records(home)) == sorted(records(sealed_door.home)) == sorted(sealed_records)
    (batch,) = history(home)
    (result,) = [source for source in batch.sources if source.name == "terracotta"]
    assert (result.records, result.events, result.rejects, result.conflicts) == (7103, 7103, 0, 0)
    assert result.covers == ((DAYS[0], DAYS[-1]),)
    assert sum(reading.records for reading in result.readings) == 7103
