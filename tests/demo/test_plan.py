"""The span, the backfills and nights, and that everything follows from seed and date alone."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

import audit_pipelines
from audit_pipelines.demo.plan import NIGHTS, plan

_DIGEST = """
import hashlib
from datetime import date
from audit_pipelines.demo.bulk import bulk
from audit_pipelines.demo.plan import plan
demo = plan(seed=11, today=date(2026, 2, 10))
digest = hashlib.sha256(repr(demo.incidents).encode())
for day in (demo.first, date(2025, 12, 9), demo.late_day, demo.last):
    digest.update(b"".join(demo.records(day)))
digest.update(b"".join(bulk(date(2026, 1, 5), 2000, 11)))
print(digest.hexdigest())
"""


def _digest_in_new_process(hash_seed: str) -> str:
    root = Path(audit_pipelines.__file__).parent.parent
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", _DIGEST], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_two_processes_make_the_same_bytes():
    first = _digest_in_new_process("0")
    assert len(first) == 64
    assert first == _digest_in_new_process("4711")


def test_another_seed_is_another_past():
    one, two = (plan(seed=seed, today=date(2026, 2, 10)) for seed in (1, 2))
    assert one.organisation.id != two.organisation.id
    assert set(one.records(one.last)).isdisjoint(two.records(two.last))


def test_a_day_can_be_made_alone(demo):
    day = date(2026, 1, 20)
    alone = plan(seed=demo.seed, today=demo.today)
    assert alone.records(day) == demo.records(day)


def test_the_span_is_three_whole_months_and_the_days_since(demo):
    assert (demo.first, demo.last) == (date(2025, 11, 1), date(2026, 2, 9))
    assert demo.backfills == (
        (date(2025, 11, 1), date(2025, 11, 30)),
        (date(2025, 12, 1), date(2025, 12, 31)),
        (date(2026, 1, 1), date(2026, 1, 31)),
    )
    assert demo.nights == tuple(date(2026, 2, day) for day in range(1, 10))


@pytest.mark.parametrize("today", [date(2026, 3, 1), date(2026, 3, 4), date(2024, 3, 1), date(2026, 1, 1), date(2026, 5, 31)])
def test_backfills_and_nights_tile_the_span_on_every_date(today):
    made = plan(seed=3, today=today)
    covered = [day for first, last in made.backfills for day in made.days() if first <= day <= last]
    assert (*covered, *made.nights) == made.days()
    assert len(made.nights) >= NIGHTS
    assert made.first.day == 1
    assert made.last == today - timedelta(days=1)
    assert made.late_day in made.nights
    assert made.late_seen in made.nights


def test_days_outside_the_span_are_empty(demo):
    assert demo.records(demo.first - timedelta(days=1)) == []
    assert demo.records(demo.today) == []


def test_five_events_of_the_late_day_come_two_days_later(demo):
    late = [made for made in demo.made(demo.late_day) if made.available_at.date() != made.occurred_at.date()]
    late = [made for made in late if made.available_at - made.occurred_at > timedelta(minutes=10)]
    assert len(late) == 5
    assert {made.available_at.date() for made in late} == {demo.late_seen}
    assert demo.late_seen - demo.late_day <= timedelta(days=3)


def test_one_event_can_be_three_weeks_late():
    day = date(2026, 1, 12)
    made = plan(seed=7, today=date(2026, 2, 10), very_late=day).made(day)
    assert [each.available_at.date() for each in made if each.available_at.date() > day] == [date(2026, 2, 2)]
