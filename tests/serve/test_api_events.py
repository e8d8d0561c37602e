"""GET /v1/audit-logs: what a page holds, how one walks, and what is refused."""

import json

import pytest

from audit_pipelines.serve.cursor import Cursor, encode
from audit_pipelines.serve.lines import LARGEST


@pytest.fixture(scope="module")
def client(sealed_door):
    return sealed_door.client(sealed_door.token("read"))


def walk(client, **query):
    """All pages to the end."""
    pages = [client.get("/v1/audit-logs", params=query).raise_for_status()]
    while following := pages[-1].json()["next_cursor"]:
        pages.append(client.get("/v1/audit-logs", params={**query, "cursor": following}).raise_for_status())
    return pages


def data(pages) -> list[dict]:
    return [entry for page in pages for entry in page.json()["data"]]


def test_the_newest_come_first_a_hundred_at_a_time(client, sealed_records):
    answer = client.get("/v1/audit-logs")
    found = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert set(found) == {"data", "next_cursor", "total", "log"}
    assert (len(found["data"]), found["total"], found["log"]) == (100, len(sealed_records), {"size": len(sealed_records)})
    times = [event["occurred_at"] for event in found["data"]]
    assert times == sorted(times, reverse=True)
    assert times[0] == max(json.loads(record)["occurred_at"] for record in sealed_records)


@pytest.mark.parametrize("limit", [700, 3333, 10_000])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_a_walk_gives_every_event_once(client, sealed_records, order, limit):
    pages = walk(client, order=order, limit=limit)
    found = [(event["occurred_at"], event["uid"]) for event in data(pages)]
    assert len(found) == len(set(found)) == len(sealed_records)
    assert found == sorted(found, reverse=order == "desc")
    assert {page.json()["total"] for page in pages} == {len(sealed_records)}


def test_records_stand_in_the_page_byte_for_byte(client, sealed_records):
    pages = walk(client, format="record", order="asc", limit=3000)
    rest = [page.content.removeprefix(b'{"data":[').partition(b'],"next_cursor":')[0] for page in pages]
    by_time = sorted(sealed_records, key=lambda record: (json.loads(record)["occurred_at"], json.loads(record)["id"]))
    assert b",".join(rest) == b",".join(by_time)


def test_a_page_of_large_records_is_shorter(sealed_door, client, monkeypatch):
    monkeypatch.setattr("audit_pipelines.serve.lines.LARGEST", 10_000)
    assert LARGEST > 10_000
    pages = walk(client, format="record", limit=500, to="2026-01-29T02:00:00Z")
    assert all(0 < len(page.json()["data"]) < 20 for page in pages)
    assert len({record["id"] for record in data(pages)}) == pages[0].json()["total"] == len(data(pages)) > 20


def test_a_filter_counts_what_it_gives(client, sealed_records):
    wanted = {"category": ["authentication", "review"], "outcome": "success", "from": "2026-01-30", "to": "2026-01-31"}
    pages = walk(client, limit=50, **wanted)
    found = data(pages)
    assert pages[0].json()["total"] == len(found) > 50
    assert {event["category"] for event in found} == {"authentication", "review"}
    assert {event["outcome"] for event in found} == {"success"}
    assert {event["occurred_at"][:10] for event in found} == {"2026-01-30"}


def test_nothing_found_is_an_empty_page(client):
    assert client.get("/v1/audit-logs?user=nobody@example.com").json() == {
        "data": [],
        "next_cursor": None,
        "total": 0,
        "log": {"size": 7103},
    }


def test_the_same_question_costs_nothing_while_nothing_has_changed(client):
    first = client.get("/v1/audit-logs?limit=5")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get("/v1/audit-logs?limit=5", headers={"if-none-match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get("/v1/audit-logs?limit=5", headers={"if-none-match": '"other"'}).status_code == 200
    others = [
        "limit=6",
        "limit=5&order=asc",
        "limit=5&format=record",
        "limit=5&q=login",
        f"limit=5&cursor={first.json()['next_cursor']}",
    ]
    assert len({client.get(f"/v1/audit-logs?{query}").headers["etag"] for query in others} | {tag}) == 6


def test_a_link_has_another_answer_than_a_token(sealed_door, client):
    linked = sealed_door.linked(actor="usr_nobody")
    tag = client.get("/v1/audit-logs?limit=5").headers["etag"]
    assert linked.get("/v1/audit-logs?limit=5", headers={"if-none-match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit: Input should be greater than or equal to 1"),
        ("limit=10001", "limit: Input should be less than or equal to 10000"),
        ("limit=many", "limit: Input should be a valid integer"),
        ("order=up", "order: Input should be 'desc' or 'asc'"),
        ("format=csv", "format: Input should be 'event' or 'record'"),
        ("from=yesterday", "from: write a date like 2026-01-31"),
        ("to=2026-02-30", "to: write a date like 2026-01-31"),
        ("from=2026-01-02&to=2026-01-01", "to: must be later than from"),
        ("q=%00", "q: has characters that no text has"),
        ("q=a&q=b", "q: is given twice"),
        (f"user={'x' * 501}", "user: is longer than 500 characters"),
        ("cursor=1", "cursor: is none; give next_cursor of the page before as it was"),
        ("form=2026-01-01", "form: unknown parameter; this address knows action, address,"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(client, query, says):
    answer = client.get(f"/v1/audit-logs?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["detail"].startswith(says)


def test_a_cursor_belongs_to_its_question(client):
    following = client.get("/v1/audit-logs?limit=5").json()["next_cursor"]
    for query in ("order=asc", "q=login", "from=2026-01-30"):
        answer = client.get(f"/v1/audit-logs?{query}&cursor={following}")
        assert (answer.status_code, answer.json()["detail"]) == (400, "cursor: belongs to another query; begin without one")


def test_a_cursor_names_a_size_that_the_log_once_had(client):
    from audit_pipelines.serve.cursor import query_name
    from audit_pipelines.serve.filters import Filter

    made = encode(Cursor(17, "desc", 0, "", query_name((Filter(),)), 17))
    answer = client.get("/v1/audit-logs", params={"cursor": made})
    assert (answer.status_code, answer.json()["detail"]) == (400, "cursor: is of another log; begin without one")


def test_reading_is_logged_as_what_it_was(sealed_door, client):
    queries = ("limit=1", "limit=1&q=login")
    viewed, searched = [sealed_door.record_of(client.get(f"/v1/audit-logs?{query}")) for query in queries]
    assert (viewed["action"], searched["action"]) == ("audit_log.viewed", "audit_log.searched")
    assert searched["request"]["query"] == "limit=1&q=login"


def test_without_a_token_there_is_nothing(sealed_door):
    assert sealed_door.client().get("/v1/audit-logs").status_code == 401
    assert sealed_door.client(sealed_door.token("auditor")).get("/v1/audit-logs").status_code == 403
