"""Search over a real sealed home, beside the same questions asked of plain Python lists."""

import itertools
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from audit_pipelines.serve.catalog import Catalog, Snapshot
from audit_pipelines.serve.cursor import Order
from audit_pipelines.serve.engine import Engine, QueryTimeout
from audit_pipelines.serve.filters import Filter, micros
from audit_pipelines.serve.search import BARS, FACETS, PATIENCE, Place, Search
from tests.defs.conftest import Yard, record

DAYS = [date(2026, 1, day) for day in (2, 3, 4, 9)]
ACTIONS = ["authentication.login", "guardrail.updated", "review.triggered"]
LATER = datetime(2026, 1, 3, 12, tzinfo=UTC)


def records() -> list[bytes]:
    """Some hundred records; many share their microsecond."""
    chance = random.Random(7)
    made = []
    for number in range(400):
        when = datetime.combine(chance.choice(DAYS), datetime.min.time(), UTC) + timedelta(hours=chance.randrange(24))
        outcome = chance.choice(["success", "success", "failure"])
        target = {"type": "guardrail", "id": f"gr_{chance.randrange(3)}", "name": "No public buckets"}
        targets = [{"type": "repository", "id": "repo_1", "name": "apps"}, target]
        made.append(record(number, when.isoformat(), chance.choice(ACTIONS), outcome=outcome, targets=targets))
    return made


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    found = Yard(tmp_path_factory.mktemp("search"))
    found.put("first.ndjson", records())
    found.night(date(2026, 1, 10))
    found.put("late.ndjson", [record(900 + number, LATER.isoformat()) for number in range(5)])
    found.night(date(2026, 1, 11))
    return found


@pytest.fixture(scope="module")
def log(yard) -> Snapshot:
    return Catalog(yard.home).now()


@pytest.fixture(scope="module")
def search(yard):
    engine = Engine(yard.home, memory="500MB", seconds=30)
    yield Search(engine)
    engine.close()


@pytest.fixture(scope="module")
def events(log, search):
    """All of them by one large page, newest first."""
    found, more = search.page(log, [Filter()], Place(), 10_000)
    assert more is None
    assert len(found) == log.rows == 405
    return found


def walked(search: Search, log: Snapshot, filters: list[Filter], rows: int, order: Order = "desc") -> list[str]:
    place: Place | None = Place(order)
    found: list[str] = []
    while place is not None:
        page, place = search.page(log, filters, place, rows)
        assert len(page) <= rows
        found += [event["uid"] for event in page]
    return found


def test_the_newest_come_first_and_equal_times_by_uid(events):
    keys = [(event["occurred_at"], event["uid"]) for event in events]
    assert keys == sorted(keys, reverse=True)


@pytest.mark.parametrize("rows", [1, 7, 64, 405])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_pages_give_each_event_once_in_order(search, log, events, rows, order):
    expected = [event["uid"] for event in events]
    assert walked(search, log, [Filter()], rows, order) == (expected if order == "desc" else expected[::-1])


