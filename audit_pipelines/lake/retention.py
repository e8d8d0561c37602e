"""Retention: the first day that is still kept. Deleting what is past it is not done here.

Months are calendar months: with 12 of them, on 2026-03-31 the events before 2025-03-31 are past the limit; a day
that the earlier month does not have becomes that month's last (2025-02-28 on 2026-02-28 and, with one
month, on 2025-03-31).
"""

import calendar
from datetime import date


def limit_date(today: date, months: int) -> date:
    """First day that is still kept on ``today``, with ``months`` months of retention."""
    number = today.year * 12 + today.month - 1 - months
    year, month = divmod(number, 12)
    if year < 1:
        return date.min
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))
