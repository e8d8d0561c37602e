"""A rule asked for many days at once gives exactly the findings of each day asked alone.

And nothing but a day and its lookback decides: a log cut to those days gives the same findings. Checked
on seeded random logs in which every rule has something to find, much of it around midnight. One rule is
also compared with a plain Python count of the same thing.
"""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from audit_pipelines.sql import catalogue, run

RULES = {name.removeprefix("anomalies/"): query for name, query in catalogue().items() if query.is_rule}
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 140
SINCE = FIRST + timedelta(days=126)
DAY = timedelta(days=1)
LOW = {  # thresholds at which a small log holds findings
    "failed_login_burst": {"threshold": 3, "window_minutes": 30},
    "password_spray": {"accounts": 3},
    "success_after_failures": {"threshold": 2, "window_minutes": 240},
    "first_seen_address": {"minimum_days": 3},
    "dormant_actor_returned": {"silent_days": 5},
    "volume_outlier": {"threshold": 3, "minimum_count": 5, "minimum_days": 3},
    "off_hours_administration": {"timezone": "America/New_York"},
    "mass_deletion": {"threshold": 2, "window_minutes": 120},
    "new_key_foreign_address": {},
    "guardrail_weakened": {},
    "session_moved": {},
    "source_silent": {"minimum_events": 2, "share": 0.8, "minimum_weeks": 3},
}
ACTIONS = (
    ("authentication", "authentication.login", 8),
    ("authentication", "api_key.created", 1),
    ("configuration", "guardrail.deleted", 1),
    ("configuration", "guardrail.updated", 1),
    ("configuration", "integration.disconnected", 1),
    ("review", "review.triggered", 6),
)


def moment(random, day):
    """Often close to midnight, in whole minutes, so that times meet."""
    minute = random.choice((random.randrange(1440), random.randrange(20), 1439 - random.randrange(20)))
    return FIRST + timedelta(days=day, minutes=minute)


def event(random, day, n, actors):
    category, action, _ = random.choices(ACTIONS, [weight for *_, weight in ACTIONS])[0]
    actor = random.choice(actors)
    address = (
        f"10.{random.randrange(3)}.0.{random.randrange(2)}" if random.random() < 0.97 else f"{random.randrange(20, 90)}.7.0.1"
    )
    key = action == "api_key.created"
    return {
        "event_id": f"e{n}",
        "occurred_at": moment(random, day),
        "source": "terracotta" if random.random() < 0.8 else "github",
        "category": category,
        "action": action,
        "outcome": "failure" if action == "authentication.login" and random.random() < 0.6 else "success",
        "actor_id": f"u-{actor}",
        "source_ip": address,
        "user_agent": random.choice(("Firefox", "curl")),
        "session_id": f"s-{actor}-{day // 2}",
        "target_id": f"k-{day}" if key else f"g-{random.randrange(5)}",
        "api_key_id": f"k-{day - random.randrange(2)}" if random.random() < 0.2 else None,
        "changes": [{"field": "enabled", "before": "true", "after": "false"}] if action == "guardrail.updated" else [],
    }


def log(seed):
    """140 days of a small organisation: people come and go, some days are loud, some are silent."""
    random, events = Random(seed), []
    for day in range(DAYS):
        actors = [actor for actor in range(8) if (day // 7 * 5 + actor * 3 + seed) % 4]
        loud = random.choice((0, 10, 20, 25, 30, 90))
        events += [event(random, day, len(events) + i, actors) for i in range(loud)]
    return events


def findings(connection, name, since, until):
    return list(run(connection, RULES[name], {"since": since, "until": until, **LOW[name]}).rows)


@pytest.fixture(params=[1, 2], ids="seed {}".format)
def events(request):
    return log(request.param)


def test_every_rule_is_checked():
    assert LOW.keys() == RULES.keys()


@pytest.mark.parametrize("name", LOW)
def test_many_days_at_once_are_the_union_of_the_days(relate, events, name):
    connection, lookback = relate(events), RULES[name].lookback * DAY
    days = [SINCE + n * DAY for n in range(DAYS - 126)]
    alone = {day: findings(connection, name, day, day + DAY) for day in days}
    assert any(alone.values()), "the log holds nothing that this rule finds"
    assert findings(connection, name, SINCE, days[-1] + DAY) == [row for day in days for row in alone[day]]
    for day in days[::5]:
        cut = [event for event in events if day - lookback <= event["occurred_at"] < day + DAY]
        assert findings(relate(cut), name, day, day + DAY) == alone[day]


@pytest.mark.parametrize("name", LOW)
def test_findings_keep_their_promises(relate, events, name):
    connection = relate(events)
    times = {f"{event['source']}/{event['event_id']}": event["occurred_at"] for event in events}
    rows = run(connection, RULES[name], {"since": SINCE, "until": FIRST + DAYS * DAY, **LOW[name]}).records()
    assert rows == sorted(rows, key=lambda row: (row["day"], row["subject"], row["window_start"]))
    for row in rows:
        assert row["day"] == row["window_end"].date()
        assert SINCE - RULES[name].lookback * DAY <= row["window_start"] <= row["window_end"] < FIRST + DAYS * DAY
        assert len(row["uids"]) == len(set(row["uids"])) == min(row["evidence_count"], 100)
        assert row["uids"] == sorted(row["uids"], key=lambda uid: (times[uid], uid))
        assert all(row["window_start"] <= times[uid] <= row["window_end"] for uid in row["uids"])
        assert row["score"] > 0
        assert row["summary"].endswith(".")


def test_bursts_are_those_that_a_plain_count_finds(relate, events):
    span, fewest = timedelta(minutes=30), 3
    failures = sorted(
        (event["source_ip"], event["occurred_at"])
        for event in events
        if event["category"] == "authentication" and event["outcome"] == "failure"
    )
    expected = {}
    for address, last in failures:
        window = [when for other, when in failures if other == address and last - span <= when <= last]
        if len(window) >= fewest and last >= SINCE:
            start, end, peak = expected.get((last.date(), address), (window[0], last, 0))
            expected[last.date(), address] = (min(start, window[0]), max(end, last), max(peak, len(window)))
    rows = findings(relate(events), "failed_login_burst", SINCE, FIRST + DAYS * DAY)
    assert {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows} == expected