CHOSEN = {
    "a day": (
        Filter(since=datetime(2026, 1, 3, tzinfo=UTC), until=datetime(2026, 1, 4, tzinfo=UTC)),
        lambda e: e["occurred_at"].day == 3,
    ),
    "an hour": (Filter(since=LATER, until=LATER + timedelta(hours=1)), lambda e: e["occurred_at"] == LATER),
    "actions": (Filter(action=tuple(ACTIONS[:2])), lambda e: e["action"] in ACTIONS[:2]),
    "category": (Filter(category=("configuration",)), lambda e: e["category"] == "configuration"),
    "outcome": (Filter(outcome=("failure",)), lambda e: e["outcome"] == "failure"),
    "address of a user": (Filter(user=("p3@example.com",)), lambda e: e["actor_email"] == "p3@example.com"),
    "id of a user": (Filter(user=("usr_3", "usr_4")), lambda e: e["actor_id"] in ("usr_3", "usr_4")),
    "name of a user": (Filter(user=("Person 3",)), lambda e: e["actor_name"] == "Person 3"),
    "address": (Filter(address="192.0.2.7"), lambda e: e["source_ip"] == "192.0.2.7"),
    "session": (Filter(session="ses_2"), lambda e: e["session_id"] == "ses_2"),
    "any target": (Filter(target="gr_1"), lambda e: any(target["id"] == "gr_1" for target in e["targets"])),
    "text in any case": (Filter(q="GUARDRAIL.UPD"), lambda e: e["action"] == "guardrail.updated"),
    "a whole id": (Filter(q="evt_000007"), lambda e: e["event_id"] == "evt_000007"),
    "nothing": (Filter(action=("none.such",)), lambda _: False),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_a_filter_gives_what_a_list_would(search, log, events, name):
    wanted, holds = CHOSEN[name]
    expected = [event["uid"] for event in events if holds(event)]
    assert walked(search, log, [wanted], 23) == expected
    assert search.count(log, [wanted]) == len(expected)
    assert name == "nothing" or expected


@pytest.mark.parametrize("name", FACETS)
def test_facets_count_what_a_list_would(search, log, events, name):
    column = {"user": "actor_email"}.get(name, name)
    wanted = Filter(outcome=("failure",))
    expected = Counter(event[column] for event in events if event["outcome"] == "failure")
    found = search.facet(log, [wanted], name)
    assert {count.value: count.events for count in found} == dict(expected.most_common(20))
    assert [count.events for count in found] == sorted((count.events for count in found), reverse=True)


def test_two_filters_hold_together(search, log, events):
    filters = [Filter(user=("p3@example.com",)), Filter(outcome=("failure",))]
    expected = [event["uid"] for event in events if event["actor_email"] == "p3@example.com" and event["outcome"] == "failure"]
    assert walked(search, log, filters, 5) == expected
    assert sum(count.events for count in search.facet(log, filters, "action")) == len(expected)
    assert sum(bar.events for bar in search.histogram(log, filters)) == len(expected)


@pytest.mark.parametrize("wanted", [Filter(), Filter(outcome=("failure",)), CHOSEN["a day"][0], CHOSEN["an hour"][0]])
def test_the_histogram_has_no_gap_and_loses_none(search, log, wanted):
    bars = search.histogram(log, [wanted])
    assert sum(bar.events for bar in bars) == search.count(log, [wanted])
    assert all(first.until == second.since for first, second in itertools.pairwise(bars))
    assert len(bars) <= BARS
    assert sum(bar.failures for bar in bars) == search.count(log, [wanted, Filter(outcome=("failure",))])


def test_a_log_of_an_earlier_size_does_not_know_what_came_later(search, log, events):
    before = log.at(log.batches[0].size)
    assert before.size == 400
    assert walked(search, before, [Filter()], 50) == [event["uid"] for event in events if event["leaf_index"] < 400]
    with pytest.raises(LookupError):
        log.at(399)


def test_one_of_each_leaf(log):
    for leaf in (0, 399, 400, 404):
        assert log.file_of(leaf).first <= leaf < log.file_of(leaf).end
        assert log.batch_of(leaf).seq == (1 if leaf < 400 else 2)
    assert log.file_of(405) is None
    assert log.file_of(-1) is None
    assert log.batch_of(405) is None


def test_a_page_that_takes_long_is_given_as_far_as_it_came_and_goes_on(yard, log, events):
    """The clock jumps at each look, so that every look is a page of its own."""
    moments = iter(range(0, 10_000, int(PATIENCE) + 1))
    engine = Engine(yard.home, memory="500MB", seconds=30)
    impatient = Search(engine, clock=lambda: float(next(moments)))
    wanted = Filter(action=("guardrail.updated",), until=datetime(2026, 1, 5, tzinfo=UTC))
    expected = [event["uid"] for event in events if event["action"] == "guardrail.updated" and event["occurred_at"].day < 5]
    for order, uids in (("desc", expected), ("asc", expected[::-1])):
        assert walked(impatient, log, [wanted], 1000, order) == uids
    engine.close()


def test_a_query_that_takes_too_long_is_ended(yard, log):
    engine = Engine(yard.home, memory="500MB", seconds=0.2)
    with pytest.raises(QueryTimeout, match=r"longer than 0\.2 s"):
        engine.ask(
            "SELECT sum(a.range * b.range) FROM range(10_000_000) a, range(100_000) b WHERE $files IS NOT NULL", log.files, {}
        )
    assert engine.ask("SELECT len($files)", log.files, {}) == [(len(log.files),)]
    engine.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('{home}/audit.toml')",
        "SELECT * FROM read_blob('{home}/keys/*')",
        "COPY (SELECT 1) TO '{home}/out.csv'",
        "ATTACH '{home}/x.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
    ],
)
def test_the_engine_reaches_events_and_nothing_else(yard, statement):
    engine = Engine(yard.home, memory="500MB", seconds=30)
    text = statement.replace("{home}", str(yard.home.root))
    with pytest.raises(Exception, match=r"(?i)permission|cannot|disabled|locked"):
        engine._connection.execute(text).fetchall()
    engine.close()


def test_a_place_of_microseconds_is_where_the_event_is(search, log, events):
    event = events[100]
    page, _ = search.page(log, [Filter()], Place("desc", micros(event["occurred_at"]), event["uid"]), 1)
    assert page[0]["uid"] == events[101]["uid"]
