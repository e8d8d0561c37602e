"""The demo's API over real HTTP: pages, tokens, faults, and records that can be read only later."""

import http.client
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from audit_pipelines.demo.plan import plan
from audit_pipelines.demo.server import DemoServer

TOKEN = "demo-token"
DAY = date(2025, 12, 6)  # a Saturday: a small day


@pytest.fixture
def server(demo):
    with DemoServer(demo, TOKEN) as running:
        yield running


class Caller:
    """One kept-alive connection."""

    def __init__(self, server: DemoServer, token: str | None = TOKEN) -> None:
        host = server.url.removeprefix("http://")
        self.connection = http.client.HTTPConnection(host, timeout=20)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, target: str) -> tuple[int, bytes, dict[str, str]]:
        self.connection.request("GET", target, headers=self.headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())

    def pages(self, first: date, end: date, limit: int) -> list[bytes]:
        """The bodies of all pages."""
        bodies, cursor = [], ""
        while cursor is not None:
            more = f"&cursor={cursor}" if cursor else ""
            status, body, _ = self.get(f"/v1/audit-logs?from={first}&to={end}&limit={limit}{more}")
            assert status == 200
            bodies.append(body)
            cursor = json.loads(body)["next_cursor"]
        return bodies


def _ids(bodies: list[bytes]) -> list[str]:
    return [event["id"] for body in bodies for event in json.loads(body)["data"]]


@pytest.mark.parametrize("limit", [1, 97, 5000])
def test_paging_gives_each_record_once_byte_for_byte(server, demo, limit):
    last = DAY + timedelta(days=1 if limit == 1 else 2)
    bodies = Caller(server).pages(DAY, last, limit)
    expected = demo.records(DAY) + (demo.records(DAY + timedelta(days=1)) if limit > 1 else [])
    assert _ids(bodies) == [json.loads(record)["id"] for record in expected]
    assert b",".join(body[len(b'{"data":[') : body.index(b'],"next_cursor":')] for body in bodies) == b",".join(expected)
    assert {json.loads(body)["total"] for body in bodies} == {len(expected)}


def test_to_is_exclusive(server):
    bodies = Caller(server).pages(DAY, DAY + timedelta(days=1), 5000)
    assert {event["occurred_at"][:10] for body in bodies for event in json.loads(body)["data"]} == {str(DAY)}


def test_days_outside_the_span_are_an_empty_page(server, demo):
    for first in (demo.first - timedelta(days=40), demo.today + timedelta(days=2)):
        (body,) = Caller(server).pages(first, first + timedelta(days=3), 100)
        assert json.loads(body) == {"data": [], "next_cursor": None, "total": 0}


def test_a_dropped_day_is_made_again_with_the_same_bytes(demo):
    with DemoServer(demo, TOKEN, keep_days=1) as server:
        caller = Caller(server)
        first = caller.pages(DAY, DAY + timedelta(days=2), 300)
        assert caller.pages(DAY, DAY + timedelta(days=2), 300) == first


def test_late_records_appear_when_the_clock_reaches_them(server, demo):
    day, end = demo.late_day, demo.late_day + timedelta(days=1)
    night = datetime.combine(end, datetime.min.time(), UTC) + timedelta(hours=1, minutes=30)
    caller = Caller(server)
    server.as_of = night
    early = caller.pages(day, end, 1000)
    server.as_of = night + timedelta(days=1)
    assert caller.pages(day, end, 1000) == early
    server.as_of = night + timedelta(days=2)
    late = caller.pages(day, end, 1000)
    assert len(_ids(early)) == len(demo.records(day)) - 5
    assert len(_ids(late)) == len(demo.records(day))
    assert json.loads(early[0])["total"] + 5 == json.loads(late[0])["total"]
    assert set(_ids(early)) < set(_ids(late))


