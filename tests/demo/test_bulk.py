"""The fast maker: right number, right shape, distinct ids, nearly in order."""

import json
from datetime import date, datetime, timedelta
from itertools import accumulate
from statistics import mean

from audit_pipelines.demo.bulk import bulk

DAY = date(2026, 1, 5)
COUNT = 5000


def _events():
    return [json.loads(line) for line in bulk(DAY, COUNT, 1)]


def test_lines_are_records_of_the_day_with_distinct_ids():
    events = _events()
    assert len({event["id"] for event in events}) == len(events) == COUNT
    assert all(event["occurred_at"].startswith("2026-01-05T") and len(event["occurred_at"]) == 27 for event in events)


def test_lines_have_the_members_of_the_demo(demo):
    shape = set(json.loads(demo.records(demo.last)[0]))
    optional = {"outcome"}
    assert all(shape - set(event) <= optional | {"schedule", "resources", "drifted"} for event in _events())


def test_a_line_is_about_750_bytes_and_ends_once():
    lines = list(bulk(DAY, COUNT, 1))
    assert 680 < mean(map(len, lines)) < 800
    assert all(line.count(b"\n") == 1 and line.endswith(b"}\n") for line in lines)


def test_an_eighth_of_the_events_say_what_changed():
    share = mean(event["before"] is not None and event["after"] is not None for event in _events())
    assert 0.10 < share < 0.14


def test_times_are_out_of_order_by_three_seconds_at_most():
    times = [datetime.fromisoformat(line["occurred_at"]) for line in (json.loads(line) for line in bulk(DAY, 200_000, 1))]
    behind = max(latest - at for latest, at in zip(accumulate(times, max), times, strict=True))
    assert timedelta(seconds=1) < behind <= timedelta(seconds=3)


def test_another_seed_gives_other_bytes():
    assert list(bulk(DAY, 10, 1)) != list(bulk(DAY, 10, 2))


def test_nothing_is_nothing():
    assert list(bulk(DAY, 0, 1)) == []
