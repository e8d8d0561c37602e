"""Coverage as sets of days, and the limit of retention."""

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.lake.coverage import covered, has, merge, missing
from audit_pipelines.retention import limit_date

START = date(2026, 1, 1)
DAYS = st.integers(0, 40).map(lambda number: START + timedelta(days=number))
SPANS = st.lists(st.tuples(DAYS, DAYS).map(lambda pair: (min(pair), max(pair))), max_size=6)


def days(spans):
    return {low + timedelta(days=number) for low, high in spans for number in range((high - low).days + 1)}


@given(SPANS, DAYS)
def test_merged_spans_hold_the_same_days_in_the_fewest_spans(spans, day):
    merged = merge(spans)
    assert days(merged) == days(spans)
    assert all(later[0] - earlier[1] > timedelta(days=1) for earlier, later in itertools.pairwise(merged))
    assert has(merged, day) == (day in days(spans))


@given(SPANS, DAYS, DAYS)
def test_missing_is_the_rest(spans, first, last):
    gaps = missing(merge(spans), first, last)
    wanted = days([(first, last)]) if first <= last else set()
    assert days(gaps) == wanted - days(spans)
    assert merge(gaps) == gaps


def test_coverage_is_of_one_source_over_all_batches(lake):
    lake.run(asked=[5, 6])
    lake.run(asked=[7, 9])
    lake.run(asked=[8], source="other")
    assert covered(lake.batches(), "src") == ((date(2026, 1, 5), date(2026, 1, 7)), (date(2026, 1, 9), date(2026, 1, 9)))


@pytest.mark.parametrize(
    ("today", "months", "limit"),
    [
        (date(2026, 3, 31), 12, date(2025, 3, 31)),
        (date(2026, 2, 28), 12, date(2025, 2, 28)),
        (date(2025, 3, 31), 1, date(2025, 2, 28)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
        (date(2026, 12, 31), 13, date(2025, 11, 30)),
        (date(2026, 1, 1), 12 * 3000, date.min),
    ],
)
def test_limit(today, months, limit):
    assert limit_date(today, months) == limit
