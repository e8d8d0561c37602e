"""Holidays and hours."""

from datetime import date

import pytest

from audit_pipelines.demo.workday import business_day, easter, holiday, workday


@pytest.mark.parametrize(
    ("year", "day"), [(2000, date(2000, 4, 23)), (2024, date(2024, 3, 31)), (2025, date(2025, 4, 20)), (2026, date(2026, 4, 5))]
)
def test_easter(year, day):
    assert easter(year) == day


@pytest.mark.parametrize(
    ("country", "day", "free"),
    [
        ("DE", date(2026, 4, 3), True),  # Good Friday
        ("DE", date(2026, 4, 6), True),  # Easter Monday
        ("PL", date(2026, 4, 3), False),
        ("US", date(2025, 11, 27), True),  # Thanksgiving
        ("US", date(2025, 11, 28), True),  # the day after
        ("US", date(2025, 11, 20), False),
        ("US", date(2024, 11, 29), True),  # the day after, in the fifth week
        ("US", date(2026, 1, 19), True),  # third Monday of January
        ("IN", date(2026, 1, 26), True),
        ("SG", date(2026, 1, 26), False),
    ],
)
def test_holidays(country, day, free):
    assert holiday(country, day) is free


def test_head_office_works_on_weekdays_that_are_no_holidays():
    assert business_day(date(2026, 1, 5))
    assert not business_day(date(2026, 1, 4))
    assert not business_day(date(2026, 1, 1))


def test_a_session_stays_inside_one_utc_day(demo):
    for person in demo.organisation.people:
        for day in demo.days()[:30]:
            work = workday(demo.seed, person, day)
            if work:
                assert work.start.date() == work.end.date() == day
                assert work.start < work.end


def test_nobody_works_on_vacation_or_without_a_seat(demo):
    for person in demo.organisation.people:
        free = [day for start, end in person.away for day in demo.days() if start <= day <= end]
        free += [day for day in demo.days() if (person.joined and day <= person.joined) or (person.left and day >= person.left)]
        assert all(workday(demo.seed, person, day) is None for day in free)
