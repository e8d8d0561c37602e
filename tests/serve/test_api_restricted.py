"""Links: what lies outside is as if it did not exist - in data, totals, single events, findings, reports and cursors."""

import json
from datetime import UTC, datetime

import pytest

from audit_pipelines.serve.cursor import Cursor, encode, query_name
from audit_pipelines.serve.filters import Filter

SINCE, UNTIL = datetime(2026, 1, 30, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture(scope="module")
def events(sealed_records):
    return [json.loads(record) for record in sealed_records]


@pytest.fixture(scope="module")
def somebody(events):
    """The person with the most events."""
    people = [event["actor"]["id"] for event in events if event["actor"]["type"] == "user"]
    return max(sorted(set(people)), key=people.count)


@pytest.fixture(scope="module", params=["period", "actor", "actor's address"])
def link(request, sealed_door, events, somebody):
    """A link's client, and the events it may see."""
    if request.param == "period":
        inside = [event for event in events if SINCE.isoformat()[:10] == event["occurred_at"][:10]]
        return sealed_door.linked(since=SINCE, until=UNTIL), inside
    inside = [event for event in events if event["actor"]["id"] == somebody]
    return sealed_door.linked(actor=somebody if request.param == "actor" else inside[0]["actor"]["email"]), inside


def ids(events) -> set[str]:
    return {event["id"] for event in events}


def test_only_its_own_events_are_given_and_counted(link, events):
    client, inside = link
    assert 0 < len(inside) < len(events)
    answer = client.get("/v1/audit-logs?limit=10000&format=record").raise_for_status().json()
    assert ids(answer["data"]) == ids(inside)
    assert answer["total"] == len(inside)


def test_no_filter_reaches_further(link, events):
    client, inside = link
    outside = next(event for event in events if event["id"] not in ids(inside))
    for query in (
        f"q={outside['id']}",
        f"user={outside['actor']['id']}&from={outside['occurred_at']}",
        "from=2026-01-29&to=2026-01-30&user=nobody",
        f"target={outside['targets'][0]['id']}&from=2026-01-31",
    ):
        found = client.get(f"/v1/audit-logs?limit=10000&format=record&{query}").raise_for_status().json()
        assert ids(found["data"]) <= ids(inside)
        assert found["total"] == len(found["data"])


def test_a_stream_is_restricted_too(link):
    client, inside = link
    answer = client.get("/v1/audit-logs.ndjson?format=record")
    assert ids(map(json.loads, answer.content.splitlines())) == ids(inside)
    assert answer.headers["audit-log-events"] == str(len(inside))


def test_single_events_outside_are_unknown(link, events):
    client, inside = link
    outside = next(event for event in events if event["id"] not in ids(inside))
    hidden, unknown = client.get(f"/v1/audit-logs/{outside['id']}"), client.get("/v1/audit-logs/evt_none")
    assert (hidden.status_code, hidden.json()["detail"]) == (unknown.status_code, unknown.json()["detail"])
    shown = client.get(f"/v1/audit-logs/terracotta/{inside[0]['id']}").raise_for_status().json()
    assert (shown["event"]["event_id"], shown["evidence"]) == (inside[0]["id"], None)
    assert shown["proof"]["leaf_hash"]


def test_no_cursor_reaches_further(link, sealed_door):
    """A cursor says where to go on, never what may be seen: neither another's nor a forged one helps."""
    client, inside = link
    others = sealed_door.client(sealed_door.token("read")).get("/v1/audit-logs?limit=1").json()["next_cursor"]
    assert client.get(f"/v1/audit-logs?cursor={others}").status_code == 400
    forged = encode(Cursor(7103, "desc", 253_402_300_799_999_999, "z", query_name((Filter(),)), 7103))
    assert client.get(f"/v1/audit-logs?cursor={forged}").status_code == 400
    own = client.get("/v1/audit-logs?limit=1").json()["next_cursor"]
    walked = client.get(f"/v1/audit-logs?limit=10000&cursor={own}").json()
    assert len(walked["data"]) == len(inside) - 1


def test_what_no_link_opens(link):
    client, _ = link
    assert client.get("/v1/drops").status_code == 403
    assert client.get("/log/events/tile/0/000").status_code == 403
    assert client.get("/v1/checkpoint").status_code == 200


def test_findings_only_where_their_rules_looked_at_nothing_else(sealed_door, somebody):
    (finding,) = sealed_door.client(sealed_door.token("read")).get("/v1/findings").json()["data"]
    day = datetime.fromisoformat(finding["day"]).replace(tzinfo=UTC)
    wide = sealed_door.linked(since=day.replace(year=2025), until=day.replace(month=3, day=1))
    assert wide.get("/v1/findings").json()["total"] == 1
    late = sealed_door.linked(since=datetime.fromisoformat(finding["window_end"]), until=day.replace(month=3, day=1))
    assert late.get("/v1/findings").json() == {"data": [], "next_cursor": None, "total": 0}
    assert sealed_door.linked(actor=somebody).get("/v1/findings").status_code == 403
    assert sealed_door.linked(report="2026-01").get("/v1/findings").status_code == 403


def test_reports_only_of_months_wholly_inside(sealed_door, somebody):
    month = {"since": datetime(2026, 1, 1, tzinfo=UTC), "until": datetime(2026, 2, 1, tzinfo=UTC)}
    seen = {
        "the month": sealed_door.linked(**month),
        "part of it": sealed_door.linked(**{**month, "since": SINCE}),
        "its report": sealed_door.linked(report="2026-01"),
        "another report": sealed_door.linked(report="2026-02"),
    }
    counts = {name: len(client.get("/v1/reports").raise_for_status().json()["data"]) for name, client in seen.items()}
    assert counts == {"the month": 1, "part of it": 0, "its report": 1, "another report": 0}
    assert sealed_door.linked(actor=somebody).get("/v1/reports").status_code == 403


def test_a_report_link_shows_no_events(sealed_door):
    client = sealed_door.linked(report="2026-01")
    for path in ("/v1/audit-logs", "/v1/audit-logs.ndjson", "/v1/audit-logs/evt_1"):
        assert client.get(path).status_code == 403