def test_a_cursor_stays_right_when_late_records_appear_while_paging(server, demo):
    day, end = demo.late_day, demo.late_day + timedelta(days=1)
    caller = Caller(server)
    server.as_of = datetime.combine(end, datetime.min.time(), UTC) + timedelta(hours=1)
    _, body, _ = caller.get(f"/v1/audit-logs?from={day}&to={end}&limit=1000")
    first = json.loads(body)
    server.as_of += timedelta(days=5)
    _, body, _ = caller.get(f"/v1/audit-logs?from={day}&to={end}&limit=5000&cursor={first['next_cursor']}")
    found = [event["id"] for event in first["data"] + json.loads(body)["data"]]
    assert len(set(found)) == len(found)
    assert len(demo.records(day)) - 5 <= len(found) <= len(demo.records(day))


def test_a_record_three_weeks_late():
    day = date(2026, 1, 12)
    demo = plan(seed=7, today=date(2026, 2, 10), very_late=day)
    with DemoServer(demo, TOKEN) as server:
        server.as_of = datetime(2026, 2, 1, 23, tzinfo=UTC)
        before = _ids(Caller(server).pages(day, day + timedelta(days=1), 5000))
        server.as_of = datetime(2026, 2, 2, 1, tzinfo=UTC)
        assert len(_ids(Caller(server).pages(day, day + timedelta(days=1), 5000))) == len(before) + 1


@pytest.mark.parametrize("token", [None, "wrong", "démo"])
def test_without_the_token_there_is_nothing(server, token):
    status, body, headers = Caller(server, token).get(f"/v1/audit-logs?from={DAY}&to={DAY}")
    assert status == 401
    assert json.loads(body)["error"]["code"] == "unauthorized"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "bad_date"),
        ("from=2026-01-01", "bad_date"),
        ("from=2026-02-30&to=2026-03-01", "bad_date"),
        ("from=yesterday&to=2026-03-01", "bad_date"),
        ("from=2026-01-02&to=2026-01-02", "bad_range"),
        ("from=2026-01-02&to=2026-01-01", "bad_range"),
        ("from=2026-01-01&to=2026-01-02&limit=0", "bad_limit"),
        ("from=2026-01-01&to=2026-01-02&limit=many", "bad_limit"),
        ("from=2026-01-01&to=2026-01-02&cursor=x!", "bad_cursor"),
        ("from=2026-01-01&to=2026-01-02&cursor=aGVsbG8=", "bad_cursor"),
    ],
)
def test_bad_questions_are_refused(server, query, code):
    status, body, _ = Caller(server).get(f"/v1/audit-logs?{query}")
    assert (status, json.loads(body)["error"]["code"]) == (400, code)


def test_there_is_nothing_elsewhere(server):
    assert Caller(server).get("/v1/elsewhere")[0] == 404


def test_a_plan_without_audit_log_answers_402(server):
    server.audited = False
    status, body, _ = Caller(server).get(f"/v1/audit-logs?from={DAY}&to=2026-01-01")
    assert (status, json.loads(body)["error"]["code"]) == (402, "plan_required")


def test_every_third_request_fails_in_turn_with_503_and_429(demo):
    with DemoServer(demo, TOKEN, fail_every=3) as server:
        caller = Caller(server)
        answers = [caller.get(f"/v1/audit-logs?from={DAY}&to=2025-12-07&limit=1") for _ in range(6)]
    assert [status for status, _, _ in answers] == [200, 200, 503, 200, 200, 429]
    assert answers[5][2]["Retry-After"] == "0"
    assert server.requests == 6
    assert server.faults == 2


def test_a_connection_is_kept_and_nothing_is_printed(server, capfd):
    caller = Caller(server)
    for _ in range(3):
        assert caller.get(f"/v1/audit-logs?from={DAY}&to=2025-12-07&limit=2")[0] == 200
        socket = caller.connection.sock
        assert socket is not None
    caller.connection.close()
    assert capfd.readouterr() == ("", "")
