"""Retention: how long each source's events are kept, and what is past it. Deleting is not done here.

Months are calendar months: with 12 of them, on 2026-03-31 the events before 2025-03-31 are past the limit; a day
that the earlier month does not have becomes that month's last (2025-02-28 on 2026-02-28 and, with one
month, on 2025-03-31). Days are UTC days; a file is past the limit when its newest event is, to the microsecond.
"""

import calendar
from collections.abc import Mapping
from datetime import UTC, date, datetime, time

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Months of retention: the general number, and other ones for some sources."""

    months: int
    sources: Mapping[str, int] = {}
    """Months by source name."""

    def months_for(self, source: str) -> int:
        """Months of one source."""
        return self.sources.get(source, self.months)


def limit_date(today: date, months: int) -> date:
    """First day that is still kept on ``today``, with ``months`` months of retention."""
    number = today.year * 12 + today.month - 1 - months
    year, month = divmod(number, 12)
    if year < 1:
        return date.min
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))


def limit(at: datetime, months: int) -> date:
    """First day that is still kept at the moment ``at`` (aware)."""
    return limit_date(at.astimezone(UTC).date(), months)


def is_past(newest: datetime, at: datetime, months: int) -> bool:
    """Whether a file whose newest event is of ``newest`` (aware) may go: all of it lies before the limit's midnight, UTC."""
    return newest < datetime.combine(limit(at, months), time.min, UTC)
