"""A link's pages are those of a log that has nothing else: compared with a home that holds only what it may see."""

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.defs.conftest import Yard, record
from tests.serve.conftest import opened

SINCE, UNTIL = datetime(2026, 1, 3, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)
QUERIES = (
    "",
    "outcome=failure",
    "user=usr_3",
    "user=usr_4",
    "category=configuration",
    "q=guardrail",
    "from=2026-01-04",
    "q=none",
)


def records() -> list[bytes]:
    """Logins of seven people over eight days; each has actions, outcomes and targets of their own as well."""
    made = []
    for number in range(200):
        when = datetime(2026, 1, 1, 5, tzinfo=UTC) + timedelta(minutes=53 * number)
        kind = ("authentication.login", "guardrail.updated", f"own.action_{number % 7}")[number % 3]
        outcome = "failure" if number % 5 == 0 else "success"
        targets = [{"type": "guardrail", "id": f"gr_{number % 7}", "name": f"Of {number % 7}"}]
        made.append(record(number, when.isoformat(), kind, outcome=outcome, targets=targets))
    return made


def inside(raw: bytes, kind: str) -> bool:
    event = json.loads(raw)
    if kind == "actor":
        return event["actor"]["id"] == "usr_3"
    return SINCE <= datetime.fromisoformat(event["occurred_at"]) < UNTIL


@pytest.fixture(scope="module", params=["actor", "period"])
def twins(request, clock, tmp_path_factory):
    """A browser with a link into the whole home, and one with a token in a home that has only its part."""
    limits = {"actor": "usr_3"} if request.param == "actor" else {"since": SINCE, "until": UNTIL}
    doors = []
    for kept in (records(), [raw for raw in records() if inside(raw, request.param)]):
        yard = Yard(tmp_path_factory.mktemp("twin"))
        yard.put("one.ndjson", kept)
        yard.night(date(2026, 1, 10))
        doors.append(yard.home)
    with opened(doors[0], clock) as whole, opened(doors[1], clock) as part:
        yield whole.linked(**limits), part.signed_in(part.token("read", "export"))


def plain(text: str) -> str:
    """A page without what only says where in the log something is."""
    text = re.sub(r"/events/\d+", "/events/N", text)
    text = re.sub(r'(leaf|id|for|aria-\w+|data-[a-z-]*leaf)="([a-z-]*)\d+"', r'\1="\2N"', text)
    return re.sub(r"cursor=[A-Za-z0-9_-]+", "cursor=C", text)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("page", ["facets", "histogram", "rows"])
def test_rows_counts_and_chart(twins, page, query):
    asked = (client.get(f"/audit-logs/{page}?{query}", headers={"x-fragment": "1"}) for client in twins)
    linked, alone = (answer.raise_for_status().text for answer in asked)
    assert plain(linked) == plain(alone)


@pytest.mark.parametrize("query", QUERIES)
def test_exports(twins, query):
    found = []
    for client in twins:
        text = client.get(f"/audit-logs/export?format=csv&{query}").raise_for_status().text
        rows = list(csv.DictReader(io.StringIO(text.split("\n", 1)[1])))
        found.append([{name: value for name, value in row.items() if name not in ("leaf_index", "extracted_at")} for row in rows])
    assert found[0] == found[1]


@pytest.mark.parametrize("query", QUERIES)
def test_the_api(twins, query):
    found = []
    for client in twins:
        answer = client.get(f"/v1/audit-logs?limit=1000&{query}").raise_for_status().json()
        events = [{name: value for name, value in event.items() if name != "leaf_index"} for event in answer["data"]]
        found.append((answer["total"], events))
    assert found[0] == found[1]


def test_single_events_say_what_the_link_shows_and_not_how_much_else_there_is(twins):
    linked, alone = twins
    for client, told in ((linked, False), (alone, True)):
        first = re.search(r"/audit-logs/events/\d+", client.get("/audit-logs").text)[0]
        page = client.get(first).raise_for_status().text
        assert ("evidence/source=" in page) is told
        assert ("You came by a link." in page) is not told


def test_events_outside_are_nowhere(twins):
    linked, alone = twins
    seen = {int(leaf) for leaf in re.findall(r"/audit-logs/events/(\d+)", linked.get("/audit-logs").text)}
    outside = sorted(set(range(200)) - seen)
    assert seen
    assert outside
    for leaf in outside[:20]:
        for part in ("", "/record", "/proof"):
            assert linked.get(f"/audit-logs/events/{leaf}{part}").status_code == 404
    assert "You came by a link." in linked.get("/audit-logs").text
    assert "You came by a link." not in alone.get("/audit-logs").text
