"""The partitions: one a UTC day for events, findings and drops, one a month for the report."""

from datetime import date

import dagster as dg


def daily(start: date) -> dg.DailyPartitionsDefinition:
    """Days from ``start`` to today; today's brings what an extra run during the day has read."""
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), end_offset=1)


def monthly(start: date) -> dg.MonthlyPartitionsDefinition:
    """Whole months from the one of ``start`` to the last that is over."""
    return dg.MonthlyPartitionsDefinition(start_date=start.replace(day=1).isoformat())
