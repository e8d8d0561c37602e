"""The limit of retention to the microsecond: leap years, short months, months of single sources."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_pipelines.retention import Policy, is_past, limit, limit_date

MICRO = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("today", "months", "first_kept"),
    [
        (date(2026, 3, 31), 12, date(2025, 3, 31)),
        (date(2024, 2, 29), 12, date(2023, 2, 28)),  # the leap day has no partner a year before
        (date(2025, 2, 28), 12, date(2024, 2, 28)),  # so the leap day is kept on the 28th, and
        (date(2025, 3, 1), 12, date(2024, 3, 1)),  # is past the limit a day later
        (date(2028, 2, 29), 48, date(2024, 2, 29)),
        (date(2024, 3, 31), 1, date(2024, 2, 29)),
        (date(2025, 3, 31), 1, date(2025, 2, 28)),
        (date(2025, 5, 31), 1, date(2025, 4, 30)),
        (date(2025, 12, 31), 3, date(2025, 9, 30)),
        (date(2026, 1, 15), 1, date(2025, 12, 15)),
    ],
)
def test_the_microsecond_before_the_limits_midnight_goes_and_midnight_stays(today, months, first_kept):
    assert limit_date(today, months) == first_kept
    midnight = datetime(first_kept.year, first_kept.month, first_kept.day, tzinfo=UTC)
    for at in (
        datetime(today.year, today.month, today.day, tzinfo=UTC),
        datetime(today.year, today.month, today.day, 23, 59, 59, 999_999, tzinfo=UTC),
    ):
        assert is_past(midnight - MICRO, at, months)
        assert not is_past(midnight, at, months)


def test_the_day_of_the_moment_is_the_utc_day():
    late = datetime(2026, 4, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))  # 2026-03-31 23:00 UTC
    assert limit(late, 12) == date(2025, 3, 31)


def test_sources_may_have_months_of_their_own():
    policy = Policy(months=12, sources={"short": 1})
    assert (policy.months_for("short"), policy.months_for("other")) == (1, 12)


@given(st.integers(978_307_200, 4_102_444_800).map(lambda second: datetime.fromtimestamp(second, UTC)), st.integers(1, 120))
def test_a_day_once_past_stays_past_and_no_month_is_cut_short(at, months):
    first = limit(at, months)
    assert first <= limit(at + timedelta(days=1), months), "the limit never goes back"
    assert (at.year * 12 + at.month) - (first.year * 12 + first.month) == months
    assert first.day <= at.day
