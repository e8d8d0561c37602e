"""GET /v1/audit-logs.ndjson: everything in one answer, and no way to take a broken one for a whole one."""

import base64
import json

import httpx2
import pytest


@pytest.fixture(scope="module")
def client(sealed_door):
    return sealed_door.client(sealed_door.token("read", "export"))


def test_all_events_one_a_line(client, sealed_records):
    answer = client.get("/v1/audit-logs.ndjson")
    lines = answer.content.splitlines()
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert len(lines) == len(sealed_records) == int(answer.headers["audit-log-events"]) == int(answer.headers["audit-log-size"])
    pages = client.get("/v1/audit-logs?limit=10000").content
    assert pages.startswith(b'{"data":[' + b",".join(lines) + b'],"next_cursor":null')


def test_the_checkpoint_goes_along(sealed, client):
    signed = base64.b64decode(client.get("/v1/audit-logs.ndjson?q=nothing-like-it").headers["audit-log-checkpoint"])
    assert signed == (sealed.log / "events" / "checkpoint").read_bytes()


def test_records_of_a_filter_in_order(client, sealed_records, monkeypatch):
    monkeypatch.setattr("audit_pipelines.serve.lines.STREAM_ROWS", 500)
    answer = client.get("/v1/audit-logs.ndjson?format=record&order=asc&from=2026-01-31")
    wanted = [record for record in sealed_records if json.loads(record)["occurred_at"] >= "2026-01-31"]
    assert answer.content.splitlines() == sorted(wanted, key=lambda record: json.loads(record)["occurred_at"])
    assert int(answer.headers["audit-log-events"]) == len(wanted)


def test_nothing_found_is_an_empty_answer(client):
    answer = client.get("/v1/audit-logs.ndjson?q=nothing-like-it")
    assert (answer.status_code, answer.content, answer.headers["audit-log-events"]) == (200, b"", "0")


def test_it_is_an_export(sealed_door, client):
    assert sealed_door.client(sealed_door.token("read")).get("/v1/audit-logs.ndjson").status_code == 403
    assert client.get("/v1/audit-logs.ndjson?limit=5").json()["detail"].startswith("limit: unknown parameter")


def test_it_is_recorded_before_its_first_byte(sealed_door, client):
    with client.stream("GET", "/v1/audit-logs.ndjson?q=login") as answer:
        assert answer.status_code == 200
        last = sealed_door.record_of(answer)
    assert (last["action"], last["outcome"], last["request"]["query"]) == ("audit_log.exported", "success", "q=login")


def test_a_failure_after_the_first_byte_breaks_the_connection(client, sealed_door, monkeypatch):
    """As when a file goes away under the answer: the client is told by the missing end, not left with a shorter list."""
    monkeypatch.setattr("audit_pipelines.serve.lines.STREAM_ROWS", 500)
    search = sealed_door.app.state.reader.search
    walk, asked = search.walk, []

    def fails(*args):
        asked.append(args)
        if len(asked) > 3:
            raise OSError("gone")
        return walk(*args)

    monkeypatch.setattr(search, "walk", fails)
    taken: list[bytes] = []
    with client.stream("GET", "/v1/audit-logs.ndjson") as answer:
        assert int(answer.headers["audit-log-events"]) == 7103
        with pytest.raises(httpx2.RemoteProtocolError):
            taken.extend(answer.iter_bytes())
