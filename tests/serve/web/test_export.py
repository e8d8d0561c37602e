"""Exports: exactly the filter, and a first line that says so."""

import csv
import io
import json
from urllib.parse import parse_qs

import pytest

from audit_pipelines.seal.log import read_checkpoint
from audit_pipelines.serve.lines import STREAM_ROWS
from tests.serve.web.conftest import waiting

FILTER = "category=authentication&outcome=failure"


@pytest.fixture
def exporter(door):
    return door.client(door.token("read", "export", name="Olga"))


def test_ndjson_is_a_line_about_itself_and_the_canonical_events(door, exporter):
    head, *lines = exporter.get(f"/audit-logs/export?{FILTER}").content.splitlines()
    said = json.loads(head)["export"]
    view = door.app.state.reader
    assert said["filter"] == FILTER
    assert said["restriction"] is None
    assert said["log_size"] == view.log().size
    assert said["checkpoint"].encode() == read_checkpoint(door.home.log / "events")
    assert said["exported_at"] == "2026-02-05T12:00:00Z"
    assert said["by"]["name"] == "Olga"
    drops = [line for path in (door.home.drops / "generic").glob("*.ndjson") for line in path.read_bytes().splitlines()[1:]]
    wanted = [line for line in drops if b'"category":"authentication"' in line and b'"outcome":"failure"' in line]
    assert sorted(lines) == sorted(wanted)
    times = [json.loads(line)["occurred_at"] for line in lines]
    assert times == sorted(times, reverse=True)


def test_csv_has_the_same_events_and_the_same_facts(exporter):
    answer = exporter.get(f"/audit-logs/export?{FILTER}&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="test.audit-logs.20260205T120000Z.csv"'
    remark, _, table = answer.text.partition("\r\n")
    said = parse_qs(remark.removeprefix("# audit-pipelines export: "))
    assert said["filter"] == [FILTER]
    assert said["checkpoint"][0].startswith("audit-pipelines/")
    rows = list(csv.DictReader(io.StringIO(table, newline=""), strict=True))
    lines = exporter.get(f"/audit-logs/export?{FILTER}").content.splitlines()[1:]
    assert [row["uid"] for row in rows] == [json.loads(line)["uid"] for line in lines]
    assert json.loads(rows[0]["targets"]) == json.loads(lines[0])["targets"]


def test_an_export_of_more_than_a_page_has_every_event_once(door, exporter, monkeypatch):
    monkeypatch.setattr("audit_pipelines.serve.lines.STREAM_ROWS", 500)
    lines = exporter.get("/audit-logs/export").content.splitlines()[1:]
    assert STREAM_ROWS > 500
    leaves = [json.loads(line)["leaf_index"] for line in lines]
    assert sorted(leaves) == list(range(door.app.state.reader.log().size))


def test_it_is_recorded_with_the_log_that_it_is_of(door, exporter):
    exporter.get("/audit-logs/export?user=nobody")
    last = door.records()[-1]
    assert last["action"] == "audit_log.exported"
    assert last["targets"] == [
        {"type": "audit_log", "id": "events", "name": f"ndjson, log size {door.app.state.reader.log().size}"}
    ]


def test_nothing_found_is_an_export_too(exporter):
    assert len(exporter.get("/audit-logs/export?user=nobody").content.splitlines()) == 1
    assert len(exporter.get("/audit-logs/export?user=nobody&format=csv").content.splitlines()) == 2


def test_a_format_that_is_none_is_refused(exporter):
    assert exporter.get("/audit-logs/export?format=xlsx").status_code == 400


def test_a_query_that_takes_too_long_is_an_error_and_no_empty_file(door, exporter):
    with waiting(door):
        answer = exporter.get("/audit-logs/export?q=nobody+asked+this")
    assert answer.status_code == 503
    assert "content-disposition" not in answer.headers
